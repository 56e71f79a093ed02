"""Which cases a run has, and in which order a round takes them."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

from bench.data.manifest import ImplementationFacts, PlannedCase, WorkloadFacts
from bench.errors import DeviceAbsentError, UsageError, nearest
from bench.model.axis import Axis
from bench.model.backends import BACKENDS
from bench.model.case import Case, Mode
from bench.model.device import Backend
from bench.model.precision import Precision
from bench.model.problem import Dtype, Problem
from bench.model.registry import Implementation, Registry
from bench.model.sizes import BATCH
from bench.model.workload import WORKLOADS, find_workload
from bench.run.memory import alive_at_once, too_large
from bench.run.spread import cpus_of_ranks, why_not_spread

_MOST_PROBLEMS = 1000


@dataclass(frozen=True)
class Selection:
    """What is to be measured: implementations, and the conditions of each."""

    implementations: tuple[Implementation, ...]
    """Implementations, as `choose` gives them."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes by name, where they are not each workload's own."""
    dtype: Dtype = Dtype.FLOAT32
    seed: int = 0
    threads: tuple[int, ...] = (1,)
    """Numbers of CPU threads, each a case."""
    devices: tuple[str, ...] = ()
    """Kinds of device to use; all if empty."""
    modes: tuple[Mode, ...] = (Mode.RESIDENT_WARM,)
    """Places of the batch and states of the caches, each a case."""
    precisions: tuple[Precision, ...] = (Precision.FULL,)
    """Precisions, each a case where implementation and backend have it."""
    spreads: tuple[int, ...] = (1,)
    """Numbers of devices, each a case of an implementation that spreads its step; all others have one device."""
    weak: bool = False
    """Whether the batch grows with the number of devices, so that each device keeps its part."""


@dataclass(frozen=True)
class Planned:
    """A case, what computes it, and why it is skipped if it is."""

    case: Case
    implementation: Implementation
    skipped: str = ""
    added: bool = False
    """Whether it joined the run later, to find a crossover."""
    own_backend: Backend | None = None
    """The backend of its revision; None for the one of that name that is registered here."""

    @property
    def origins(self) -> tuple[str, ...]:
        """What a measuring process loads: the files of its backend, workload and implementation, the loaded ones."""
        return tuple(dict.fromkeys(filter(None, (self.backend.origin, *self.implementation.origins))))

    @property
    def backend(self) -> Backend:
        """The backend that the case runs on."""
        return self.own_backend or BACKENDS[self.case.backend]

    @property
    def is_pinned(self) -> bool:
        """Whether its processes run on one CPU where that can be had."""
        return self.case.threads == self.case.devices == 1 and self.backend.host_memory

    @property
    def rank_cpus(self) -> tuple[int, ...]:
        """The CPUs of its processes, where it is spread over several that compute on CPUs."""
        spread = self.case.devices > 1 and self.backend.host_memory
        return cpus_of_ranks(self.case.devices * self.case.threads) if spread else ()

    def for_manifest(self) -> PlannedCase:
        """Give it as the manifest records it."""
        return PlannedCase(columns=self.case.columns, skipped=self.skipped, added=self.added)


def backends_of(planned: Iterable[Planned]) -> list[Backend]:
    """List the backends of cases, each once."""
    return list({item.case.backend: item.backend for item in planned}.values())


def choose(
    registry: Registry,
    names: Sequence[str] = (),
    workloads: Sequence[str] = (),
    everything: bool = False,
    spread: bool = False,
) -> tuple[Implementation, ...]:
    """Return the implementations asked for, workload by workload, each workload's baseline first.

    Args:
        registry: all that there are.
        names: those that are asked for by name; if empty, those that are measured by default.
        workloads: only those of these workloads; of all if empty.
        everything: whether no name means all of them.
        spread: whether it also means those that spread their step over devices.

    Raises:
        UsageError: a name is unknown, or nothing fits.
    """
    wanted = {registry[name].name for name in names} or {
        item.name for item in registry if item.by_default or everything or (spread and item.spreads)
    }
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


