"""What a speedup is over, and when that is fair: the same mathematics and sizes, and conditions that are stated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.data.manifest import Manifest
from bench.errors import UsageError, nearest
from bench.model.case import CONDITIONS, Case, Contender
from bench.model.precision import Precision

_FORM = re.compile(r"(?P<name>[^@,=\s]+)(?:@(?P<backend>[^@,=\s]+))?(?P<settings>(?:,[^@,=\s]+=[^@,=\s]+)*)")
_AT_FULL = (("precision", Precision.FULL.value),)


@dataclass(frozen=True)
class Baseline:
    """What the speedups of one workload are over.

    A condition that is not set is that of the contender, but for the number of devices, which is one. A backend that is
    not set is the contender's if the baseline ran there, else one on the CPU: its batch need not be transferred, but
    its caches are as warm or cold.
    """

    implementation: str
    backend: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    """Names and values of conditions."""
    chosen: bool = True
    """Whether somebody asked for it; a workload's own computes on the CPU only."""

    @classmethod
    def own(cls, implementation: str) -> Baseline:
        """Make the one that a workload has if none is chosen: on the CPU, at full precision."""
        return cls(implementation, settings=_AT_FULL, chosen=False)

    @classmethod
    def itself_at_full(cls, case: Case) -> Baseline:
        """Make the one that tells what another precision is worth: the same implementation and backend at full."""
        return cls(case.implementation, case.backend, (*_AT_FULL, ("devices", str(case.devices))))

    @classmethod
    def parse(cls, text: str) -> Baseline:
        """Read `NAME`, `NAME@BACKEND` or `NAME,threads=1`, as `--baseline` and the manifest have it.

        Raises:
            UsageError: it is malformed, or names what is no condition.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise UsageError(f"--baseline is {text!r}: write NAME, NAME@BACKEND or NAME,threads=1,precision=full.")
        known = {column.name: column for column in CONDITIONS}
        settings: dict[str, str] = {}
        for part in match["settings"].split(",")[1:]:
            name, _, value = part.partition("=")
            if name not in known:
                raise UsageError(f"--baseline {text!r} sets {name!r}, which no case has: {nearest(name, known)}")
            if name in settings:
                raise UsageError(f"--baseline {text!r} sets {name} twice: leave out one of them.")
            try:
                settings[name] = str(known[name].kind(value))
            except ValueError:
                cure = nearest(value, known[name].values) if known[name].values else "give a whole number."
                raise UsageError(f"--baseline {text!r} sets {name} to {value!r}: {cure}") from None
        return cls(match["name"], match["backend"] or "", tuple(settings.items()))

    def of(self, case: Case, cases: Iterable[Case]) -> Case | None:
        """Find what the speedup of a case is over; None if none of `cases` is that."""
        fair = (other for other in cases if self._is_fair(case, other))
        return min(fair, key=lambda other: other.backend != case.backend, default=None)

    def _is_fair(self, case: Case, other: Case) -> bool:
        if (other.implementation, other.workload) != (self.implementation, case.workload):
            return False
        on_host = other.device == "cpu"
        where = other.backend == self.backend if self.backend else on_host
        if not where and (self.backend or not self.chosen or other.backend != case.backend):
            return False
        mode = case.mode.on_host if on_host else case.mode
        alike = {**case.conditions, "mode": mode.value, "devices": 1, **dict(self.settings)}
        return alike == _as_set(other, self.settings)

    def named(self, case: Case, other: Case) -> str:
        """Name what the speedup of a case is over, as `parse` reads it.

        It is the bare implementation for the baseline itself and for no other case of that implementation.

        Args:
            case: what the speedup is of.
            other: what it is over, as `of` found it.
        """
        if other == case:
            return other.implementation
        alike = other.framework == case.framework
        apart = (alike and other.device != case.device) or other.implementation == case.implementation
        backend = self.backend or (other.backend if apart and other.backend != case.backend else "")
        settings = dict(self.settings) if self.chosen else {}
        if alike:
            mine = case.conditions
            unsaid = {"mode"} if other.implementation == case.implementation else {"mode", "devices"}
            settings |= {
                name: str(value)
                for name, value in other.conditions.items()
                if name not in unsaid and value != mine[name]
            }
        return str(Baseline(other.implementation, backend, tuple(settings.items())))

    def fits(self, who: Contender, contender: Contender) -> bool:
        """Say whether `who` may be what this names as seen from another contender."""
        columns = dict(who.columns)
        if self.backend:
            where = who.backend == self.backend
        else:
            where = who["framework"] != contender["framework"] or who["device"] == contender["device"]
        set_here = all(str(columns.get(name, value)) == value for name, value in self.settings)
        return who.implementation == self.implementation and where and set_here

    def __str__(self) -> str:
        """Give it as `parse` reads it."""
        where = f"@{self.backend}" if self.backend else ""
        return self.implementation + where + "".join(f",{name}={value}" for name, value in self.settings)


def _as_set(case: Case, settings: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Give the conditions of a case, those that are set as texts."""
    found: dict[str, Any] = case.conditions
    return {**found, **{name: str(found[name]) for name, _ in settings}}


def baselines(text: str, own: Mapping[str, str], cases: Iterable[Case]) -> dict[str, Baseline]:
    """Say for each workload what its speedups are over.

    Args:
        text: the baseline that was chosen; empty if none was. Workloads without such an implementation keep their own.
        own: each workload's own.
        cases: all cases of the run.
    """
    found = {workload: Baseline.own(name) for workload, name in own.items()}
    if text:
        chosen = Baseline.parse(text)
        found |= {case.workload: chosen for case in cases if case.implementation == chosen.implementation}
    return found


def baselines_of(manifest: Manifest) -> dict[str, Baseline]:
    """Say for each workload of a run what its speedups are over."""
    own = {name: facts.baseline for name, facts in manifest.workloads.items()}
    return baselines(manifest.baseline, own, [Case.from_columns(item.columns) for item in manifest.cases])


def check_baseline(text: str, cases: Collection[Case]) -> None:
    """Refuse a baseline that is none of the cases of a run; an empty text is each workload's own.

    Raises:
        UsageError: it is malformed, or no case is it.
    """
    if not text:
        return
    wanted = Baseline.parse(text)
    fitting = [case for case in cases if case.implementation == wanted.implementation]
    if not fitting:
        cure = nearest(wanted.implementation, {case.implementation for case in cases})
        raise UsageError(f"--baseline {wanted.implementation!r} is not measured in this run: {cure}")
    for name, value in (*([("backend", wanted.backend)] if wanted.backend else []), *wanted.settings):
        values = sorted({str(case.columns[name]) for case in fitting})
        if value not in values:
            raise UsageError(
                f"--baseline {text}: {wanted.implementation} is not measured with {name} {value} in this run: "
                f"choose {' or '.join(values)}, or measure that as well."
            )
        fitting = [case for case in fitting if str(case.columns[name]) == value]
