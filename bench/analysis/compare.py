"""Two stored runs: what differs between them, and their times side by side, without a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from bench.analysis.baseline import baselines_of
from bench.analysis.packages import changed_sources, deciding_packages
from bench.analysis.stored import CaseTimes, trouble, untried
from bench.data.foreign import AnyCase
from bench.data.manifest import Manifest
from bench.data.run import StoredRun
from bench.data.schema import STEP, Status
from bench.machine.identity import identity, is_named, same, told
from bench.machine.variables import counts
from bench.model.case import Case
from bench.stats.estimates import Estimate, median_estimate, unpaired_ratio_estimate

Comparable = TypeVar("Comparable", bound=AnyCase)
DRIVER = "gpu_driver"
"""The fact of a backend that holds the version of its GPU's driver."""
_MOVED, _ALIKE = 0.05, 1 / 3
"""The logarithm of a factor that is worth a word, and the part of it by which the cases may be apart."""


def differences(a: Manifest, b: Manifest) -> list[str]:
    """Name what differs between two runs' machines, variables and packages: a ratio may be due to any of it.

    What one of them does not record is unknown, which is no difference; `also_different` names it.
    """
    here, there = identity(a.machine), identity(b.machine)
    found = [_item(name, here, there) for name in here if not same(name, here[name], there[name])]
    found += [item for name, item in _variables(a, b).items() if counts(name)]
    if a.stepbench != b.stepbench:
        found.append(f"stepbench: {a.stepbench} / {b.stepbench}")
    return found + _told("absent", a.packages, b.packages)


