"""One comparison as a whole: who starts the processes, what is written, what it exits with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.analysis.rule import Criteria, FamilyVerdict, Verdict
from bench.data.pairs import PAIRS
from bench.data.schema import Status
from bench.errors import StorageError, UsageError
from bench.model.registry import Registry
from bench.run import contest, session
from bench.run.ab import Decided
from bench.run.contest import Comparison, as_json, compare_sides
from bench.run.guarded import Interpreter
from bench.run.matching import Match
from bench.run.pairs import A, B, PairCase
from bench.run.sides import Side
from bench.run.terms import Terms
from bench.timing.protocol import Reply, Task

Compare = Callable[..., Comparison]


class Interpreters:
    """Stands for `Pool`: hands each one that is made the next side of the arena, or both to the only one."""

    def __init__(self, arena: Any, scratch: Path) -> None:
        self.arena, self.scratch = arena, scratch
        self.made: list[Interpreters] = []
        self.interpreter: Interpreter | None = None
        self.started: list[list[str]] = []
        self.renewed = 0
        self.closed = False

    def __call__(self, interpreter: Interpreter | None, waiting: object) -> Interpreters:
        made = Interpreters(self.arena, self.scratch)
        made.interpreter = interpreter
        self.made.append(made)
        return made

    def __enter__(self) -> Interpreters:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True

    def start(self, backends: Sequence[Any]) -> None:
        self.started.append([backend.name for backend in backends])

    def renew(self, backends: Sequence[Any]) -> None:
        self.renewed += 1

    def ask(self, backend: Any, request: Any, timeout: float) -> Reply:
        assert request.task is Task.TRUTH
        return Reply(Status.OK)

    def open(self, backend: Any, request: Any, timeout: float) -> Any:
        return self.arena.opens(A if request.path == ("/a",) else B).open(backend, request, timeout)


@pytest.fixture
def interpreters(arena: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Interpreters:
    double = Interpreters(arena, tmp_path)
    monkeypatch.setattr(contest, "Pool", double)
    return double


@pytest.fixture
def compare(
    arena: Any, interpreters: Interpreters, pair_cases: tuple[PairCase, ...], seen: Any, tmp_path: Path
) -> Compare:
    def do(python: tuple[str | None, str | None] = (None, None), **options: Any) -> Comparison:
        sides = [
            Side(
                f"side {letter}",
                Registry(),
                (),
                path=(f"/{letter}",),
                interpreter=None if path is None else Interpreter(python=path),
            )
            for letter, path in zip("ab", python, strict=True)
        ]
        given = {"sizes": pair_cases[0].case.problem.sizes, "timeout": 5.0, "out": tmp_path / "out", **options}
        absent = {"torch-cuda": "no CUDA device"}
        return compare_sides((sides[0], sides[1]), Match(pair_cases[:1], {}, absent), seen, Terms(**given))

    return do


def faster(side: str, phase: str, pair: int) -> float:
    return 0.97 if side == B else 1.0


def test_one_interpreter_starts_both_sides_if_it_is_the_same(arena: Any, interpreters: Any, compare: Compare) -> None:
    arena.factor = faster
    assert compare().verdict is Verdict.PASS
    (only,) = interpreters.made
    assert only.started == [["numpy"]]
    assert (only.renewed, only.closed) == (0, True)
    assert [side for side, _ in arena.opened].count(A) == 8


def test_two_interpreters_are_renewed_so_that_one_memory_layout_decides_nothing(
    arena: Any, interpreters: Any, compare: Compare
) -> None:
    arena.factor = lambda side, phase, pair: 1.5 if side == B else 1.0
    assert compare(("old/python", "new/python")).verdict is Verdict.REGRESSION
    old, new = interpreters.made
    assert (old.interpreter.python, new.interpreter.python) == ("old/python", "new/python")
    assert old.renewed == new.renewed == 2  # before pairs 0 and 4 of eight
    assert old.closed
    assert new.closed


def test_verdicts_and_pairs_are_left_in_the_folder(arena: Any, compare: Compare, tmp_path: Path) -> None:
    arena.factor = lambda side, phase, pair: 2.0 if side == B and phase in ("step", "backward") else 1.0
    found = compare()

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    told = json.loads((tmp_path / "out" / "verdicts.json").read_text(), parse_constant=refuse)
    again = json.loads(json.dumps(as_json(found)))
    assert told["machine"].keys() == again["machine"].keys()
    assert {**told, "machine": None} == {**again, "machine": None}  # its load has changed since
    assert (told["a"], told["b"], told["verdict"]) == ("side a", "side b", "REGRESSION")
    assert told["absent"] == {"torch-cuda": "no CUDA device"}
    assert told["criteria"]["alpha"] == 0.01
    (case,) = told["cases"]
    assert case["changed"][0]["phase"] == "backward"
    assert case["verdict"]["columns"][0]["evidence"][0]["statistic"] == "minimum"
    assert set(pd.read_csv(tmp_path / "out" / PAIRS)["run_id"]) == {"out"}


def test_verdicts_stand_where_their_file_cannot_be_written_and_the_clock_is_set_back(
    arena: Any, compare: Compare, seen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SetBack(datetime):
        readings = 0

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            cls.readings += 1
            return datetime(2026, 3, 29, 4, tzinfo=UTC) - timedelta(hours=2 * cls.readings)

    def full(path: Path, content: str) -> None:
        raise StorageError(f"{path.name} cannot be written")

    monkeypatch.setattr(contest, "datetime", SetBack)
    monkeypatch.setattr(contest, "write_atomically", full)
    arena.factor = faster
    found = compare()
    assert (found.verdict, found.seconds >= 0) == (Verdict.PASS, True)
    assert seen.unwritten_files == ["verdicts.json cannot be written"]


def test_a_folder_in_use_is_refused_before_anything_is_started(
    arena: Any, interpreters: Any, compare: Compare, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="has something in it already"):
        compare()
    assert interpreters.made == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_without_a_folder_it_makes_one_below_results(
    arena: Any, compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arena.factor = faster
    found = compare(out=None)
    assert found.folder.parts[0] == "results"
    assert found.folder.name.startswith("ab-")
    assert set(pd.read_csv(found.folder / PAIRS)["run_id"]) == {found.folder.name}


def test_the_name_of_a_comparison_sorts_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.os, "getpid", lambda: 42)
    assert session.new_id(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "ab") == "ab-20260304-050607-42"


def test_pinning_reaches_both_processes(arena: Any, compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "pinned_cpus", lambda threads: (7,) if threads == 1 else ())
    arena.factor = faster
    found = compare()
    assert {request.cpu for _, request in arena.opened} == {7}
    assert list(found.cpus) == as_json(found)["cpus"] == [7]


def test_each_pair_that_is_measured_beside_others_has_a_cpu_of_its_own(
    arena: Any, compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "pinned_cpus", lambda threads: (7, 5, 3))
    arena.factor = faster
    found = compare(jobs=2)
    pairs = {side: Counter(request.cpu for of, request in arena.opened if of == side) for side in (A, B)}
    assert found.cpus == (7, 5)
    assert pairs[A] == pairs[B], "both sides of a pair share one"
    assert set(pairs[A]) == {7, 5}
    assert pairs[A].total() == 8


@pytest.mark.parametrize(("threads", "jobs"), [(1, 4), (2, 2)])
def test_more_pairs_at_once_than_there_are_cores_are_refused(
    compare: Compare, interpreters: Interpreters, monkeypatch: pytest.MonkeyPatch, threads: int, jobs: int
) -> None:
    monkeypatch.setattr(contest, "pinned_cpus", lambda threads: (7, 5, 3) if threads == 1 else ())
    with pytest.raises(UsageError, match=f"--jobs {jobs}"):
        compare(jobs=jobs, threads=threads)
    assert interpreters.made == []


R, V, I, P = Verdict.REGRESSION, Verdict.INVALID, Verdict.INCONCLUSIVE, Verdict.PASS  # noqa: E741


@pytest.mark.parametrize(
    ("verdicts", "worst", "code", "allowed"),
    [
        ([P, P], P, 0, 0),
        ([P, I], I, 3, 0),
        ([I, V], V, 4, 4),
        ([V, R, I, P], R, 1, 1),
        ([], V, 4, 4),
    ],
)
def test_the_exit_status_is_that_of_the_worst_case(
    tmp_path: Path, verdicts: list[Verdict], worst: Verdict, code: int, allowed: int
) -> None:
    cases = tuple(Decided(FamilyVerdict(str(index), each, "why", ()), 1) for index, each in enumerate(verdicts))
    found = Comparison(tmp_path, "2026-01-01T00:00:00+00:00", ("a", "b"), Criteria(), cases, {}, 1.0, 1)
    assert found.verdict is worst
    assert found.exit_code() == code
    assert found.exit_code(allow_inconclusive=True) == allowed
