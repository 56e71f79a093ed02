"""What makes two machines the same: the facts that count are named here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Machine:
    """What must be the same for two runs to be of one machine; a GPU is told apart by its cases only."""

    cpu: str | None
    cpus_usable: int | None
    memory_gib: int | None
    """Rounded: a kernel keeps a little memory for itself, and not always the same amount."""

    def __str__(self) -> str:
        """Describe the machine in a few words."""
        cpus = "? CPUs" if self.cpus_usable is None else f"{self.cpus_usable} CPU{'s' if self.cpus_usable != 1 else ''}"
        return f"{self.cpu or 'unknown processor'}, {cpus}, {'?' if self.memory_gib is None else self.memory_gib} GiB"


def machine_of(facts: Mapping[str, Any]) -> Machine:
    """Return the machine that a manifest's `machine`, or the facts about this one, describe."""
    cpus, memory = facts.get("cpus_usable"), facts.get("memory_bytes")
    return Machine(
        None if facts.get("cpu") is None else str(facts["cpu"]),
        int(cpus) if isinstance(cpus, int | float) else None,
        round(memory / 2**30) if isinstance(memory, int | float) else None,
    )


def identity(facts: Mapping[str, Any]) -> dict[str, str | int | None]:
    """Return what must agree for times to be comparable, by name: the machine, and the Python that ran on it."""
    return {**asdict(machine_of(facts)), "python": facts.get("python")}
