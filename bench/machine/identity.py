"""What makes two machines the same: the facts that count are named here and nowhere else.

Nothing that changes when a machine starts anew counts. A fact that a run does not record is unknown, which is no
difference; but nobody can say of a processor without a name that it is the same as another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

NO_LIMIT = "no limit"
_SAME_MEMORY = 0.04
"""The part of its memory that a kernel may keep more or less of from one start to the next."""
_FACTS = (
    "cpu",
    "cpu_model",
    "cpus",
    "cpus_usable",
    "cpus_fast",
    "cgroup_cpus",
    "memory_gib",
    "blas",
    "blas_kernels",
    "python",
)
_NAMELESS = ("", "aarch64", "amd64", "arm", "arm64", "i386", "i686", "ppc64le", "riscv64", "s390x", "x86_64")
"""Names of architectures, which runs hold where the processor's own name could not be found."""


@dataclass(frozen=True, eq=False)
class Machine:
    """What must be the same for two runs to be of one machine; a GPU is told apart by its cases only."""

    cpu: str | None
    cpu_model: str | None = None
    cpus: int | None = None
    cgroup_cpus: float | str | None = None
    """The quota of a container, or that there is no limit."""
    memory_gib: float | None = None

    def __eq__(self, other: object) -> bool:
        """Say whether nothing that both tell differs; so a machine has no hash."""
        theirs = asdict(other) if isinstance(other, Machine) else {}
        return bool(theirs) and all(same(name, value, theirs[name]) for name, value in asdict(self).items())

    def __str__(self) -> str:
        """Describe the machine in a few words."""
        name = "unknown processor" + (f" ({self.cpu})" if self.cpu else "")
        name = str(self.cpu) if is_named(self.cpu) else name
        cpus = "? CPUs" if self.cpus is None else f"{self.cpus} CPU{'s' if self.cpus != 1 else ''}"
        allowed = "" if self.cgroup_cpus in (None, NO_LIMIT) else f", {self.cgroup_cpus:g} of them allowed"
        return f"{name}, {cpus}{allowed}, {'?' if self.memory_gib is None else round(self.memory_gib)} GiB"


def machine_of(facts: Mapping[str, Any]) -> Machine:
    """Return the machine that a manifest's `machine`, or the facts about this one, describe."""
    known = identity(facts)
    return Machine(**{name: known[name] for name in Machine.__dataclass_fields__})


def distinct(machines: Iterable[Machine]) -> list[Machine]:
    """List machines once each; one that tells less is not listed beside one that it may be."""
    found: list[Machine] = []
    for machine in sorted(machines, key=lambda machine: list(asdict(machine).values()).count(None)):
        if machine not in found:
            found.append(machine)
    return found


def is_named(cpu: Any) -> bool:
    """Say whether a processor's name is known and tells more than its architecture."""
    return cpu is not None and str(cpu).lower() not in _NAMELESS


def identity(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must agree for times to be comparable, by name; None where it is unknown.

    It is the machine, what of it a run could use, and the Python and NumPy's BLAS that ran on it.
    """
    found: dict[str, Any] = {name: facts.get(name) for name in _FACTS}
    found["cgroup_cpus"] = NO_LIMIT if facts.get("cgroup_cpus", 0) is None else _number(facts.get("cgroup_cpus"))
    memory = _number(facts.get("memory_bytes"))
    found["memory_gib"] = None if memory is None else round(memory / 2**30, 2)
    return found


def _number(value: Any) -> float | None:
    try:
        return float(value) if math.isfinite(value) else None
    except (OverflowError, TypeError):  # a file may hold anything
        return None


def same(name: str, one: Any, other: Any) -> bool:
    """Say whether two values of an identity may be of one machine; an unknown one may be any."""
    if one is None or other is None:
        return True
    return math.isclose(one, other, rel_tol=_SAME_MEMORY) if name == "memory_gib" else bool(one == other)


def told(name: str, value: Any) -> str:
    """Say a value of an identity in words."""
    if value is None:
        return "unknown"
    if name == "cpu" and not is_named(value):
        return f"unknown ({value})"
    return f"{value:g}" if isinstance(value, float) else str(value)
