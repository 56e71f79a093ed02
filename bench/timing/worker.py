"""A case in one measuring process: built, its first steps timed, verified; `bench.timing.turns` samples it then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.data.schema import Status
from bench.errors import StepError
from bench.model.data import Data
from bench.model.device import Backend, Device
from bench.model.registry import Implementation
from bench.model.step import Step
from bench.oracle.truth import STEPS, Truth, digest_of, load_truth
from bench.oracle.verify import Verification, verify, verify_again
from bench.timing.building import Built, built, follow, with_inputs
from bench.timing.clock import host_now
from bench.timing.compiling import FirstSteps, is_empty
from bench.timing.imported import from_elsewhere, imported
from bench.timing.load import excess
from bench.timing.measure import first_step
from bench.timing.memory import Meter
from bench.timing.passes import Rig
from bench.timing.policy import Sample
from bench.timing.protocol import Reply, Request, Task
from bench.timing.ranks import FRESH, Team, gather
from bench.timing.reasons import failure
from bench.timing.waited import unfinished

Beat = Callable[[], None]
"""Called after a step, to show that the process is alive."""


@dataclass(frozen=True)
class Prepared:
    """A case that has been built, verified and reset in this process."""

    request: Request
    built: Built
    team: Team
    """The ranks that share out its step, of which this process is the first."""
    truth: Truth | None
    """What it was compared with; None for a workload that its author leaves unverified."""
    rig: Rig
    first: Sample
    """The time of its first step."""
    first_steps: FirstSteps
    began_empty: bool
    """Whether its compiler's cache held nothing when the process began."""
    verification: Verification
    start_seconds: float | None
    beat: Beat

    @property
    def implementation(self) -> Implementation:
        """What computes it."""
        return self.built.implementation

    @property
    def backend(self) -> Backend:
        """The framework, and the device, that it runs on."""
        return self.built.backend

    @property
    def device(self) -> Device:
        """The open device; where there are several ranks, waiting for it waits for all of theirs."""
        return self.built.device

    @property
    def data(self) -> Data:
        """The data of the whole step, as the truth is about them."""
        return self.built.data

    @property
    def meter(self) -> Meter:
        """The memory of this process."""
        return self.built.meter

    def reply(self, cpus: float | None = None, samples: Sequence[Sample] = (), workers: int = 0, **more: Any) -> Reply:
        """Return what is known of the case; it is wrong if it does not agree with the oracle or used more threads.

        Args:
            cpus: the CPUs that it kept busy while it was sampled, if that is known.
            samples: those that belong to no turn.
            workers: the threads of its own that computed meanwhile.
            more: other fields of the reply.
        """
        around, asked, threads = self.built.registry.surroundings, self.request, self.backend.threads_in_use()
        turned = asked.task is Task.TURNS
        wrong = self.verification.reason or (excess(asked.threads, threads, cpus, workers) if turned else "")
        failed = "" if wrong else from_elsewhere(asked, around)
        return Reply(
            status=Status.WRONG if wrong else Status.FAILED if failed else Status.OK,
            reason=wrong or failed,
            device_name=self.device.name,
            threads=threads,
            cpus_used=cpus,
            facts=dict(self.device.facts),
            verification=self.verification,
            samples=() if wrong else tuple(samples),
            peak_bytes=self.meter.peak_bytes,
            framework_bytes=self.meter.framework_bytes,
            step_peak_bytes=self.meter.step_peak_bytes,
            phase_peaks=self.meter.phase_peaks,
            reserved_bytes=self.meter.reserved_bytes,
            build_seconds=self.built.seconds,
            start_seconds=self.start_seconds,
            counts={} if self.rig.step.counts is None else dict(self.rig.step.counts()),
            **imported(around, asked.cache),
            **more,
        )


def unplanted(step: Step, device: Device) -> Step:
    """Leave a step as it was built."""
    return step


