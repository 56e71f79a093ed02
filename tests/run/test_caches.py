"""Whose compiler finds an empty cache, and whose a filled one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.model.discovery import discover
from bench.run.caches import Caches
from bench.run.plan import Planned, Selection, choose, plan_cases
from bench.workloads import tutorial


def planned() -> list[Planned]:
    chosen = choose(discover(), ("numpy_manual", "numpy_adam"))
    items = plan_cases(Selection(chosen, tutorial(batch=8, d_in=6, hidden=5, d_out=3).sizes, threads=(1,)))
    first, *others = (item for item in items if not item.skipped)
    return [replace(first, implementation=replace(first.implementation, compiles=True)), *others]


def test_the_first_processes_of_a_case_get_an_empty_folder_each_and_later_ones_the_last(tmp_path: Path) -> None:
    compiling, plain = planned()
    caches = Caches(tmp_path, cold=2)
    given = [Path(caches.next(compiling)) for _ in range(4)]
    assert len({*given}) == 2
    assert given[1] == given[2] == given[3]
    assert all(folder.is_dir() and folder.parent == tmp_path and not any(folder.iterdir()) for folder in given)
    assert caches.next(plain) == ""


def test_no_two_cases_share_a_folder(tmp_path: Path) -> None:
    compiling, other = planned()
    both = compiling, replace(other, implementation=replace(other.implementation, compiles=True))
    caches = Caches(tmp_path, cold=1)
    assert len({caches.next(item) for item in both for _ in range(3)}) == 2
