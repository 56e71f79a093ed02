from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Status
from bench.data.store import read_manifest
from bench.errors import NothingRanError, UsageError
from bench.model.discovery import discover
from bench.run.plan import Planned, Selection, choose, plan_cases
from bench.run.session import new_id, resume, run, verify_all
from bench.run.terms import RunTerms
from bench.workloads import tutorial

SMALL = tutorial(batch=20, d_in=16, hidden=12, d_out=8)


class Silent:
    """A watcher that shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


pytestmark = pytest.mark.usefixtures("measures_little")


def numpy_cases(*names: str) -> tuple[Planned, ...]:
    return plan_cases(Selection(choose(discover(), names), SMALL.sizes))


def test_run_ids_sort_by_time() -> None:
    ids = [new_id(datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2, 11)]
    assert ids == sorted(ids)
    assert ids[0].startswith("20260101-000000-")


def test_a_run_from_plan_to_files(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    outcome = run(numpy_cases("numpy_manual"), RunTerms(60, 2, seed=3, command=("bench", "run"), out=out), Silent())
    assert outcome.exit_code == 0
    manifest = read_manifest(out)
    assert (manifest.run_id, manifest.seed, manifest.rounds_done, manifest.ended_by) == ("mine", 3, 2, "rounds")
    assert (manifest.command, manifest.budget_seconds, manifest.within) == (["bench", "run"], 60, 0.02)
    assert manifest.packages["numpy"]
    assert manifest.facts["numpy"]["blas"]
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "processes.csv",
        "samples.csv",
        "summary.csv",
    ]


def test_a_run_records_the_cpu_that_its_processes_of_one_thread_were_pinned_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable = min(os.sched_getaffinity(0))
    monkeypatch.setattr("bench.run.session.pinned_cpu", lambda threads: usable)
    found = {}
    for threads in (1, 2):
        planned = plan_cases(Selection(choose(discover(), ["numpy_manual"]), SMALL.sizes, threads=(threads,)))
        run(planned, RunTerms(60, 1, out=tmp_path / str(threads)), Silent())
        found[threads] = read_manifest(tmp_path / str(threads)).cpu
    assert found == {1: usable, 2: None}
    monkeypatch.setattr("bench.run.session.affinity", lambda: {usable + 1})
    with pytest.raises(UsageError, match=f"pinned to CPU {usable},.*taskset"):
        resume(tmp_path / "1", Silent())


def test_variables_that_change_results_or_speed_are_recorded_and_end_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "AVX512_SKX")
    out = tmp_path / "mine"
    run(numpy_cases("numpy_manual"), RunTerms(60, 1, out=out), Silent())
    manifest = read_manifest(out)
    assert manifest.environment["NPY_DISABLE_CPU_FEATURES"] == "AVX512_SKX"
    assert any(found.startswith("NPY_DISABLE_CPU_FEATURES: AVX512_SKX: changes") for found in manifest.disturbances)
    assert manifest.variable("OPENBLAS_CORETYPE") == "unset"
    assert {"cpu_model", "cpus_fast", "cgroup_cpus", "blas"} <= set(manifest.machine)
    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES")
    with pytest.raises(UsageError, match="NPY_DISABLE_CPU_FEATURES: AVX512_SKX / unset"):
        resume(out, Silent())


def test_a_run_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    run(numpy_cases("numpy_manual"), RunTerms(60, 1, out=out), Silent())
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="being written by another bench run"):
            resume(out, Silent())
    finally:
        os.close(other)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_run_in_which_nothing_can_run_says_why_and_makes_no_folder(tmp_path: Path) -> None:
    (item,) = numpy_cases("numpy_manual")
    skipped = Planned(item.case, item.implementation, "no such thing here")
    with pytest.raises(NothingRanError, match="Nothing can run here: no such thing here"):
        run([skipped], RunTerms(1, out=tmp_path / "x"), Silent())
    assert not (tmp_path / "x").exists()


def test_verify_asks_each_case_and_times_none() -> None:
    replies = verify_all(numpy_cases("numpy_manual", "numpy_dynamic"), Silent(), 60.0)
    assert [reply.status for _, reply in replies] == [Status.OK] * 2
    assert all(reply.samples == () and reply.verification for _, reply in replies)
