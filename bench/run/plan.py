"""Which cases a run has, and in which order a round takes them."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from bench.data.schema import CASE_KEY, PlannedCase, case_columns
from bench.errors import DeviceAbsentError, UsageError, nearest
from bench.model.backends import BACKENDS
from bench.model.case import Case, Mode
from bench.model.device import Backend, Precision
from bench.model.problem import Problem
from bench.model.registry import Implementation, Registry
from bench.model.workload import WORKLOADS, find_workload

_WEIGHT_COPIES = 24
"""Float64 copies of weights and gradients that the oracle holds while it works out the truth of four steps."""


@dataclass(frozen=True)
class Planned:
    """A case, what computes it, and why it is skipped if it is."""

    case: Case
    implementation: Implementation
    skipped: str = ""

    @property
    def backend(self) -> Backend:
        """The backend that the case runs on."""
        return BACKENDS[self.case.backend]

    def for_manifest(self) -> PlannedCase:
        """As the manifest records it."""
        columns = case_columns("", self.case)
        return PlannedCase(columns={name: columns[name] for name in CASE_KEY}, skipped=self.skipped)


def choose(registry: Registry, names: Sequence[str] = (), workloads: Sequence[str] = ()) -> tuple[Implementation, ...]:
    """The implementations asked for, workload by workload, each workload's baseline first.

    Raises:
        UsageError: a name is unknown, or nothing fits.
    """
    wanted = {registry[name].name for name in names} or {item.name for item in registry}
    inside = {find_workload(name).name for name in workloads} or set(WORKLOADS)
    chosen = [item for item in registry if item.name in wanted and item.workload.name in inside]
    if not chosen:
        raise UsageError("No implementation is in the --workload chosen: see `bench list`.")
    order = list(WORKLOADS)
    return tuple(
        sorted(chosen, key=lambda item: (order.index(item.workload.name), item.name != item.workload.baseline))
    )


def check_devices(devices: Collection[str]) -> None:
    """Refuse a device by name if no backend has it or none of its backends is present.

    Raises:
        UsageError: no backend has such a device.
        DeviceAbsentError: it is absent; the message gives the reason.
    """
    known = {backend.device for backend in BACKENDS.values()}
    for device in devices:
        if device not in known:
            raise UsageError(f"There is no device {device!r}: {nearest(device, known)}")
        found = [backend.availability() for backend in BACKENDS.values() if backend.device == device]
        if not any(item.present for item in found):
            raise DeviceAbsentError(f"--device {device} is absent here: {found[0].reason}.")


def plan_cases(
    implementations: Iterable[Implementation],
    problem: Problem,
    threads: Sequence[int],
    devices: Collection[str] = (),
    modes: Sequence[Mode] = (Mode.RESIDENT_WARM,),
    precision: Precision = Precision.FULL,
) -> tuple[Planned, ...]:
    """Every implementation on every backend of its framework, in every mode and with every number of threads.

    Absent backends become skipped cases. A device that computes in the host's memory has nothing to transfer: of the
    modes it takes those with a resident batch.

    Args:
        implementations: as `choose` gives them.
        problem: sizes, number format and seed.
        threads: CPU threads of each case; one case for each of them.
        devices: only these; all if empty.
        modes: where the batch is and what the caches hold; one case for each.
        precision: how float32 matrices may be multiplied.
    """
    _check_memory(problem)
    planned: dict[Case, Planned] = {}
    for implementation in implementations:
        for backend in implementation.backends:
            if devices and backend.device not in devices:
                continue
            availability = backend.availability()
            for count, mode in product(threads, modes):
                case = Case(
                    implementation.name,
                    implementation.workload.name,
                    backend.name,
                    backend.framework,
                    backend.device,
                    problem,
                    count,
                    mode.on_host if backend.host_memory else mode,
                    precision,
                )
                planned[case] = Planned(case, implementation, "" if availability.present else availability.reason)
    if not planned:
        raise UsageError("No chosen implementation has a backend on the chosen --device: see `bench list`.")
    return tuple(planned.values())


def _check_memory(problem: Problem) -> None:
    """Refuse a problem whose batch and weights alone, with the oracle's few copies, are more than the machine has."""
    import psutil

    p = problem
    weights = p.d_in * p.hidden + p.hidden * p.hidden + p.hidden * p.d_out
    need = 8 * (p.batch * (p.d_in + 4 * p.hidden + 4 * p.d_out) + _WEIGHT_COPIES * weights)
    have = psutil.virtual_memory().total
    if need > have:
        raise UsageError(
            f"A batch of {p.batch} on a {p.d_in}-{p.hidden}-{p.d_out} network needs about {need / 2**30:,.0f} GiB "
            f"to be verified, and this machine has {have / 2**30:,.0f}: choose smaller sizes."
        )


def round_order(cases: Sequence[Planned], seed: int, number: int) -> tuple[Planned, ...]:
    """The cases of one round, shuffled anew in each, so that a drift of the machine falls on all of them."""
    order = list(cases)
    random.Random(f"{seed}/{number}").shuffle(order)  # noqa: S311 - an order, not a secret
    return tuple(order)
