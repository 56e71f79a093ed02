"""A case: one implementation on one backend and problem, with a number of threads and a mode."""

from __future__ import annotations

from dataclasses import dataclass

from bench.model.problem import Problem

RESIDENT = "resident"
"""The mode in which the batch stays on the device from step to step."""


@dataclass(frozen=True)
class Case:
    """What is measured. Two cases are comparable if they share workload, problem, threads and mode."""

    implementation: str
    workload: str
    backend: str
    framework: str
    device: str
    problem: Problem
    threads: int
    mode: str = RESIDENT

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.implementation} on {self.backend}"
