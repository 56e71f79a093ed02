from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.machine.disturbance import KernelCounters, Reading, flags, together, unobserved, watching
from bench.model.condition import FOREIGN_BYTES, Condition

QUIET = Reading(5, 100, 1000)
MILLISECOND = 1_000_000


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (Reading(5, 100, 1000), ""),
        (Reading(6, 100, 1000), "preempted"),
        (Reading(5, 101, 1000), "stolen"),
        (Reading(5, 100, 1100), "pressure"),  # 100 us of 1 ms
        (Reading(5, 100, 1099), ""),
        (Reading(9, 103, 9000), "preempted stolen pressure"),
        (Reading(6, None, None), "preempted"),
    ],
)
def test_flags_of_a_sample_of_a_millisecond(after: Reading, expected: str) -> None:
    assert flags(QUIET, after, MILLISECOND) == expected


def test_counters_are_read_from_the_kernels_files(tmp_path: Path) -> None:
    stat, pressure = tmp_path / "stat", tmp_path / "pressure"
    stat.write_text("cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    pressure.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=12345\nfull avg10=0 total=9\n")
    counters = KernelCounters(str(stat), str(pressure))
    reading = counters.read()
    assert (reading.steal_ticks, reading.pressure_microseconds) == (88, 12345)
    ended = counters()
    stat.write_text("cpu  1 2 3 4 5 6 7 89 9 10\n")
    pressure.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=22345\n")
    found = ended(MILLISECOND).split()
    assert {"stolen", "pressure"} <= set(found)


@pytest.mark.parametrize("content", [None, "", "cpu 1 2 3\n"])
def test_a_system_without_counters_gives_no_flags(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "stat"
    if content is not None:
        path.write_text(content)
    reading = KernelCounters(str(path), str(path)).read()
    assert (reading.steal_ticks, reading.pressure_microseconds) == (None, None)
    assert flags(reading, reading, MILLISECOND) == ""


def test_unobserved_samples_have_no_flags() -> None:
    assert unobserved()(MILLISECOND) == ""


def test_a_device_is_read_before_and_after_a_sample() -> None:
    readings = iter([Condition(), Condition(throttle=("thermal",)), Condition(), Condition()])
    observe = watching(lambda: next(readings))
    assert observe()(MILLISECOND) == "throttled"
    assert observe()(MILLISECOND) == ""
    assert list(readings) == []


def test_the_flags_of_several_observers_stand_in_their_order() -> None:
    log: list[str] = []

    def observer(name: str, flag: str) -> Any:
        def observe() -> Any:
            log.append(f"{name} before")
            return lambda nanoseconds: (log.append(f"{name} after {nanoseconds}"), flag)[1]

        return observe

    observe = together(observer("a", "preempted stolen"), observer("b", ""), observer("c", "foreign"))
    assert observe()(5) == "preempted stolen foreign"
    assert log == ["a before", "b before", "c before", "a after 5", "b after 5", "c after 5"]
    assert together()()(5) == ""


def test_memory_in_foreign_hands_flags_every_sample() -> None:
    observe = watching(lambda: Condition(other_bytes=FOREIGN_BYTES + 1))
    assert together(unobserved, observe)()(MILLISECOND) == "foreign"
