"""Does the measuring itself work on this device? Checks with known answers, for hardware that is new to the harness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.model.device import Device, Stream
from bench.model.problem import Dtype
from bench.timing.clock import Now
from bench.timing.passes import Rig, hold_rate, time_work
from bench.timing.peaks import measure_peaks

LONG_NANOSECONDS = 50_000_000
AGREEMENT = 0.01
DOUBLING = 0.03
SECOND_CLOCK = 0.02
_LONG_KERNEL = 200_000
"""Nanoseconds. Between two kernels a device idles for one or two thousand, which only the marks count."""
_FACTORS = (1, 2, 4, 8, 16, 32)
_STEPS = 5
_HOLD_NANOSECONDS = 20_000_000


@dataclass(frozen=True)
class Check:
    """One question with a known answer."""

    name: str
    passed: bool
    detail: str


def prove_device(device: Device, now: Now) -> tuple[Check, ...]:
    """Check that twice the work takes twice the time, and the device's clock and its hold where it has a clock."""
    stream = device.stream
    if stream is None:
        return (_doubling(device, now),)
    units = round(LONG_NANOSECONDS / hold_rate(stream, device.synchronize))
    return (
        _clocks_agree(device, stream, now, units),
        _hold_works(device, stream, now, units),
        _doubling(device, now),
    )


def _marked(stream: Stream, run: Callable[[], object]) -> tuple[Callable[[], None], list[object]]:
    marks: list[object] = []

    def between() -> None:
        marks.append(stream.record())
        run()
        marks.append(stream.record())

    return between, marks


def _clocks_agree(device: Device, stream: Stream, now: Now, units: int) -> Check:
    run, marks = _marked(stream, lambda: stream.hold(units))
    by_host = time_work(run, 1, now, device.synchronize)
    by_device = stream.nanoseconds(*marks)
    off = by_device / max(by_host, 1) - 1
    detail = f"a kernel lasts {by_host / 1e6:.2f} ms by the host, {by_device / 1e6:.2f} ms by the device ({off:+.2%})"
    return Check("device clock against host clock", abs(off) <= AGREEMENT, detail)


def _hold_works(device: Device, stream: Stream, now: Now, units: int) -> Check:
    seen: list[bool] = []

    def run() -> None:
        stream.hold(units)
        mark = stream.record()
        seen.append(stream.reached(mark))

    time_work(run, 1, now, device.synchronize)
    detail = "what is enqueued behind a hold " + ("began before the hold was over" if seen[0] else "waits for its end")
    return Check("hold", not seen[0], detail)


def _doubling(device: Device, now: Now) -> Check:
    name = "twice the work takes twice the time"
    peaks = measure_peaks(device, Dtype.FLOAT32, now)
    if peaks is None or device.matmul is None:
        return Check(name, False, f"the device {device.kind} offers no matrix product")
    generator = np.random.default_rng(0)
    a, b = (generator.uniform(-1, 1, (peaks.matmul_size,) * 2).astype(np.float32) for _ in range(2))
    multiply, stream = device.matmul(a, b), device.stream

    def seconds(count: int) -> float:
        def work() -> None:
            for _ in range(count):
                multiply()

        times = []
        for _ in range(5):
            if stream is None:
                times.append(time_work(work, 1, now, device.synchronize) / 1e9)
                continue
            run, marks = _marked(stream, work)
            time_work(run, 1, now, device.synchronize)
            times.append(stream.nanoseconds(*marks) / 1e9)
        return min(times)

    seconds(4)  # clocks rise under load
    once, twice = seconds(8), seconds(16)
    ratio = twice / once if once > 0 else 0.0
    detail = f"8 matrix products take {once * 1e3:.3f} ms, 16 take {twice * 1e3:.3f} ms: {ratio:.3f} times as long"
    return Check(name, abs(ratio / 2 - 1) <= DOUBLING, detail)


def prove_step(rig: Rig) -> Check | None:
    """Check that no phase makes the host wait for the device; None where the device does not let that be seen."""
    name = "no synchronisation inside a phase"
    if rig.stream is None:
        return None
    rig.step()  # what is loaded or allocated once may wait
    for stage in rig.step.stages:
        phases = "+".join(stage.phases)
        try:
            with rig.stream.watched():
                stage.run()
        except RuntimeError as error:
            return Check(name, False, f"{phases} waits for the device: {' '.join(str(error).split())}")
    return Check(name, True, "every phase only enqueues")


def compare_clocks(at: Callable[[int], Rig]) -> Check | None:
    """Check that the time of steps by marks is the sum of their kernels by the profiler; None where it is not told.

    Args:
        at: makes the step at so many times its sizes; they are doubled until kernels are long beside what lies between.
    """
    by_marks, kernels = 0.0, tuple[float, ...]()
    for factor in _FACTORS:
        rig = at(factor)
        if rig.stream is None:
            return None
        rig.step()  # what is loaded or allocated once is no work of a step
        _profiled(rig, rig.stream)  # the profiler loads what it needs, and may miss what runs meanwhile
        if (seen := _profiled(rig, rig.stream)) is None:
            return None
        by_marks, kernels = seen
        if sum(kernels) >= _LONG_KERNEL * len(kernels) > 0:
            break
    off = sum(kernels) / max(by_marks, 1.0) - 1
    detail = f"{_STEPS} steps at {factor} times the sizes last {by_marks / 1e6:.3f} ms by the device's marks, "
    detail += f"their {len(kernels)} kernels {sum(kernels) / 1e6:.3f} ms by the profiler ({off:+.2%})"
    return Check("second clock", abs(off) <= SECOND_CLOCK, detail)


def _profiled(rig: Rig, stream: Stream) -> tuple[float, tuple[float, ...]] | None:
    """Run steps behind a hold; return their time by marks, and their kernels by the profiler, in nanoseconds.

    None where there is no profiler.
    """
    marks: list[object] = []
    units = round(_HOLD_NANOSECONDS / hold_rate(stream, rig.synchronize))

    def run() -> None:
        stream.hold(units)
        marks.append(stream.record())
        for _ in range(_STEPS):
            rig.step()
        marks.append(stream.record())

    kernels = stream.kernels(lambda: time_work(run, 1, rig.now, rig.synchronize))
    if kernels is None:
        return None
    return stream.nanoseconds(*marks), kernels[1:]  # the first one is the hold
