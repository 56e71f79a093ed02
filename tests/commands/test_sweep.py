"""`bench sweep`: a grid that is really measured, and what is handed to the engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bench.data.store import read_crossovers, read_manifest, read_processes, read_summary
from bench.model.case import Case
from bench.run.terms import RunTerms

SMALL = ("--batch", "16", "--d-in", "12", "--d-out", "4", "--threads", "1", "--device", "cpu")
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture(scope="module")
def swept(here: Run, root: Path, fakecpu: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A grid of two sizes and two formats, and a size that no memory holds; one round, so there are no intervals."""
    out = tmp_path_factory.mktemp("sweep") / "run"
    axes = ("--axis", "hidden=8,16,99999999", "--axis", "dtype=float32,float64")
    manual = (root / "implementations" / "numpy_manual.py").read_text(encoding="utf-8")
    other = tmp_path_factory.mktemp("mine") / "other.py"
    other.write_text(manual.replace('"numpy_manual"', '"other", devices=("fakecpu",)'), encoding="utf-8")
    cases = ("-i", "numpy_manual,other", "--load", fakecpu, "--load", other, *SMALL[:-2])
    with mock.patch("bench.output.figures.names", return_value=("speedup_size",)):
        done = here("sweep", *axes, *cases, "--rounds", "1", "--budget", "3s", "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done


def test_every_combination_is_a_case(swept: Any) -> None:
    rows = read_summary(swept[0])
    steps = rows[(rows["phase"] == "step") & rows["variant"].isna()]
    assert sorted(set(zip(steps["implementation"], steps["size.hidden"], steps["dtype"], strict=True))) == sorted(
        (name, hidden, dtype)
        for name in ("numpy_manual", "other")
        for hidden in (8, 16, 99999999)
        for dtype in ("float32", "float64")
    )
    assert set(steps[steps["size.hidden"] < 100]["status"]) == {"ok"}
    assert steps[steps["size.hidden"] < 100]["speedup"].notna().all()


def test_what_is_too_large_is_a_row_with_the_reason_and_was_never_started(swept: Any) -> None:
    rows = read_summary(swept[0])
    large = rows[rows["size.hidden"] == 99999999]
    assert len(large) == 6
    assert set(large["status"]) == {"skipped"}
    assert large["reason"].str.contains("GiB to be verified, and this machine has").all()
    assert 99999999 not in set(read_processes(swept[0])["size.hidden"])
    assert "choose smaller sizes" in " ".join(swept[1].stdout.split())


def test_the_manifest_knows_the_axes_and_crossovers_have_their_file(swept: Any) -> None:
    manifest = read_manifest(swept[0])
    assert manifest.axes == {"size.hidden": [8, 16, 99999999], "dtype": ["float32", "float64"]}
    assert manifest.crossover_within is None  # --rounds asks for so many, and no refinement
    rows = read_crossovers(swept[0])
    assert set(rows["dtype"]) == {"float32", "float64"}
    assert set(rows["axis"]) == {"size.hidden"}
    assert set(rows["smallest"]) == {8}
    assert set(rows["largest"]) == {16}


def test_the_table_has_sizes_beside_each_other(swept: Any) -> None:
    lines = swept[1].stdout.splitlines()
    heading = next(index for index, line in enumerate(lines) if line.startswith("mlp_sgd: no bias, SGD, float32"))
    assert "speedup over numpy_manual@numpy by hidden" in lines[heading]
    assert lines[heading + 1].split() == ["implementation", "backend", "8", "16"]
    assert lines[heading + 2].split()[:2] == ["numpy_manual", "numpy"]
    (other,) = [line.split() for line in lines[heading + 3 : heading + 5] if line.startswith("other")]
    assert all(speedup.endswith("x") for speedup in other[2:])
    assert "Crossovers" in lines


def test_a_figure_over_size_is_drawn_at_the_end(swept: Any) -> None:
    assert (swept[0] / "figures" / "speedup_size.svg").is_file()
    assert f"wrote {swept[0] / 'crossovers.csv'}" in swept[1].stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "Nothing varies: give --axis"),
        (("--axis", "hiden=1,2"), "did you mean 'hidden'"),
        (("--axis", "hidden=1,2", "--axis", "hidden=3,4"), "--axis hidden is given twice"),
        (("--axis", "hidden=1,2", "--hidden", "7"), "--axis hidden and an option that sets it exclude each other"),
        (("--axis", "d_in=1,2", "--d-in", "7"), "--axis d_in and an option that sets it exclude each other"),
        (("--axis", "hidden=1:64:+1", "--axis", "batch=1:64:+1"), "4096 combinations are more than 1000"),
        (("--axis", "hidden=1,2", "--resume", "nowhere"), "leave out --axis"),
        (("--resume", "nowhere"), "nowhere is not the folder of a run"),
    ],
)
def test_nonsense_is_one_sentence(arguments: tuple[str, ...], complaint: str) -> None:
    from click.testing import CliRunner

    from bench.cli import cli
    from bench.errors import UsageError

    done = CliRunner().invoke(cli, ["sweep", *arguments])
    assert done.exit_code != 0
    message = str(done.exception) if not isinstance(done.exception, SystemExit) else done.output
    assert complaint in message
    assert isinstance(done.exception, UsageError) or "nowhere" in complaint


