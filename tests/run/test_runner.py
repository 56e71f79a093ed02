"""Rounds, budget and what is on disk when; the processes and the clock are doubles, so all of it is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.data import store
from bench.data.run import StoredRun
from bench.data.schema import Status
from bench.data.store import read_manifest, read_processes, read_samples, read_summary
from bench.errors import ChildError, ChildTimeout, StorageError
from bench.model.condition import Condition
from bench.run.launcher import Local
from bench.run.runner import Done
from bench.run.terms import RunTerms
from bench.timing.peaks import Peaks
from bench.timing.protocol import Reply, Request

Make = Callable[..., Any]


def test_so_many_rounds_as_asked_for_each_over_all_cases(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=3))
    bench.runner.execute()
    rows = bench.runner.finish()
    assert bench.runner.manifest.ended_by == "rounds"
    assert bench.runner.manifest.rounds_done == 3
    assert sorted(bench.seen.measured) == sorted(
        (name, number) for number in range(3) for name in ("numpy_manual", "numpy_adam")
    )
    assert {row.processes for row in rows} == {3}


@pytest.mark.parametrize("full", ["manifest.json", "summary.csv"])
def test_rows_are_there_even_if_a_file_of_them_cannot_be_written(
    make: Make, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    bench = make(RunTerms(1000, rounds=1))
    bench.runner.execute()
    write = store.write_atomically

    def without_room(path: Path, content: str) -> None:
        if path.name == full:
            raise StorageError(f"{path.name} cannot be written")
        write(path, content)

    monkeypatch.setattr(store, "write_atomically", without_room)
    assert {row.status for row in bench.runner.finish()} == {Status.OK}
    assert bench.seen.unwritten_files == [f"{full} cannot be written"]


def test_the_budget_ends_a_run_before_it_is_overdrawn(make: Make) -> None:
    bench = make(RunTerms(10.5))  # 3 s to start, then 1 s a case: seven fit
    bench.runner.execute()
    assert bench.runner.manifest.ended_by == "budget"
    assert len(bench.double.asked) == 7
    assert bench.double.time <= 10.5


def test_the_first_round_is_finished_whatever_the_budget(make: Make) -> None:
    bench = make(RunTerms(0.001))
    bench.runner.execute()
    rows = bench.runner.finish()
    assert len(bench.double.asked) == 2
    assert all(row.status is Status.OK for row in rows)


def test_every_finished_group_is_on_disk_before_the_next_begins(make: Make) -> None:
    counts: list[tuple[int, int]] = []

    def answer(_: Request) -> Reply:
        counts.append((len(read_processes(bench.folder)), len(read_samples(bench.folder))))
        return _ok(bench)

    bench = make(RunTerms(1000, rounds=2), answer)
    bench.runner.execute()
    assert counts == [(0, 0), (1, 5), (2, 10), (3, 15)]  # five turns a process


def _ok(bench: Any) -> Reply:
    return type(bench.double).answer(Request((), "", "", bench.planned[0].case.problem, 1, ""))


@pytest.mark.parametrize(
    ("trouble", "status", "reason"),
    [
        (ChildError("its process died by SIGSEGV"), Status.FAILED, "its process died by SIGSEGV"),
        (ChildTimeout("no answer"), Status.TIMEOUT, "no answer"),
        (Reply(Status.WRONG, "the loss is off"), Status.WRONG, "the loss is off"),
        (Reply(Status.FAILED, "ValueError: x"), Status.FAILED, "ValueError: x"),
    ],
)
def test_trouble_costs_only_its_own_row(make: Make, trouble: Any, status: Status, reason: str) -> None:
    def answer(request: Request) -> Reply:
        if request.implementation != "numpy_adam":
            return _ok(bench)
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    bench = make(RunTerms(1000, rounds=3), answer)
    bench.runner.execute()
    rows = {row.case.implementation: row for row in bench.runner.finish()}
    assert rows["numpy_manual"].status is Status.OK
    assert rows["numpy_manual"].processes == 3
    assert rows["numpy_adam"].status is status
    assert rows["numpy_adam"].reason.startswith(reason)
    assert rows["numpy_adam"].median_seconds is None
    assert [request.implementation for request in bench.double.asked].count("numpy_adam") == 1
    assert bench.seen.failures == [("numpy_adam", status.value, rows["numpy_adam"].reason)]
    on_disk = read_summary(bench.folder).set_index("implementation")
    assert on_disk.loc["numpy_adam", "status"] == status.value


def test_a_failure_in_a_later_round_takes_the_case_out_and_keeps_what_was_measured(make: Make) -> None:
    def answer(request: Request) -> Reply:
        times = [each.implementation for each in bench.double.asked].count("numpy_adam")
        if request.implementation == "numpy_adam" and times in (2, 3):
            raise ChildError("its process died by SIGKILL")
        return _ok(bench)

    bench = make(RunTerms(1000, rounds=4), answer)
    bench.runner.execute()
    rows = {row.case.implementation: row for row in bench.runner.finish()}
    assert rows["numpy_adam"].status is Status.FAILED
    run = StoredRun(bench.folder)
    assert run.processes["implementation"].tolist().count("numpy_adam") == 2
    assert run.joined["implementation"].tolist().count("numpy_adam") == 5


def test_a_case_that_worked_before_is_repeated_once(make: Make) -> None:
    def answer(request: Request) -> Reply:
        times = [each.implementation for each in bench.double.asked].count("numpy_adam")
        if request.implementation == "numpy_adam" and times == 2:
            raise ChildError("its process died by SIGKILL")
        return _ok(bench)

    bench = make(RunTerms(1000, rounds=4), answer)
    bench.runner.execute()
    rows = {row.case.implementation: row for row in bench.runner.finish()}
    assert rows["numpy_adam"].status is Status.OK
    assert rows["numpy_adam"].processes == 4
    assert bench.seen.failures == []


def test_a_run_in_which_every_case_fails_ends_and_says_so(make: Make) -> None:
    bench = make(RunTerms(1000), lambda _: Reply(Status.WRONG, "the loss is off"))
    bench.runner.execute()
    assert bench.runner.manifest.ended_by == "failures"
    assert len(bench.double.asked) == 2


def test_interpreters_are_renewed_between_rounds_when_they_have_served_long_enough(make: Make) -> None:
    """Starting takes 3 s here and a round 2 s: after 12 s, that is six rounds, there are others."""
    bench = make(RunTerms(1000, rounds=13))
    bench.runner.execute()
    assert bench.double.renewed == 2
    hurried = make(RunTerms(20, rounds=13))
    hurried.runner.execute()
    assert hurried.double.renewed == 0  # no room for it in the budget


def test_a_resumed_run_samples_as_it_began(make: Make) -> None:
    bench = make(RunTerms(60))
    bench.runner.manifest.process_seconds = 0.123
    bench.runner.execute()
    assert bench.double.asked[0].policy.process_seconds == 0.123


def test_ctrl_c_leaves_a_readable_run(make: Make) -> None:
    def answer(request: Request) -> Reply:
        if len(bench.double.asked) == 4:
            raise KeyboardInterrupt
        return _ok(bench)

    bench = make(RunTerms(1000), answer)
    with pytest.raises(KeyboardInterrupt):
        bench.runner.execute()
    bench.runner.manifest.ended_by = "interrupted"
    rows = bench.runner.finish()
    assert sorted(row.processes for row in rows) == [1, 2]
    assert read_manifest(bench.folder).ended_by == "interrupted"


def test_skipped_cases_are_planned_but_never_asked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.model.backends import BACKENDS
    from bench.model.device import Availability

    monkeypatch.setattr(
        type(BACKENDS["torch-cuda"]), "availability", lambda backend: Availability(False, "absent: the test says so")
    )
    bench = make(RunTerms(1000, rounds=1), None, ["cuda"])
    bench.runner.execute()
    (row,) = bench.runner.finish()
    assert (row.status, row.reason) == (Status.SKIPPED, "absent: the test says so")
    assert bench.double.asked == []


def test_what_the_backends_pinned_is_in_the_manifest(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=1))
    bench.runner.execute()
    bench.runner.finish()
    assert read_manifest(bench.folder).facts == {"numpy": {"blas": "test"}}


@pytest.mark.parametrize(("budget", "seconds"), [(5, 0.04), (3 + 16 * 0.5, 0.1), (60, 0.3)])
def test_processes_sample_for_less_when_the_budget_is_small(make: Make, budget: float, seconds: float) -> None:
    """Two cases and eight rounds are sixteen processes; 0.4 s of each are not sampling."""
    bench = make(RunTerms(budget))
    bench.runner.execute()
    policy = bench.double.asked[0].policy
    assert policy.process_seconds == pytest.approx(seconds)
    assert policy.lead_seconds == pytest.approx(seconds / 15)


def test_a_run_ends_when_every_interval_is_narrow_enough(make: Make) -> None:
    bench = make(RunTerms(1000, within=0.02))
    bench.runner.execute()
    assert bench.runner.manifest.ended_by == "precision"
    assert bench.runner.manifest.rounds_done == 6
    assert len(bench.double.asked) == 12


def test_after_the_first_rounds_time_goes_where_the_interval_is_wide(make: Make) -> None:
    """One case is steady, the other jumps: only the one that jumps is measured on."""

    def answer(request: Request) -> Reply:
        reply = _ok(bench)
        times = [each.implementation for each in bench.double.asked].count("numpy_adam")
        if request.implementation == "numpy_adam" and times % 2:
            reply = replace(reply, samples=(replace(reply.samples[0], nanoseconds=2000),))
        return reply

    bench = make(RunTerms(40, within=0.02), answer)
    bench.runner.execute()
    assert bench.runner.manifest.ended_by == "budget"
    asked = [request.implementation for request in bench.double.asked]
    assert asked.count("numpy_manual") == 6
    assert asked.count("numpy_adam") == len(asked) - 6 > 20
    assert bench.seen.widest[0].implementation == "numpy_adam"
    assert bench.seen.widest[1] > 0.02


def test_rounds_asked_for_are_all_done_however_sure_the_run_is(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=9, within=0.02))
    bench.runner.execute()
    assert len(bench.double.asked) == 18


def again(bench: Any, terms: RunTerms, done: Done) -> Any:
    """The same run, taken up by another runner, which may have other terms."""
    manifest = bench.runner.manifest
    manifest.budget_seconds, manifest.rounds = terms.budget_seconds, terms.rounds
    launcher = Local(bench.double, manifest, bench.seen, lambda: bench.double.time)
    return type(bench.runner)(
        bench.runner._store, manifest, bench.planned, launcher, bench.seen, done=done, now=lambda: bench.double.time
    )


def test_a_resumed_run_measures_exactly_what_is_missing(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=4))
    manual, adam = (item.case for item in bench.planned)
    done = Done({manual: {0: {0: 1e-6}, 1: {0: 1e-6}}, adam: {0: {0: 1e-6}}}, processes=3, seconds=5.0)
    runner = again(bench, RunTerms(1000, rounds=4), done)
    runner.execute()
    assert sorted(bench.seen.measured) == [
        ("numpy_adam", 1),
        ("numpy_adam", 2),
        ("numpy_adam", 3),
        ("numpy_manual", 2),
        ("numpy_manual", 3),
    ]
    assert read_processes(bench.folder)["process"].tolist() == [3, 4, 5, 6, 7]


def test_a_run_with_nothing_missing_starts_nothing(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=1))
    manual, adam = (item.case for item in bench.planned)
    runner = again(
        bench, RunTerms(1000, rounds=1), Done({manual: {0: {0: 1e-6}}, adam: {0: {0: 1e-6}}}, processes=2, seconds=5.0)
    )
    runner.execute()
    assert bench.double.started == []
    assert runner.manifest.ended_by == "rounds"


def test_a_resumed_run_counts_what_it_has_spent_and_does_not_repeat_a_failure(make: Make) -> None:
    bench = make(RunTerms(1000))
    manual, adam = (item.case for item in bench.planned)
    done = Done({manual: {0: {0: 1e-6}}, adam: {0: None}}, processes=2, seconds=30.0)
    runner = again(bench, RunTerms(36.5), done)
    runner.execute()
    assert [request.implementation for request in bench.double.asked] == ["numpy_manual"] * 3


# What a device can do at most


def test_peaks_are_measured_before_the_first_case_once_a_backend_and_number_of_threads(make: Make) -> None:
    order: list[str] = []

    def answer(request: Request) -> Reply:
        order.append("case")
        return _ok(bench)

    bench = make(RunTerms(1000, rounds=2), answer, threads=(1, 2))
    real = bench.double.peak
    bench.double.peak = lambda request: (order.append("peak"), real(request))[1]
    bench.runner.execute()
    assert order == ["peak"] * 2 + ["case"] * 8
    asked = [(r.backend, r.implementation, r.origins, r.threads) for r in bench.double.asked_for_peaks]
    assert asked == [("numpy", "", (), 1), ("numpy", "", (), 2)]
    assert bench.seen.calibrated == ["numpy"] * 2
    bench.runner.finish()
    found = read_manifest(bench.folder).peaks
    assert [(peak.backend, peak.device, peak.threads, peak.dtype, peak.precision) for peak in found] == [
        ("numpy", "cpu", 1, "float32", "full"),
        ("numpy", "cpu", 2, "float32", "full"),
    ]
    assert {(p.gflops, p.matmul_size, p.gigabytes_per_second, p.copy_bytes) for p in found} == {
        (50.0, 1024, 8.0, 1 << 26)
    }


def test_peaks_are_on_disk_before_the_first_case_is_measured(make: Make) -> None:
    seen: list[int] = []

    def answer(_: Request) -> Reply:
        seen.append(len(read_manifest(bench.folder).peaks))
        return _ok(bench)

    bench = make(RunTerms(1000, rounds=1), answer)
    bench.runner.execute()
    assert seen == [1, 1]


def test_a_resumed_run_keeps_its_peaks(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=1))
    bench.runner.execute()
    peaks = list(bench.runner.manifest.peaks)
    again(bench, RunTerms(1000, rounds=2), Done(processes=2)).execute()
    assert len(bench.double.asked_for_peaks) == 1
    assert bench.runner.manifest.peaks == peaks


@pytest.mark.parametrize("reply", [Reply(Status.OK), Reply(Status.FAILED, "no memory"), ChildError("died")])
def test_a_device_without_a_peak_is_measured_all_the_same(make: Make, reply: Any) -> None:
    def peak(_: Request) -> Reply:
        if isinstance(reply, Exception):
            raise reply
        return reply  # type: ignore[no-any-return]

    bench = make(RunTerms(1000, rounds=1))
    bench.double.peak = peak
    bench.runner.execute()
    assert {row.status for row in bench.runner.finish()} == {Status.OK}
    assert bench.runner.manifest.peaks == []
    assert bench.seen.failures == []


def test_an_impossible_rate_is_refused_in_the_summary(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=1))
    bench.double.peak = lambda _: Reply(Status.OK, peaks=Peaks(1.0, 8, 1.0, 8))
    bench.runner.execute()
    rows = bench.runner.finish()
    assert {row.status for row in rows} == {Status.WRONG}
    assert all(row.reason.startswith("impossible: ") for row in rows)


def test_a_peak_that_was_measured_at_a_bad_moment_is_measured_again_before_a_step_is_refused(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=1))
    good = bench.double.peak
    bench.double.peak = lambda request: Reply(Status.OK, peaks=Peaks(1.0, 8, 9e9, 8))
    bench.runner.execute()
    bench.double.peak = good
    assert {row.status for row in bench.runner.finish()} == {Status.OK}
    (peak,) = read_manifest(bench.folder).peaks
    assert (peak.gflops, peak.matmul_size, peak.gigabytes_per_second) == (50.0, 1024, 9.0)
    assert len(bench.double.asked_for_peaks) == 2


def test_after_ctrl_c_nothing_is_measured_again(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=1))
    bench.double.peak = lambda _: Reply(Status.OK, peaks=Peaks(1.0, 8, 1.0, 8))
    bench.runner.execute()
    bench.runner.manifest.ended_by = "interrupted"
    assert {row.status for row in bench.runner.finish()} == {Status.WRONG}
    assert len(bench.double.asked_for_peaks) == 1


# Throttled rounds


def throttling(bench: Any, *rounds: int) -> Callable[[Request], Reply]:
    """The device is throttled while `numpy_adam` is measured in these rounds, and takes a hundred times as long."""

    def answer(request: Request) -> Reply:
        reply = _ok(bench[0])
        number = [each.implementation for each in bench[0].double.asked].count("numpy_adam") - 1
        if request.implementation != "numpy_adam" or number not in rounds:
            return reply
        slow = replace(reply.samples[0], nanoseconds=100_000)
        return replace(reply, samples=(slow,), condition=Condition(throttle=("thermal",)))

    return answer


def test_a_throttled_round_is_forgotten_for_all_cases_and_measured_anew(make: Make) -> None:
    """After six rounds both cases have five that count; the wider half is one of them, then it is the other's turn."""
    bench: list[Any] = []
    bench.append(make(RunTerms(1000, within=0.02), throttling(bench, 2)))
    bench[0].runner.execute()
    assert bench[0].runner.manifest.ended_by == "precision"
    assert bench[0].runner.manifest.rounds_done == 8
    assert sorted(name for name, number in bench[0].seen.measured if number > 5) == ["numpy_adam", "numpy_manual"]
    processes = read_processes(bench[0].folder)
    assert set(processes[processes["throttled"] != ""]["round"]) == {2}
    rows = bench[0].runner.finish()
    assert {(row.processes, row.invalid_rounds, row.median_seconds) for row in rows} == {(6, 1, 1e-6)}


