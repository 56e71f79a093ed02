from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.analysis.rule import Criteria, exit_code
from bench.analysis.run_verdicts import RunsJudged, judge_runs
from bench.analysis.stored import CaseTimes
from bench.data.schema import Status
from bench.model.case import Case, Mode
from bench.output.content.compare import of_runs, verdicts_json
from bench.output.content.verdicts import verdict_blocks
from bench.output.document import plain
from bench.output.names import case_names
from bench.workloads import tutorial

LABELS = ("results/one (2026-01-02 03:04)", "results/two (2026-01-03 03:04)")
Words = Callable[..., str]


CASE = Case("torch_nn", "mlp_bias_sgd", "torch-cpu", "torch", "cpu", tutorial(), 2)


def key(**options: Any) -> Case:
    return replace(CASE, **options)


def times(slowdown: float = 0.0, n: int = 10, sd: float = 0.004, **phases: float) -> CaseTimes:
    """Steps and phases of a millisecond, processes spread evenly; a phase is given by its slowdown."""
    spread = np.exp(sd * np.linspace(-1, 1, n))[:, None] * np.array([1.0, 1.01, 1.02])[None, :] * 1e-3
    return CaseTimes(Status.OK, "", {k: tuple(spread * (1 + v)) for k, v in {"step": slowdown, **phases}.items()})


A: Mapping[Case, CaseTimes] = {
    key(): times(forward=0.0),
    key(implementation="fine"): times(),
    key(implementation="noisy"): times(sd=0.5),
    key(implementation="broken"): times(),
    key(implementation="absent", backend="torch-cuda"): CaseTimes(Status.SKIPPED, "no [bold] CUDA device"),
}
B: Mapping[Case, CaseTimes] = {
    key(): times(0.1, 11, forward=0.3),
    key(implementation="fine"): times(0.001, 11),
    key(implementation="noisy"): times(0.001, 11, sd=0.5),
    key(implementation="broken"): CaseTimes(Status.FAILED, "died: a[:x:] [bold]"),
    key(implementation="absent", backend="torch-cuda"): CaseTimes(Status.SKIPPED, "no [bold] CUDA device"),
}


@pytest.fixture(scope="module")
def judged() -> RunsJudged:
    return judge_runs(A, [B], case_names(A))[0]


def test_cases_are_told_apart_by_what_differs_and_only_by_that() -> None:
    assert list(case_names([key()]).values()) == ["torch_nn on torch-cpu, mlp_bias_sgd"]
    several = [key(threads=1), key(mode=Mode.TRANSFERRED_WARM)]
    assert list(case_names(several).values()) == [
        "torch_nn on torch-cpu, mlp_bias_sgd, 1 CPU thread, resident-warm",
        "torch_nn on torch-cpu, mlp_bias_sgd, 2 CPU threads, transferred-warm",
    ]


def test_verdicts_with_their_reasons(judged: RunsJudged, words: Words) -> None:
    text = words(verdict_blocks(of_runs(judged, Criteria(), LABELS, ["seed: 0 / 1"])), 80)
    assert "REGRESSION: torch_nn on torch-cpu, mlp_bias_sgd: step: the minimum is slower by 10.0%" in text
    assert "INVALID: broken on torch-cpu, mlp_bias_sgd: step: failed in run B: died: a[:x:] [bold]" in text
    assert "INCONCLUSIVE: noisy on torch-cpu" in text
    assert "not compared: absent on torch-cuda, mlp_bias_sgd: no [bold] CUDA device." in text
    assert "PASS: fine" not in text
    assert "The runs also differ in seed: 0 / 1 (A / B)." in text
    assert "less certain than `bench ab`" in text


def test_one_factor_of_all_cases_is_said_in_one_sentence(judged: RunsJudged, words: Words) -> None:
    said = "Every case, the baselines included, moved by about the same factor 1.23: probably the machine."
    found = of_runs(judged, Criteria(), LABELS, factor=1.2345)
    assert plain(found.notes[0]) == said
    assert verdicts_json(judged, found, factor=1.2345)["common_factor"] == 1.2345
    assert "same factor" not in " ".join(notes(judged, Criteria()))
    assert verdicts_json(judged, found)["common_factor"] is None


def notes(judged: RunsJudged, criteria: Criteria, *more: Any) -> Sequence[str]:
    return list(map(plain, of_runs(judged, criteria, LABELS, *more).notes))


def _judged(n: int) -> RunsJudged:
    a, b = {key(): times(n=n, update=0.0)}, {key(): times(0.5, n, update=0.0)}
    return judge_runs(a, [b], {key(): "x"}, Criteria())[0]


def test_the_notes_say_what_a_verdict_takes(judged: RunsJudged) -> None:
    first, second, *rest = notes(judged, Criteria(0.02, 0.005, 0.1))
    assert "more than 0.5%; PASS: surely not slower by more than 10%, a phase by" in first
    assert "at most 2%" in first
    assert "(Mann-Whitney, Holm over 8 tests)" in second
    assert len(rest) == 2
    few = _judged(5)
    (told,) = [note for note in notes(few, Criteria()) if "too few" in note]
    assert told.startswith("1 case has too few processes for any REGRESSION among so many tests; 6 of each run can")
    enough = _judged(6)
    assert not [note for note in notes(enough, Criteria()) if "too few" in note]


def test_verdicts_as_json(judged: RunsJudged) -> None:
    told = json.loads(
        json.dumps(verdicts_json(judged, of_runs(judged, Criteria(), LABELS), ["seed: 0 / 1"]), allow_nan=False)
    )
    assert (told["verdict"], told["tests"], told["differences"]) == ("REGRESSION", 8, ["seed: 0 / 1"])
    assert told["criteria"] == {"alpha": 0.01, "margin": 0.01, "tolerance": 0.05, "power": 0.8}
    slower, _, _, broken = told["cases"]
    assert (slower["name"], slower["verdict"]) == ("torch_nn on torch-cpu, mlp_bias_sgd", "REGRESSION")
    assert slower["columns"]["threads"] == 2
    assert slower["processes"] == [10, 11]
    step, forward = slower["timed"]
    assert (step["name"], forward["name"]) == ("step", "forward")
    evidence = step["evidence"][0]
    assert (evidence["statistic"], "pairs" in evidence) == ("minimum", False)
    assert evidence["slowdown"] == pytest.approx(0.1, abs=1e-3)
    assert slower["changed"][0]["phase"] == "forward"
    assert "pairs" not in slower["changed"][0]["evidence"]
    assert (broken["verdict"], broken["seconds_a"], broken["timed"][0]["evidence"]) == ("INVALID", None, [])
    assert told["not_compared"] == {"absent on torch-cuda, mlp_bias_sgd": "no [bold] CUDA device"}
    assert any("bench ab" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("names", "allowed", "status"),
    [
        (["fine"], False, 0),
        (["fine", "noisy"], False, 3),
        (["fine", "noisy"], True, 0),
        (["fine", "noisy", "broken"], True, 4),
        (["fine", "noisy", "broken", "torch_nn"], True, 1),
    ],
)
def test_the_exit_status_is_that_of_the_worst_case(names: list[str], allowed: bool, status: int) -> None:
    chosen = {each: name for each, name in case_names(A).items() if each.implementation in names}
    (found,) = judge_runs(A, [B], chosen)
    assert exit_code((case.verdict.verdict for case in found.cases), allowed) == status