def test_presets_are_axes_that_can_be_given_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the command hands to the engine, without measuring."""
    from click.testing import CliRunner

    import bench.run.session as session
    from bench.cli import cli

    seen: list[tuple[set[Case], RunTerms]] = []

    def run(planned: Any, terms: RunTerms, watcher: Any) -> None:
        seen.append(({item.case for item in planned}, terms))
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "run", run)
    for arguments in (
        ["--preset", "small"],
        ["--preset", "small", "--axis", "hidden=8,16", "-w", "mlp_bias_adam", "--budget", "10s", "--no-refine"],
        ["--preset", "paper", "--threads", "1"],
    ):
        CliRunner().invoke(cli, ["sweep", "--device", "cpu", *arguments])
    (small, small_terms), (other, other_terms), (paper, paper_terms) = seen
    assert {case.problem.hidden for case in small} == {32, 128, 512, 2048}
    assert {case.workload for case in small} == {"mlp_sgd"}
    assert small_terms.budget_seconds == pytest.approx(150 - 7)
    assert small_terms.crossover_within == 0.1
    assert {case.problem.hidden for case in other} == {8, 16}
    assert {case.workload for case in other} == {"mlp_bias_adam"}
    assert other_terms.budget_seconds == pytest.approx(8)
    assert other_terms.crossover_within is None
    assert {case.workload for case in paper} == {"mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam", "mlp_dynamic"}
    assert {case.threads for case in paper} == {1}
    assert [axis.name for axis in paper_terms.axes] == ["hidden"]


def test_a_budget_that_cannot_be_enough_is_said_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    import bench.run.session as session
    from bench.cli import cli

    def run(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "run", run)
    done = CliRunner().invoke(cli, ["sweep", "--axis", "hidden=1:60:+1", "--budget", "30s", "--device", "cpu"])
    assert "cases take at least" in done.output
    assert "--budget is 0.5 min" in done.output


@pytest.mark.slow
def test_an_interrupted_sweep_is_finished_and_json_is_all_of_standard_output(here: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--axis", "hidden=8,16", "-i", "numpy_manual", *SMALL, "--no-figures")
    first = here("sweep", *options, "--budget", "200ms", "--out", out, "--json")
    assert first.returncode == 0, first.stderr
    json.loads(first.stdout)
    before = len(read_processes(out))
    again = here("sweep", "--resume", out, "--budget", "9s", "--no-figures", "--json")
    assert again.returncode == 0, again.stderr
    assert {row["size.hidden"] for row in json.loads(again.stdout)} == {8, 16}
    assert len(read_processes(out)) > before
    assert read_manifest(out).crossover_within == 0.1