def test_a_throttled_round_is_known_again_when_a_run_is_resumed(make: Make) -> None:
    bench = make(RunTerms(1000, within=0.02))
    cases = [item.case for item in bench.planned]
    seconds = {number: {0: 1e-6 if number != 2 else 1e-4} for number in range(6)}
    done = Done({case: dict(seconds) for case in cases}, invalid=frozenset({2}), processes=12)
    again(bench, RunTerms(1000, within=0.02), done).execute()
    assert sorted(name for name, number in bench.seen.measured if number > 5) == ["numpy_adam", "numpy_manual"]
    assert len(bench.seen.measured) == 2


def test_a_round_that_was_throttled_before_the_run_broke_off_stays_invalid_when_it_is_finished(make: Make) -> None:
    bench = make(RunTerms(1000))
    manual, adam = (item.case for item in bench.planned)
    whole: dict[int, Any] = {number: {0: 1e-6} for number in range(6)}
    begun = {number: whole[number] for number in range(5)}
    done = Done({manual: whole, adam: begun}, invalid=frozenset({5}), processes=11)
    again(bench, RunTerms(1000), done).execute()
    assert bench.seen.measured[0] == ("numpy_adam", 5)
    assert sorted(name for name, number in bench.seen.measured if number > 5) == ["numpy_adam", "numpy_manual"]


def test_what_was_counted_beside_a_truth_stands_in_the_manifest_once(make: Make) -> None:
    bench = make(RunTerms(1000, rounds=2))
    flops = {"forward": 3.0, "backward+update": 4.0}
    bench.double.truth = lambda request: Reply(Status.OK, flops=flops if request.implementation == "numpy_adam" else {})
    bench.runner.execute()
    bench.runner.finish()
    (counted,) = read_manifest(bench.folder).counted
    assert (counted.workload, counted.sizes["batch"], counted.flops) == ("mlp_bias_adam", 8, flops)
