"""Which cases of two sides stand against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.errors import NothingRanError, UsageError, nearest
from bench.run.pairs import A, B, PairCase
from bench.run.plan import Planned, Selection, check_sizes, plan_cases
from bench.run.sides import Side
from bench.run.terms import Terms


@dataclass(frozen=True)
class Match:
    """What can be compared, and what cannot."""

    cases: tuple[PairCase, ...]
    unmatched: Mapping[str, str]
    """Why there is nothing on one side, by the label of the case."""
    absent: Mapping[str, str]
    """Backends that are absent on this machine, with the reason; nobody can say anything about their cases."""


def match(sides: tuple[Side, Side], terms: Terms) -> Match:
    """Pair the cases of two sides by implementation and backend; two named ones of different frameworks by device.

    Two implementations that were named alone are paired whatever they are called.

    Args:
        sides: the one to compare with, and the one to judge.
        terms: which cases, and what becomes of those that only the second side has.

    Raises:
        UsageError: neither side has an implementation that is named, no workload a size, or two that were named alone
            differ in their workload.
        NothingRanError: there is nothing to compare and nothing to say about it.
    """
    a, b = sides
    cases: list[PairCase] = []
    unmatched: dict[str, str] = {}
    absent: dict[str, str] = {}
    named = _named(a, b, terms.names)
    if not (a.broken or b.broken):  # else the size may be one of a file that could not be loaded
        present = [
            side.registry[name]
            for names in named
            for side, name in zip(sides, names, strict=True)
            if name in side.names
        ]
        check_sizes(terms.sizes, present)
    for name_a, name_b in named:
        one, other = _planned(a, name_a, terms), _planned(b, name_b, terms)
        if a.alone and b.alone and not one.keys() & other.keys():
            one, other = _by_device(one), _by_device(other)
        for backend in dict.fromkeys([*one, *other]):
            left, right = one.get(backend), other.get(backend)
            there = right or left
            if there is not None and there.skipped:
                absent[there.case.backend] = there.skipped
            elif left is None and terms.allow_new and not a.broken:
                absent[f"{name_b} on {backend}"] = "it is new, so there is nothing to compare it with"
            elif left is None or right is None:
                unmatched[f"{name_b} on {backend}"] = _why_missing(*((a, A) if left is None else (b, B)))
            elif left.case.workload == right.case.workload:
                cases.append(PairCase(left, right))
            elif a.alone and b.alone:
                raise UsageError(f"{_workloads(left, right)}: only implementations of one workload can be compared.")
            else:
                unmatched[f"{name_b} on {backend}"] = _workloads(left, right)
        if name_a not in a.names and name_b not in b.names:
            unmatched[name_b] = _why_missing(*((b, B) if b.broken else (a, A)))
    for path in {**a.broken, **b.broken}:
        if not any(path in reason for reason in unmatched.values()) and not terms.names:
            unmatched[path] = b.broken.get(path) or a.broken[path]
    if not cases and not unmatched:
        why = "; ".join(f"{name}: {reason}" for name, reason in absent.items()) or "neither side runs on --device"
        raise NothingRanError(f"Nothing can be compared here: {why}.")
    return Match(tuple(cases), unmatched, absent)


def _named(a: Side, b: Side, names: Sequence[str]) -> list[tuple[str, str]]:
    """Name what stands against what: two that are named alone, else what is asked for or is measured by default."""
    if a.alone and b.alone:
        return [(a.names[0], b.names[0])]
    known = dict.fromkeys([*b.names, *a.names])
    for name in names:
        if name not in known and not (a.broken or b.broken):
            raise UsageError(f"There is no implementation {name!r} on either side: {nearest(name, known)}")
    usual = [name for name in known if (b if name in b.names else a).registry[name].by_default]
    return [(name, name) for name in dict.fromkeys(names or usual)]


def _planned(side: Side, name: str, terms: Terms) -> dict[str, Planned]:
    """Plan a side's cases of one implementation, by backend; none if it has no such implementation or no backend."""
    if name not in side.names:
        return {}
    item = side.registry[name]
    if not any(backend.device in terms.devices or not terms.devices for backend in item.backends):
        return {}
    sizes = {size: value for size, value in terms.sizes.items() if size in item.workload.sizes}
    selection = Selection((item,), sizes, terms.dtype, terms.seed, (terms.threads,), terms.devices)
    found = {planned.case.backend: planned for planned in plan_cases(selection)}
    return {backend: replace(planned, own_backend=side.backends.get(backend)) for backend, planned in found.items()}


def _by_device(planned: Mapping[str, Planned]) -> dict[str, Planned]:
    return {item.case.device: item for item in planned.values()}


def _workloads(left: Planned, right: Planned) -> str:
    one, other = left.case, right.case
    return f"{one.implementation} computes {one.workload} and {other.implementation} {other.workload}"


def _why_missing(side: Side, letter: str) -> str:
    broken = "; ".join(side.broken.values())
    return f"side {letter} ({side.label}) does not have it" + (f": {broken}" if broken else "")
