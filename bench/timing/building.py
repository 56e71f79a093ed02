"""A case in one process: what registers it is loaded, its device opened, its data drawn, its step built.

Of a step that is spread over devices each rank builds its own; see `bench.timing.ranks`.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import StepError
from bench.model.backends import BACKENDS
from bench.model.data import Data
from bench.model.device import Backend, Device, Settings
from bench.model.registry import Implementation, Registry, forget_loaded
from bench.model.sizes import BATCH
from bench.model.step import Step
from bench.oracle.truth import load_truth
from bench.timing.imported import forget_foreign
from bench.timing.load import limit_pools
from bench.timing.memory import Meter
from bench.timing.modes import build_in_mode
from bench.timing.protocol import Request
from bench.timing.ranks import ALONE, FRESH, RESET, Place, Wire, calls_of

if TYPE_CHECKING:
    from bench.model.data import AnyArray

Meet = Callable[[Backend], Mapping[str, str]]
"""What gives the variables that lead ranks to where they meet."""


@dataclass(frozen=True)
class Built:
    """A case that has been built in this process, which has a place among those that share it out."""

    request: Request
    place: Place
    registry: Registry
    implementation: Implementation
    backend: Backend
    device: Device
    data: Data
    """Those of the whole step."""
    step: Step
    """That of this process's part of the batch."""
    meter: Meter
    seconds: float
    """Time of the build."""


def built(request: Request, place: Place, meet: Meet) -> Built:
    """Build what a request names.

    Args:
        request: names an implementation.
        place: of this process.
        meet: called before the build of a step that runs in several processes, also where there is one.
    """
    registry, backend, device = opened(request, place)
    implementation = registry[request.implementation]
    if implementation.compiles:
        backend.load_compiler()
    data = _data(request, implementation)
    part = place.part_of(data, request.problem.sizes.get(BATCH))
    meter = Meter(backend)
    began = time.perf_counter()
    meet_others(implementation, place, partial(meet, backend))
    step = build_in_mode(implementation.build, request.problem, part, device, request.mode)
    seconds = time.perf_counter() - began
    check_step(step, implementation)
    return Built(request, place, registry, implementation, backend, device, data, step, meter, seconds)


def meet_others(implementation: Implementation, place: Place, meet: Callable[[], Mapping[str, str]]) -> None:
    """Give a step that runs in several processes torchrun's environment."""
    if implementation.spreads:
        os.environ.update({**meet(), **place.environment})


def with_inputs(case: Built, inputs: Mapping[str, AnyArray]) -> Step:
    """Give the step other inputs in place of its own, and return it; one that cannot take them is built again."""
    request = case.request
    part = case.place.part_of(replace(case.data, inputs=inputs), request.problem.sizes.get(BATCH))
    if case.step.feed is not None:
        case.step.feed(part.inputs)
        return case.step
    return build_in_mode(case.implementation.build, request.problem, part, case.device, request.mode)


def follow(request: Request, place: Place, line: Wire) -> None:
    """Build the step of another rank than the first, and do what that orders until it hangs up."""
    case = built(request, place, lambda backend: line.told())
    calls = calls_of(case.step, case.device, line)
    reset = calls[RESET]

    def again() -> None:
        reset()
        gc.collect()  # at no other time: rank 0 collects between turns, and all would wait for this one

    def fresh() -> None:
        step = with_inputs(case, load_truth(Path(request.truth)).fresh_inputs)
        if step is not case.step:
            calls.update(calls_of(step, case.device, line))

    calls |= {RESET: again, FRESH: fresh}
    gc.collect()
    gc.freeze()
    gc.disable()
    line.follow(calls)


def opened(request: Request, place: Place = ALONE) -> tuple[Registry, Backend, Device]:
    """Load what the request names and open its device, or that of a rank."""
    cpus = {*place.cpus(request.cpus)} if request.cpu is None else {request.cpu}
    if cpus:  # before anything starts a thread, those of compilers included
        os.sched_setaffinity(0, cpus)
    forget_loaded()  # the interpreter that it was forked from may have another revision's backend
    forget_foreign(request)
    registry = Registry()
    for origin in request.origins:
        registry.load(origin, request.path, stay=True)
    backend = BACKENDS[request.backend]
    if request.cache:
        backend.cache_in(Path(request.cache))
    device = backend.open(Settings(request.threads, request.precision, request.problem.dtype, place.rank))
    limit_pools(request.threads)
    return registry, backend, replace(device, precision=request.precision)


def _draws(implementation: Implementation) -> bool:
    """Tell whether a process draws its data itself, where that needs no framework but its own or there is no truth."""
    workload = implementation.workload
    alone = workload.framework in ("", implementation.framework) and workload.draws_alike
    return alone or bool(workload.unverified)


def _data(request: Request, implementation: Implementation) -> Data:
    """Draw the data of a case, or take those that its truth is about."""
    if _draws(implementation):
        return implementation.workload.data(request.problem)
    return load_truth(Path(request.truth)).data(request.problem.dtype)


def check_step(step: object, implementation: Implementation) -> None:
    """Refuse what `build` returned if it is no step, or not the one that was registered.

    Raises:
        StepError: it is not.
    """
    if not isinstance(step, Step):
        raise StepError(f"build returned {type(step).__name__}: it must return a bench.Step.")
    if step.phases != implementation.workload.phases:
        covered, wanted = ("+".join(phases) for phases in (step.phases, implementation.workload.phases))
        raise StepError(f"the step covers {covered}, and its workload is {wanted}: give it stages for just these.")
    if step.separable == implementation.fused:
        has, says = ("separable", "fused") if step.separable else ("fused", "separable")
        raise StepError(f"the step is {has}, but @implementation says {says}: set fused={not step.separable} there.")
