"""The tasks of a measuring process that takes no turns: verify, prove, find a truth or a peak, try a size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.data.schema import Status
from bench.errors import StorageError, os_cure
from bench.machine.disturbance import KernelCounters
from bench.model.data import Data
from bench.model.device import Backend, Device
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.step import State
from bench.oracle.edges import truth_by_reference
from bench.oracle.perturbed import truth_by_runs
from bench.oracle.truth import save_truth
from bench.timing.building import check_step, meet_others, opened
from bench.timing.clock import host_now
from bench.timing.memory import limit_memory, peak_bytes
from bench.timing.modes import build_in_mode
from bench.timing.passes import Rig, time_whole
from bench.timing.peaks import measure_peaks
from bench.timing.proof import compare_clocks, prove_device, prove_step
from bench.timing.protocol import Reply, Request, Task
from bench.timing.ranks import ALONE
from bench.timing.reasons import failure
from bench.timing.worker import Beat, prepare, verified_again


def work(request: Request, beat: Beat = lambda: None) -> Reply:
    """Do what is asked. If an implementation raises, the reply holds the reason; no exception gets out."""
    try:
        return _work(request, beat)
    except BaseException as error:  # noqa: BLE001 - what an implementation raises costs only its own row
        return failure(error, request)


def _work(request: Request, beat: Beat) -> Reply:
    if request.task is Task.TRUTH:
        return _find_truth(request, beat)
    if not request.implementation:
        _, backend, device = opened(request)
        return _of_device(request, backend, device)
    if request.task is Task.FIT:
        return _try_fit(request)
    if request.task is Task.CLOCKS:
        return _compare_clocks(request)
    case = prepare(request, beat=beat)
    if not case.verification.passed:
        return case.reply()
    if request.task is Task.PROVE:
        return case.reply(checks=tuple(filter(None, [prove_step(case.rig)])))
    return verified_again(case, measured=False).reply()


def _try_fit(request: Request) -> Reply:
    """Build a case within the memory that it may take, and run it twice: optimisers make their state in the first."""
    registry, backend, device = opened(request)
    if request.memory_bytes is not None:
        limit_memory(request.memory_bytes)
    implementation = registry[request.implementation]
    data = implementation.workload.data(request.problem)
    meet_others(implementation, ALONE, lambda: backend.meet(1))
    step = build_in_mode(implementation.build, request.problem, data, device, request.mode)
    time_whole(Rig(step, host_now, device.synchronize, ready=device.ready), 2)
    return Reply(Status.OK, peak_bytes=peak_bytes(backend))


def _compare_clocks(request: Request) -> Reply:
    """Compare two clocks of the device on steps of a case, at its own sizes or larger ones."""
    registry, _, device = opened(request)
    implementation, sizes = registry[request.implementation], request.problem.sizes

    def at(factor: int) -> Rig:
        problem = request.problem.changed({name: factor * value for name, value in sizes.items()})
        step = implementation.build(problem, implementation.workload.data(problem), device)
        return Rig(step, host_now, device.synchronize, stream=device.stream)

    return Reply(Status.OK, checks=tuple(filter(None, [compare_clocks(at)])))


def _find_truth(request: Request, beat: Beat) -> Reply:
    """Write the truth that implementations of the request's workload are compared with."""
    double = replace(request.problem, dtype=Dtype.FLOAT64)
    registry, backend, device = opened(replace(request, precision=Precision.FULL, problem=double))
    implementation, problem = registry[request.implementation], request.problem
    workload = implementation.workload
    if workload.knows_edges:
        truth = truth_by_reference(workload, problem, request.precision)
    else:

        def train(problem: Problem, data: Data, precision: Precision, steps: int) -> list[State]:
            step = implementation.build(problem, data, replace(device, precision=precision))
            check_step(step, implementation)
            states = []
            for _ in range(steps):
                step()
                beat()
                states.append(step.state())
            return states

        can = request.precision in backend.precisions and request.precision in implementation.precisions
        truth = truth_by_runs(workload, problem, request.precision, train, can, request.runs)
    try:
        save_truth(truth, Path(request.truth))
    except OSError as error:
        cure = os_cure(error, "set TMPDIR")
        raise StorageError(f"{request.truth} cannot be written ({error.strerror}): {cure}.") from error
    return Reply(Status.OK, flops=workload.count(double, device))


def _of_device(request: Request, backend: Backend, device: Device) -> Reply:
    """Answer what is asked of a device alone, without an implementation."""
    if request.task is Task.PROVE:
        return Reply(
            Status.OK, device_name=device.name, facts=dict(device.facts), checks=prove_device(device, host_now)
        )
    peaks = measure_peaks(device, request.problem.dtype, host_now, KernelCounters())
    return Reply(Status.OK, device_name=device.name, threads=backend.threads_in_use(), peaks=peaks)
