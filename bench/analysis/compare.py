"""Two stored runs: what differs between them, and their times side by side, without a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.analysis.packages import changed_sources, deciding_packages
from bench.analysis.stored import CaseTimes, trouble, untried
from bench.data.manifest import Manifest
from bench.data.run import StoredRun
from bench.data.schema import STEP, Status
from bench.machine.identity import identity
from bench.model.case import Case
from bench.stats.estimates import Estimate, median_estimate, unpaired_ratio_estimate

DRIVER = "gpu_driver"
"""The fact of a backend that holds the version of its GPU's driver."""


def differences(a: Manifest, b: Manifest) -> list[str]:
    """Name what differs between two runs' machines and packages: a ratio may be due to any of it."""
    here, there = identity(a.machine), identity(b.machine)
    found = [f"{name}: {here[name]} / {there[name]}" for name in here if here[name] != there[name]]
    if a.stepbench != b.stepbench:
        found.append(f"stepbench: {a.stepbench} / {b.stepbench}")
    return found + _told("absent", a.packages, b.packages)


def _told(absent: str, a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    names = sorted(set(a) | set(b))
    return [f"{name}: {a.get(name, absent)} / {b.get(name, absent)}" for name in names if a.get(name) != b.get(name)]


def incomparable(a: StoredRun, b: StoredRun) -> list[str]:
    """Name what forbids a verdict, each as `name: A / B`: another machine, GPU, driver, Python, harness or library.

    Packages that no backend of both runs uses do not; `also_different` names them.
    """
    harmless = _harmless(a.manifest, b.manifest)
    found = [item for item in differences(a.manifest, b.manifest) if item.partition(":")[0] not in harmless]
    one, other = _devices(a), _devices(b)
    both = one.keys() & other.keys()
    return found + _told("", {name: one[name] for name in both}, {name: other[name] for name in both})


def _harmless(a: Manifest, b: Manifest) -> set[str]:
    """Return the recorded packages that decide no time of both runs."""
    return (set(a.packages) | set(b.packages)) - deciding_packages(a, b)


def _devices(run: StoredRun) -> dict[str, str]:
    """Hardware and driver of each backend that computes elsewhere than on the CPU, as far as they are known."""
    found = {}
    names = run.processes[run.processes["device"] != "cpu"].groupby("backend")["device_name"].first()
    for backend, name in names.items():
        found[f"device of {backend}"] = str(name)
        if driver := run.manifest.facts.get(str(backend), {}).get(DRIVER):
            found[f"driver of {backend}"] = driver
    return found


def also_different(a: Manifest, b: Manifest) -> list[str]:
    """Name what forbids no verdict but may be a reason: kernel, variables, seed, other packages, facts, sources."""
    found = [item for item in differences(a, b) if item.partition(":")[0] in _harmless(a, b)]
    facts = [{"system": str(run.machine.get("system")), "seed": str(run.seed)} for run in (a, b)]
    variables = _told("unset", a.environment, b.environment)
    return [*_told("", facts[0], facts[1]), *variables, *found, *_other_facts(a, b), *changed_sources(a, b)]


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

    case: Case
    seconds_a: Estimate | None
    seconds_b: Estimate | None
    ratio: Estimate | None
    reason: str = ""
    """Why there is no ratio."""


def compare(
    a: Mapping[Case, CaseTimes], b: Mapping[Case, CaseTimes], cases: Iterable[Case] | None = None
) -> list[SideBySide]:
    """Set the medians of whole steps side by side, without a verdict; cases that neither run measured are left out.

    Args:
        a: the run to compare with, from `case_times`.
        b: the other run.
        cases: only these; all of both runs if None.
    """
    rows = []
    for case in all_cases(a, b) if cases is None else cases:
        one, other = _step_medians(a.get(case)), _step_medians(b.get(case))
        reason = trouble(a.get(case), b.get(case))
        if not reason and not (one and other):
            reason = f"run {'B' if one else 'A'} has no step times"
        if one or other or not untried(a.get(case), b.get(case)):
            seconds_a, seconds_b = (median_estimate(side) if side else None for side in (one, other))
            ratio = None if reason else unpaired_ratio_estimate(other, one)
            rows.append(SideBySide(case, seconds_a, seconds_b, ratio, reason))
    return rows


def _step_medians(case: CaseTimes | None) -> list[float]:
    """One a process; none if the case is not well or its clock stood still."""
    if case is None or case.status is not Status.OK:
        return []
    medians = [float(np.median(times)) for times in case.columns.get(STEP, ())]
    return medians if all(median > 0 for median in medians) else []


def all_cases(a: Iterable[Case], b: Iterable[Case]) -> list[Case]:
    """List the cases of both runs, each once, those of A first."""
    return list(dict.fromkeys([*a, *b]))