def plan_cases(selection: Selection, *, keep_too_large: bool = False) -> tuple[Planned, ...]:
    """Plan every implementation on every backend of its framework, in every mode and with every number of threads.

    Absent backends become skipped cases. A device that computes in the host's memory has nothing to transfer: of the
    modes it takes those with a resident batch.

    Args:
        selection: what is chosen.
        keep_too_large: whether a case that cannot fit in memory is a skipped case; by default it is an error.

    Raises:
        UsageError: there is no case, or one cannot fit in memory.
    """
    check_sizes(selection.sizes, selection.implementations)
    planned: dict[Case, Planned] = {}
    for implementation in selection.implementations:
        for (problem, spreads), backend in product(_problems(selection, implementation), implementation.backends):
            if selection.devices and backend.device not in selection.devices:
                continue
            availability = backend.availability()
            skipped = "" if availability.present else availability.reason
            if large := "" if skipped else too_large(implementation.workload, problem, backend):
                if not keep_too_large:
                    raise UsageError(f"{implementation.name} cannot run: {large}.")
                skipped = large
            precisions, odd = _precisions(selection, implementation, backend)
            for threads, mode, precision, devices in product(selection.threads, selection.modes, precisions, spreads):
                alone = implementation.spreads and why_not_spread(backend, problem, devices, threads)
                case = Case(
                    implementation.name,
                    implementation.workload.name,
                    backend.name,
                    backend.framework,
                    backend.device,
                    problem,
                    threads,
                    mode.on_host if backend.host_memory else mode,
                    precision,
                    devices,
                )
                planned[case] = Planned(case, implementation, skipped or odd or alone)
    if not planned:
        raise UsageError("No chosen implementation has a backend on the chosen --device: see `bench list`.")
    return tuple(planned.values())


def _problems(selection: Selection, implementation: Implementation) -> list[tuple[Problem, tuple[int, ...]]]:
    """Choose the problems that an implementation is measured with, and the numbers of devices for each.

    If the batch is to grow with the devices, a step of one process is measured with each of these batches too.

    Raises:
        UsageError: it is to grow, and the workload has none.
    """
    workload, counts = implementation.workload, selection.spreads if implementation.spreads else (1,)
    problem = workload.problem(selection.sizes, dtype=selection.dtype, seed=selection.seed)
    if not selection.weak or not any(item.spreads and item.workload == workload for item in selection.implementations):
        return [(problem, counts)]
    if (batch := problem.sizes.get(BATCH)) is None:
        raise UsageError(f"--scaling weak makes the size {BATCH} grow, which {workload.name} does not have.")
    return [
        (
            replace(problem, sizes=problem.sizes.changed({BATCH: batch * count})),
            (count if implementation.spreads else 1,),
        )
        for count in (selection.spreads if implementation.spreads else sorted({1, *selection.spreads}))
    ]


def _precisions(
    selection: Selection, implementation: Implementation, backend: Backend
) -> tuple[Sequence[Precision], str]:
    """Choose the precisions that are asked for and can be had; the first and a reason why not, if none can."""
    can = [each for each in implementation.precisions if each in backend.precisions]
    if selection.dtype is Dtype.FLOAT64:
        can = [Precision.FULL]
    if fit := [each for each in selection.precisions if each in can]:
        return fit, ""
    wanted, known = ", ".join(selection.precisions), ", ".join(can) or "nothing that both have"
    where = f"{implementation.name} on {backend.name} in {selection.dtype}"
    return selection.precisions[:1], f"{where} has no precision {wanted}: it has {known}"


def check_sizes(sizes: Iterable[str], implementations: Iterable[Implementation]) -> None:
    """Refuse a size that no chosen workload has.

    Raises:
        UsageError: there is one.
    """
    workloads = {item.workload.name: item.workload for item in implementations}.values()
    known = dict.fromkeys(name for item in workloads for name in item.sizes)
    for name in sizes:
        if name not in known:
            raise UsageError(f"No chosen workload has a size {name!r}: {nearest(name, known)}")


