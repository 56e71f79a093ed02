"""The work of one measuring process: build, time the first step, verify, measure."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench.data.schema import Status
from bench.errors import StepbenchError, StepError
from bench.model.data import make_data
from bench.model.device import BACKENDS
from bench.model.registry import Implementation, Registry
from bench.model.step import Step
from bench.oracle.truth import load_truth
from bench.oracle.verify import Verification, verify
from bench.timing.clock import host_now, resolution
from bench.timing.disturbance import KernelCounters
from bench.timing.measure import Measurement, first_step, measure
from bench.timing.protocol import Reply, Request


def work(request: Request) -> Reply:
    """Do what is asked. An implementation that raises is a reply with the reason, never an exception."""
    try:
        return _work(request)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an implementation raises costs its own row only
        detail = " ".join(str(error).split())
        # Our own errors are whole sentences; a stranger's needs its type to make sense.
        if isinstance(error, StepbenchError):
            return Reply(Status.FAILED, detail)
        where = _place(error, request.origin.partition(":")[2])
        return Reply(Status.FAILED, f"{type(error).__name__}: {detail or 'no message'}{where}")


def _place(error: BaseException, path: str) -> str:
    """The last line of the implementation's own file that the error came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f" ({Path(path).name}, line {lines[-1]})" if lines else ""


def _work(request: Request) -> Reply:
    registry = Registry()
    registry.load(request.origin)
    implementation = registry[request.implementation]
    backend = BACKENDS[request.backend]
    device = backend.open(request.threads)
    data = make_data(request.problem, implementation.workload)
    began = time.perf_counter()
    step = implementation.build(request.problem, data, device)
    build_seconds = time.perf_counter() - began
    _check_step(step, implementation)

    first = first_step(step, host_now, device.synchronize)
    start_seconds = _since(request.asked_nanoseconds)
    # The first of the steps that are verified has run already; reading the state waits for the others.
    left: Iterator[Callable[[], None]] = iter([lambda: None])
    truth = load_truth(Path(request.truth))
    verification = verify(step, truth, request.problem.dtype, lambda: next(left, step)())
    if verification.passed:
        verification = _count_matmuls(step, implementation, verification)

    def reply(status: Status, measurement: Measurement | None = None) -> Reply:
        return Reply(
            status=status,
            reason=verification.reason,
            device_name=device.name,
            threads=backend.threads_in_use(),
            facts=dict(device.facts),
            verification=verification,
            warmup=None if measurement is None else measurement.warmup,
            samples=() if measurement is None else (first, *measurement.samples),
            peak_bytes=_peak_bytes(backend.peak_bytes),
            build_seconds=build_seconds,
            start_seconds=start_seconds,
        )

    if not verification.passed:
        return reply(Status.WRONG)
    if request.policy is None:
        return reply(Status.OK)
    measurement = measure(
        step,
        now=host_now,
        synchronize=device.synchronize,
        resolution=resolution(),
        steps=request.problem.steps,
        depths=data.depths,
        cycle=implementation.workload.cycle,
        observe=KernelCounters(),
        policy=request.policy,
    )
    return reply(Status.OK, measurement)


def _since(asked_nanoseconds: int | None) -> float | None:
    return None if asked_nanoseconds is None else (time.monotonic_ns() - asked_nanoseconds) / 1e9


def _check_step(step: object, implementation: Implementation) -> None:
    if not isinstance(step, Step):
        raise StepError(f"build returned {type(step).__name__}: it must return a bench.Step.")
    if step.separable == implementation.fused:
        has, says = ("separable", "fused") if step.separable else ("fused", "separable")
        raise StepError(f"the step is {has}, but @implementation says {says}: set fused={not step.separable} there.")


def _count_matmuls(step: Step, implementation: Implementation, verification: Verification) -> Verification:
    """For a step that can be traced: refuse it if its graph has been pruned of matrix products.

    The count is that of the first step of training, at whose depth the expected number is taken.
    """
    if step.trace is None or implementation.workload.max_depth:
        return verification
    ran = sum("MatMul" in operation.kind for operation in step.trace())
    step.reset()
    expected = implementation.workload.matmuls()
    if ran >= expected:
        return verification
    reason = f"the graph ran {ran} of {expected} matrix products: part of the step was pruned away."
    return replace(verification, passed=False, reason=reason)


def _peak_bytes(of_device: Callable[[], int | None]) -> int:
    on_device = of_device()
    if on_device is not None:
        return on_device
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes everywhere but on macOS
