"""A case: one implementation on one backend and problem, with threads, a mode and a precision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.model.device import Precision
from bench.model.problem import Problem


class Mode(StrEnum):
    """Where the batch is when a step begins, and what the caches hold."""

    RESIDENT_WARM = "resident-warm"
    TRANSFERRED_WARM = "transferred-warm"
    RESIDENT_COLD = "resident-cold"
    TRANSFERRED_COLD = "transferred-cold"

    @property
    def transferred(self) -> bool:
        """Whether each step begins with the batch in the host's memory and copies it to the device."""
        return self.value.startswith("transferred")

    @property
    def cold(self) -> bool:
        """Whether the last cache is flushed, untimed, before each step."""
        return self.value.endswith("cold")

    @property
    def on_host(self) -> Mode:
        """The same for a device that computes in the host's memory: there is nothing to transfer."""
        return Mode(f"resident-{self.value.partition('-')[2]}")


@dataclass(frozen=True)
class Case:
    """What is measured."""

    implementation: str
    workload: str
    backend: str
    framework: str
    device: str
    problem: Problem
    threads: int
    mode: Mode = Mode.RESIDENT_WARM
    precision: Precision = Precision.FULL

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.implementation} on {self.backend}"

    def has_baseline(self, other: Case) -> bool:
        """Whether a speedup over `other` is fair: the same mathematics, sizes, threads and precision.

        A baseline computes on the CPU: its batch need not be transferred, but its caches are as warm or cold.
        """
        theirs = (other.workload, other.problem, other.threads, other.precision, other.mode)
        mine = (self.workload, self.problem, self.threads, self.precision, self.mode.on_host)
        return other.device == "cpu" and theirs == mine