def prepare(request: Request, plant: Callable[[Step, Device], Step] = unplanted, beat: Beat = lambda: None) -> Prepared:
    """Build a case, time its first step, and verify it.

    Args:
        request: names an implementation.
        plant: alters the step that was built on a device; only a calibration plants anything.
        beat: called after each step, to show that the process is alive.
    """
    began_empty = is_empty(request.cache)
    team = gather(request.devices, partial(follow, request), lambda error: failure(error, request).reason)
    made = team.doing(None, built)(request, team.place, lambda backend: team.meet(backend.meet(request.devices)))
    implementation, backend = made.implementation, made.backend
    device = team.waiting(made.device)
    step = plant(team.leading(made.step), device)
    flush = device.flush if request.mode.cold else None
    rig = Rig(step, host_now, device.synchronize, flush, device.stream, ready=device.ready)
    first = first_step(rig)
    start_seconds = _since(request.asked_nanoseconds)
    steps = FirstSteps(rig, [first.nanoseconds])
    # The first of the steps that are verified has run already.
    left: Iterator[Callable[[], object]] = iter([lambda: None])
    run = _beating(lambda: next(left, steps.run)(), beat)
    truth, verification = _verified(request, implementation, made.data, step, run)
    if verification.passed:
        verification = _check_waited(rig, verification, beat)
    if verification.passed:
        _finish_cycle(implementation, step, steps, beat)
        verification = _count_matmuls(step, backend, implementation, verification)
    made.meter.ours = 0 if truth is None else truth.nbytes
    found = (first, steps, began_empty, verification, start_seconds)
    return Prepared(request, replace(made, device=device), team, truth, rig, *found, beat)


def _finish_cycle(implementation: Implementation, step: Step, steps: FirstSteps, beat: Beat) -> None:
    """Run each amount of work of a step that compiles, so that all it compiles is compiled before the warm-up."""
    cycle = implementation.workload.cycle
    if implementation.compiles and cycle > STEPS:
        for _ in range(cycle):
            steps.run()
            beat()
        step.reset()


def _verified(
    request: Request, implementation: Implementation, data: Data, step: Step, run: Callable[[], None]
) -> tuple[Truth | None, Verification]:
    """Compare a fresh step with the truth; one that is left unverified runs as many steps and is reset."""
    if reason := implementation.workload.unverified:
        for _ in range(STEPS):
            run()
        step.reset()
        return None, Verification(True, steps=STEPS, unverified=reason)
    truth = load_truth(Path(request.truth))
    if digest_of(data) != truth.digest:
        raise StepError(
            f"the data of {implementation.workload.name} are not the same in every process: draw them from the rng "
            "that is given, and from nothing else."
        )
    return truth, verify(step, truth, request.problem.dtype, request.precision, run, request.devices)


def verified_again(case: Prepared, measured: bool) -> Prepared:
    """Verify a case once more: after it was timed, and on fresh inputs if the request says so."""
    request, truth, found = case.request, case.truth, case.verification
    if truth is None or not found.passed:
        return case
    step, dtype = case.rig.step, request.problem.dtype
    if measured:
        step.reset()
        found = verify_again(step, truth, dtype, found, "after it was timed", run=_beating(step, case.beat))
    if found.passed and truth.fresh and request.fresh:
        step = _on_fresh_inputs(case)
        run = _beating(step, case.beat)
        found = verify_again(step, truth, dtype, found, "on fresh inputs", fresh=True, run=run)
    return replace(case, verification=found)


def _beating(run: Callable[[], object], beat: Beat) -> Callable[[], None]:
    def once() -> None:
        run()
        beat()

    return once


def _on_fresh_inputs(case: Prepared) -> Step:
    """Give the step fresh inputs, on every rank, and leave it at its start."""
    assert case.truth is not None  # noqa: S101 - it has a course for them
    made = case.team.doing(FRESH, with_inputs)(case.built, case.truth.fresh_inputs)
    if made is not case.built.step:
        return case.team.leading(made)
    case.rig.step.reset()
    return case.rig.step


def _since(asked_nanoseconds: int | None) -> float | None:
    return None if asked_nanoseconds is None else (time.monotonic_ns() - asked_nanoseconds) / 1e9


def _check_waited(rig: Rig, verification: Verification, beat: Beat) -> Verification:
    """Refuse a step that is still at work when its time has ended; a busy machine alone does not show that twice."""
    found = unfinished(rig, time.sleep, beat) and unfinished(rig, time.sleep, beat)
    rig.step.reset()
    return verification if found is None else replace(verification, passed=False, reason=found.reason)


def _count_matmuls(
    step: Step, backend: Backend, implementation: Implementation, verification: Verification
) -> Verification:
    """Refuse a step whose trace shows that matrix products were pruned away, as far as step and backend let us count.

    A workload whose amount of work varies has no such count.
    """
    expected = implementation.workload.matmuls()
    if step.trace is None or not backend.matmul_kinds or expected is None:
        return verification
    ran = sum(map(backend.is_matmul, step.trace()))
    step.reset()
    if ran >= expected:
        return verification
    reason = f"the graph ran {ran} of {expected} matrix products: part of the step was pruned away."
    return replace(verification, passed=False, reason=reason)