def plan_sweep(selection: Selection, axes: Sequence[Axis]) -> tuple[Planned, ...]:
    """Plan the cases of every combination of the axes' values; what is too large is a skipped case.

    Args:
        selection: what is chosen, and the values of what does not vary.
        axes: what varies; workloads that lack one of these sizes are left out.

    Raises:
        UsageError: as `plan_cases`, or the axes have more than 1000 combinations.
    """
    varied = {axis.name: axis.values for axis in axes}
    sizes = [axis.name for axis in axes if axis.is_size]
    check_sizes(sizes, selection.implementations)
    having = tuple(item for item in selection.implementations if all(name in item.workload.sizes for name in sizes))
    if not having:
        raise UsageError(f"No chosen workload has all of the sizes {', '.join(sizes)}: vary one of them.")
    if (count := prod(map(len, varied.values()))) > _MOST_PROBLEMS:
        raise UsageError(f"--axis: {count} combinations are more than {_MOST_PROBLEMS}: take fewer values.")
    threads = tuple(int(value) for value in varied.pop("threads", selection.threads))
    planned: dict[Case, Planned] = {}
    for values in product(*varied.values()):
        here = dict(zip(varied, values, strict=True))
        dtype = Dtype(str(here.pop("dtype", selection.dtype)))
        changed = {**selection.sizes, **{name: int(value) for name, value in here.items()}}
        at = replace(selection, implementations=having, sizes=changed, dtype=dtype, threads=threads)
        planned |= {item.case: item for item in plan_cases(at, keep_too_large=True)}
    return tuple(planned.values())


def workload_facts(planned: Iterable[Planned]) -> dict[str, WorkloadFacts]:
    """Give what a stored run must know of the workloads of its cases, by name."""
    return {
        item.name: WorkloadFacts(
            title=item.title,
            baseline=item.baseline,
            sizes=list(item.sizes),
            reference=item.knows_edges,
            unverified=item.unverified,
        )
        for item in {each.case.workload: each.implementation.workload for each in planned}.values()
    }


def implementation_facts(planned: Iterable[Planned]) -> dict[str, ImplementationFacts]:
    """Give what a stored run must know of the implementations of its cases, by name."""
    return {
        each.name: ImplementationFacts(compiles=each.compiles, devices=list(each.devices), spreads=each.spreads)
        for each in (item.implementation for item in planned)
    }


def round_order(cases: Sequence[Planned], seed: int, number: int) -> tuple[Planned, ...]:
    """Shuffle the cases of one round, anew in each, so that a drift of the machine falls on all of them."""
    order = list(cases)
    random.Random(f"{seed}/{number}").shuffle(order)  # noqa: S311 - an order, not a secret
    return tuple(order)


def groups_of(order: Sequence[Planned], baseline_of: Callable[[Case], Case | None]) -> list[list[Planned]]:
    """Divide the cases of a round into those that are alive together: one workload with one problem.

    Where memory does not hold a group at once it is split, with the baselines of each part in it.

    Args:
        order: the cases, in the order in which they are to be measured.
        baseline_of: looks up what a case's speedup is over.
    """
    found: list[list[Planned]] = []
    alike: dict[tuple[str, Problem], list[Planned]] = {}
    for item in order:
        alike.setdefault((item.case.workload, item.case.problem), []).append(item)
    for group in alike.values():
        workload, problem = group[0].implementation.workload, group[0].case.problem
        most = alive_at_once(workload, problem, {item.backend.name: item.backend for item in group}.values())
        over = {item.case: baseline_of(item.case) for item in group}
        found += [group] if len(group) <= most else _split(group, most, over)
    return found


def _split(group: Sequence[Planned], most: int, over: Mapping[Case, Case | None]) -> list[list[Planned]]:
    """Split a group into parts of at most so many cases, each contender with its baseline if two fit at all."""
    known = {item.case: item for item in group}
    bases = {base for base in over.values() if base in known}
    parts: list[dict[Case, Planned]] = []
    for item in group:
        if item.case in bases and most > 1:
            continue  # it comes with those that it is the baseline of
        wanted = {item.case: item}
        if most > 1 and (base := over[item.case]) in known:
            wanted[base] = known[base]
        if not parts or len(parts[-1] | wanted) > most:
            parts.append({})
        parts[-1] |= wanted
    return [list(part.values()) for part in parts]
