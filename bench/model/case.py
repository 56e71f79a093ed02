"""A case: one implementation on one backend and problem, with threads, a mode and a precision.

Its columns are declared here and in `Problem`, each once; see `bench.model.columns`. Those of its sizes are its
workload's: they stand between who computes and under which conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bench.model.columns import SIZE_PREFIX, CaseColumn, Role, condition, declared, nested, who
from bench.model.precision import Precision
from bench.model.problem import Problem
from bench.model.sizes import Sizes


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
        """The mode that stands for it on a device that computes in the host's memory: there is nothing to transfer."""
        return Mode(f"resident-{self.value.partition('-')[2]}")


@dataclass(frozen=True)
class Case:
    """What is measured."""

    implementation: str = who("Registered name of the implementation.")
    workload: str = who("Which mathematics it computes; speedups are stated inside one workload only.", contender=False)
    backend: str = who("Framework plus device, for example `torch-cpu`.")
    framework: str = who("`numpy`, `torch`, `tensorflow`, `jax`, `keras`, `cupy`, or one that a loaded file has added.")
    device: str = who("`cpu`, `cuda`, or the kind that a loaded file has added.")
    problem: Problem = nested()
    threads: int = condition("CPU threads that the framework was told to use.", contender=True)
    mode: Mode = condition(
        "`resident` or `transferred`: where the batch is when a step begins; `cold`: caches are flushed before it.",
        usual=Mode.RESIDENT_WARM,
    )
    precision: Precision = condition(
        "How products of float32 arrays are rounded: `full`, `tf32`, `amp-bf16`, `amp-fp16` or `bf16`.",
        usual=Precision.FULL,
    )
    devices: int = condition("Devices that the step is spread over.", usual=1)

    @property
    def label(self) -> str:
        """The name in messages."""
        return f"{self.implementation} on {self.backend}"

    @property
    def columns(self) -> dict[str, str | int]:
        """The values of its columns by name: what tells two cases of one run apart."""
        return {**self._values(WHO), **self.problem.sizes.columns, **self._values(CONDITIONS)}

    @property
    def conditions(self) -> dict[str, str | int]:
        """The values of sizes and conditions by the names of their columns."""
        return {**self.problem.sizes.columns, **self._values(CONDITIONS)}

    @property
    def contender(self) -> Contender:
        """Who computes, apart from the workload, the sizes and the other conditions."""
        return Contender(tuple((column.name, column.value_in(self)) for column in CASE_COLUMNS if column.contender))

    def _values(self, columns: Iterable[CaseColumn]) -> dict[str, str | int]:
        return {column.name: column.value_in(self) for column in columns}

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], seed: int = 0) -> Case:
        """Make a case from the values of its columns, such as a row of a file; a size of 0 is none.

        Raises:
            KeyError: a column is missing.
            ValueError: a value is not one that its column can have.
        """
        values: dict[str, Any] = {"problem": {"seed": seed, "sizes": Sizes.from_columns(columns)}}
        for column in CASE_COLUMNS:
            *inside, name = column.path
            target = values[inside[0]] if inside else values
            target[name] = column.kind(columns[column.name])
        return cls(**{**values, "problem": Problem(**values["problem"])})


@dataclass(frozen=True)
class Contender:
    """Who computes: what stays the same along a line of sizes."""

    columns: tuple[tuple[str, str | int], ...]
    """Names and values."""

    def __getitem__(self, name: str) -> str | int:
        """Look up the value of a column."""
        return dict(self.columns)[name]

    @property
    def implementation(self) -> str:
        """Name of the implementation."""
        return str(self["implementation"])

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return str(self["backend"])

    @property
    def threads(self) -> int:
        """Number of CPU threads."""
        return int(self["threads"])

    @property
    def program(self) -> tuple[tuple[str, str | int], ...]:
        """The columns without the number of threads."""
        return tuple(item for item in self.columns if item[0] != "threads")

    def __str__(self) -> str:
        """Give it in words."""
        return f"{self.implementation} on {self.backend}, {self.threads} thread{'' if self.threads == 1 else 's'}"


CASE_COLUMNS = declared(Case)
"""Every column of a case but its sizes, in the order in which files hold them."""
WHO = tuple(column for column in CASE_COLUMNS if column.role is Role.WHO)
CONDITIONS = tuple(column for column in CASE_COLUMNS if column.role is Role.CONDITION)


def settings_among(names: Iterable[str]) -> list[str]:
    """Pick the columns of sizes and conditions: what a heading says of cases that a table compares.

    Args:
        names: the columns of a table or a file.
    """
    known = list(names)
    conditions = [column.name for column in CONDITIONS if column.name in known]
    return [name for name in known if name.startswith(SIZE_PREFIX)] + conditions


def case_columns_among(names: Iterable[str]) -> list[str]:
    """Pick the columns that tell two cases of one run apart."""
    known = list(names)
    return [column.name for column in WHO if column.name in known] + settings_among(known)


def differing(cases: Iterable[Case]) -> list[str]:
    """Name the columns of sizes and conditions that these cases do not share, in their order."""
    rows = [case.conditions for case in dict.fromkeys(cases)]
    names = dict.fromkeys(name for row in rows for name in row)
    return settings_among(name for name in names if len({row.get(name) for row in rows}) > 1)
