"""The process of one case in a round: it is verified, takes a turn whenever it is asked to, and is verified again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bench.errors import ChildError
from bench.machine.disturbance import KernelCounters, Observe, together, watching
from bench.model.device import Device, Stream
from bench.model.step import Stage, Step
from bench.timing.channel import Channel
from bench.timing.clock import Now, host_now, resolution
from bench.timing.communication import communication_share
from bench.timing.compiling import Compiled, cache_of, programs_of
from bench.timing.energy import energy_of_step
from bench.timing.measure import Sampling
from bench.timing.memory import held_bytes
from bench.timing.passes import hold_rate
from bench.timing.protocol import REPLY, TURN, TURNED, Reply, Request, Turned
from bench.timing.reasons import failure
from bench.timing.worker import Prepared, prepare, unplanted, verified_again


class Delay:
    """A delay that can be planted in one phase: a spin, since a sleep would end when the scheduler likes.

    A device that works through a queue is kept as long at the same time: whichever of the two the step waits for,
    it is late by as much.
    """

    def __init__(self, now: Now) -> None:
        self._now = now
        self._stream: Stream | None = None
        self._rate = 1.0
        self.phase = ""
        self.nanoseconds = 0

    def planted(self, step: Step, device: Device) -> Step:
        """Plant the spin at the end of each stage of a step; both sides of a pair carry it."""
        if device.stream is not None:
            self._stream, self._rate = device.stream, hold_rate(device.stream, device.synchronize)
        return replace(step, stages=tuple(Stage(stage.phases, self._spinning(stage)) for stage in step.stages))

    def _spinning(self, stage: Stage) -> Callable[[], object]:
        run, phases, now = stage.run, tuple(map(str, stage.phases)), self._now

        def spin() -> object:
            returned = run()
            if self.nanoseconds and self.phase in phases:
                if self._stream is not None:
                    self._stream.hold(round(self.nanoseconds / self._rate))
                end = now() + self.nanoseconds
                while now() < end:
                    pass
            return returned

        return spin


def serve_turns(request: Request, channel: Channel) -> None:
    """Prepare a case, say how that went, then take turns until the parent asks for the end or hangs up."""
    delay = Delay(host_now)
    try:
        case = prepare(request, delay.planted if request.plant else unplanted, channel.beat)
        if not case.verification.passed:
            channel.send(REPLY.dump_json(case.reply()))
            return
        sampling = _sampling(case)
        compiled = _compiled(case, sampling)
        case.backend.rest_compilers()
        case.meter.begin()
        channel.send(REPLY.dump_json(case.reply(warmup=sampling.warmup, turn_seconds=sampling.turn_seconds)))
        while (turn := TURN.validate_json(channel.receive())) is not None:
            delay.phase, delay.nanoseconds = turn.delay_phase, turn.delay_nanoseconds
            channel.send(TURNED.dump_json(Turned(sampling.turn(turn.number))))
        channel.send(REPLY.dump_json(_finished(case, sampling, compiled)))
    except ChildError:
        return  # the parent has what it wants
    except BaseException as error:  # noqa: BLE001 - as for any other request
        channel.send(REPLY.dump_json(failure(error, request)))


def _sampling(case: Prepared) -> Sampling:
    """Warm up a case that has been verified."""
    condition = case.device.condition
    observe: list[Observe] = [KernelCounters(), *([] if condition is None else [watching(condition)])]
    return Sampling(
        case.rig,
        resolution=resolution(),
        steps=case.request.problem.steps,
        variants=case.data.variants,
        cycle=case.implementation.workload.cycle,
        observe=together(*observe),
        policy=case.request.policy,
        beat=case.beat,
        held=partial(held_bytes, case.backend),
        programs=lambda: programs_of(case.backend.compilations()),
    )


def _compiled(case: Prepared, sampling: Sampling) -> Compiled:
    """Say what compiling has cost, now that the case is warmed up; it may yet be compiled anew."""
    request, found = case.request, case.backend.compilations()
    breaks = found.graph_breaks if found is not None and found.programs else None
    if not case.implementation.compiles:
        return Compiled(graph_breaks=breaks)
    seconds = case.first_steps.beyond(sampling.warmup.iteration_nanoseconds)
    return Compiled(seconds, cache_of(found, request.cache, case.began_empty), breaks)


def _finished(case: Prepared, sampling: Sampling, compiled: Compiled) -> Reply:
    """Take what is taken once, and verify the case again."""
    request, condition = case.request, case.device.condition
    own = condition if request.devices == 1 else None  # the counter of one device tells nothing of the others
    case.meter.end()
    workers, samples = sampling.workers, (case.first, *sampling.finish())
    if programs_of(case.backend.compilations()):
        compiled = replace(compiled, recompiles=sampling.recompiles)
    iteration = sampling.warmup.iteration_nanoseconds
    energy = energy_of_step(case.rig, own, request.problem.steps, iteration, request.policy, case.beat)
    communication = communication_share(case.rig, case.backend) if case.implementation.spreads else None
    case.meter.by_phase(case.rig.step, case.implementation.workload.cycle)
    return verified_again(case, measured=True).reply(
        sampling.cpus_used,
        samples,
        workers,
        warmup=sampling.warmup,
        turn_seconds=sampling.turn_seconds,
        memory=tuple(sampling.memory),
        condition=None if condition is None else condition(),
        energy_joules=energy,
        compiled=compiled,
        communication_share=communication,
    )
