"""`bench doctor --device`: is the measuring itself right on this device? One line a check, each with a known answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.data.schema import Status
from bench.oracle.verify import Verification
from bench.run.asking import Asks, Truths, ask, ask_case, ask_device, bare_request
from bench.run.plan import Planned, backends_of
from bench.run.watcher import Watcher
from bench.timing.proof import Check
from bench.timing.protocol import Task


@dataclass(frozen=True)
class Proof:
    """What was checked on one backend, or on one implementation there."""

    subject: str
    check: Check


def prove(planned: Sequence[Planned], asks: Asks, watcher: Watcher, timeout: float | None) -> list[Proof]:
    """Check the device of the planned cases, then every case: equal to the oracle, and no waiting inside a phase.

    Args:
        planned: cases on one kind of device, each of whose backends is present.
        asks: runs the checks in fresh processes.
        watcher: is told about progress.
        timeout: longest silence of a process, in seconds; None for that of `bench.run.patience`.
    """
    backends = backends_of(planned)
    watcher.starting(sorted({backend.framework for backend in backends}))
    asks.start(backends)
    proofs = []
    for item in {item.case.backend: item for item in reversed(planned)}.values():  # the first one on each
        reply = ask_device(asks, item, Task.PROVE, timeout)
        checks = reply.checks if reply.status is Status.OK else (Check("device", False, reply.reason),)
        proofs += [Proof(item.case.backend, check) for check in (*checks, *_second_clock(item, asks, timeout))]
    truths = Truths(asks, timeout)
    for number, item in enumerate(planned):
        watcher.measuring(item.case, 0, number, len(planned), 0.0)
        reply = ask_case(asks, item, truths, timeout, Task.PROVE)
        equal = Check("equal to the oracle", reply.status is Status.OK, reply.reason or _errors(reply.verification))
        proofs += [Proof(item.case.label, check) for check in (equal, *reply.checks)]
    return proofs


def _second_clock(item: Planned, asks: Asks, timeout: float | None) -> tuple[Check, ...]:
    """Compare the device's clock with the framework's profiler, on steps of one implementation."""
    reply = ask(asks, item.backend, bare_request(item, Task.CLOCKS), timeout)
    return reply.checks if reply.status is Status.OK else (Check("second clock", False, reply.reason),)


def _errors(found: Verification | None) -> str:
    errors = {kind: None if found is None else found.error(kind) for kind in ("loss", "gradient", "change", "result")}
    return ", ".join(f"{kind} off by {error:.1e}" for kind, error in errors.items() if error is not None)