def _item(name: str, here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    return f"{name}: {told(name, here[name])} / {told(name, there[name])}"


def _variables(a: Manifest, b: Manifest) -> dict[str, str]:
    """Name the variables that both runs looked for and found different."""
    names = sorted(a.environment.keys() | b.environment.keys())
    known = {name: pair for name in names if None not in (pair := (a.variable(name), b.variable(name)))}
    return {name: f"{name}: {one} / {other}" for name, (one, other) in known.items() if one != other}


def _unknown(a: Manifest, b: Manifest) -> list[str]:
    """Name the facts and the variables that one run records and the other does not."""
    here, there = identity(a.machine), identity(b.machine)
    found = [_item(name, here, there) for name in here if (here[name] is None) != (there[name] is None)]
    one, other = (set(run.looked_for.split()) for run in (a, b))
    sides = ("some unknown" if more - own else "all known" for own, more in ((one, other), (other, one)))
    return found + ([f"variables: {' / '.join(sides)}"] if one != other else [])


def _told(absent: str, a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    names = sorted(set(a) | set(b))
    return [f"{name}: {a.get(name, absent)} / {b.get(name, absent)}" for name in names if a.get(name) != b.get(name)]


def incomparable(a: StoredRun, b: StoredRun) -> list[str]:
    """Name what forbids a verdict, each as `name: A / B`: another machine, GPU, driver, Python, harness or library.

    So does a processor whose name is not known. Packages that no backend of both runs uses do not; `also_different`
    names them.
    """
    harmless = _harmless(a.manifest, b.manifest)
    found = [item for item in differences(a.manifest, b.manifest) if item.partition(":")[0] not in harmless]
    one, other = _devices(a), _devices(b)
    both = one.keys() & other.keys()
    found += _told("", {name: one[name] for name in both}, {name: other[name] for name in both})
    here, there = identity(a.manifest.machine), identity(b.manifest.machine)
    several = [" ".join(run.manifest.machines) for run in (a, b) if len(run.manifest.machines) > 1]
    if several:  # the tests behind a verdict know processes of one machine
        found.append(f"several machines: {' / '.join(several)}")
    unnamed = [] if is_named(here["cpu"]) and is_named(there["cpu"]) else [_item("cpu", here, there)]
    return list(dict.fromkeys([*unnamed, *found]))


def _harmless(a: Manifest, b: Manifest) -> set[str]:
    """Return the recorded packages that decide no time of both runs."""
    return (set(a.packages) | set(b.packages)) - deciding_packages(a, b)


def devices_of(run: StoredRun) -> dict[str, str]:
    """Return the hardware of each backend that computes elsewhere than on the CPU."""
    names = run.processes[run.processes["device"] != "cpu"].groupby("backend")["device_name"].first()
    return {str(backend): str(name) for backend, name in names.items()}


def _devices(run: StoredRun) -> dict[str, str]:
    """Hardware and driver of each backend that computes elsewhere than on the CPU, as far as they are known."""
    found = {}
    for backend, name in devices_of(run).items():
        found[f"device of {backend}"] = name
        if driver := run.manifest.facts.get(backend, {}).get(DRIVER):
            found[f"driver of {backend}"] = driver
    return found


def also_different(a: Manifest, b: Manifest) -> list[str]:
    """Name what forbids no verdict but may be a reason: kernel, seed, other variables and packages, facts, sources.

    Last is what only one of the runs records.
    """
    found = [item for item in differences(a, b) if item.partition(":")[0] in _harmless(a, b)]
    facts = [{"system": str(run.machine.get("system")), "seed": str(run.seed)} for run in (a, b)]
    found = [item for name, item in _variables(a, b).items() if not counts(name)] + found
    return [*_told("", *facts), *found, *_other_facts(a, b), *changed_sources(a, b), *_unknown(a, b)]


def _other_facts(a: Manifest, b: Manifest) -> list[str]:
    """Name the facts of backends that both runs record and that differ; `incomparable` names a driver."""
    return [
        f"facts.{backend}.{name}: {facts[name]} / {there[name]}"
        for backend, facts in a.facts.items()
        for there in [b.facts.get(backend, {})]
        for name in sorted(facts.keys() & there.keys() - {DRIVER})
        if facts[name] != there[name]
    ]


@dataclass(frozen=True)
class SideBySide:
    """One case in both runs. `ratio` is B / A, so over 1 is slower; None where one side has no times."""

    case: AnyCase
    seconds_a: Estimate | None
    seconds_b: Estimate | None
    ratio: Estimate | None
    reason: str = ""
    """Why there is no ratio."""


def compare(
    a: Mapping[Comparable, CaseTimes],
    b: Mapping[Comparable, CaseTimes],
    cases: Iterable[Comparable] | None = None,
    letters: str = "AB",
) -> list[SideBySide]:
    """Set the medians of whole steps side by side, without a verdict; cases that neither run measured are left out.

    Args:
        a: the run to compare with, from `case_times`.
        b: the other run.
        cases: only these; all of both runs if None.
        letters: what the runs are called.
    """
    rows = []
    for case in all_cases(a, b) if cases is None else cases:
        one, other = _step_medians(a.get(case)), _step_medians(b.get(case))
        reason = trouble(a.get(case), b.get(case), letters)
        if not reason and not (one and other):
            reason = f"run {letters[1] if one else letters[0]} has no step times"
        if one or other or not untried(a.get(case), b.get(case)):
            seconds_a, seconds_b = (median_estimate(side) if side else None for side in (one, other))
            ratio = None if reason else unpaired_ratio_estimate(other, one)
            rows.append(SideBySide(case, seconds_a, seconds_b, ratio, reason))
    return rows


def common_factor(rows: Iterable[SideBySide], manifest: Manifest) -> float | None:
    """Return the factor B / A by which every case moved, baselines included; None if they did not move alike.

    Baselines have nothing in common with what is compared with them but the machine and the harness. Each case is
    within a third of the shift, which is over a twentieth.

    Args:
        rows: the cases of both runs.
        manifest: of one of them; it says what the baselines are.
    """
    ratios = {row.case: row.ratio.value for row in rows if row.ratio is not None and isinstance(row.case, Case)}
    own = baselines_of(manifest)
    over = {found for case in ratios if (found := own[case.workload].of(case, ratios)) is not None}
    if not over or len(over) == len(ratios):
        return None
    logs = np.log(list(ratios.values()))
    shift = float(np.median(logs))
    alike = abs(shift) > _MOVED and bool(np.all(np.abs(logs - shift) <= abs(shift) * _ALIKE))
    return float(np.exp(shift)) if alike else None


def _step_medians(case: CaseTimes | None) -> list[float]:
    """Return the median of each process; none if the case is not well or its clock stood still."""
    if case is None or case.status is not Status.OK:
        return []
    medians = [float(np.median(times)) for times in case.columns.get(STEP, ())]
    return medians if all(median > 0 for median in medians) else []


def all_cases(*runs: Iterable[Comparable]) -> list[Comparable]:
    """List the cases of some runs, each once, those of the first run first."""
    return list(dict.fromkeys(case for run in runs for case in run))
