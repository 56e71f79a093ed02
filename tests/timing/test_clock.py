from __future__ import annotations

from collections.abc import Iterator

from bench.timing.clock import host_now, resolution


def readings(*values: int) -> Iterator[int]:
    yield from values
    while True:
        yield values[-1]


def test_resolution_is_the_smallest_step_of_the_clock() -> None:
    clock = readings(0, 100, 100, 140, 260, 300, 1000)
    assert resolution(lambda: next(clock), 6) == 40


def test_a_clock_that_stands_still_has_a_resolution_all_the_same() -> None:
    assert resolution(lambda: 5, 10) == 1


def test_the_host_clock_never_goes_back() -> None:
    times = [host_now() for _ in range(1000)]
    assert times == sorted(times)
