"""How a column of a case is declared: once, as a field of `Case` or of its `Problem`, with its role.

Files, tables, keys and comparisons derive what they need from these declarations (`bench.model.case.CASE_COLUMNS`), so
a new column is one line there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import reduce
from typing import Any, get_type_hints

SIZE_PREFIX = "size."
"""What the columns of sizes begin with: their names are those of a workload's own sizes."""


class Role(StrEnum):
    """The part of a case that a column belongs to. Sizes are not declared: each workload has its own."""

    WHO = "who"
    """Who computes."""
    CONDITION = "condition"
    """Under which conditions."""


@dataclass(frozen=True)
class CaseColumn:
    """One column of a case."""

    name: str
    """The column's name in files, such as `size.batch`."""
    role: Role
    path: tuple[str, ...]
    """Where a case holds the value: names of attributes."""
    kind: type
    """The type of the value: str, int or a StrEnum."""
    doc: str
    usual: object = None
    """The value that goes without saying; None if there is none."""
    contender: bool = False
    """Whether it says who computes along a line of sizes."""

    @property
    def values(self) -> tuple[str, ...]:
        """The only values that it may have; any if empty."""
        return tuple(map(str, self.kind)) if issubclass(self.kind, StrEnum) else ()

    def value_in(self, case: object) -> str | int:
        """Look up the value that a case has, as files hold it."""
        found = reduce(getattr, self.path, case)
        return found.value if isinstance(found, StrEnum) else found  # type: ignore[return-value]


def who(doc: str, contender: bool = True) -> Any:
    """Declare a column that says what computes."""
    return field(metadata={"role": Role.WHO, "doc": doc, "contender": contender})


def condition(doc: str, contender: bool = False, usual: Any = None, **options: Any) -> Any:
    """Declare a column that says under which conditions it is computed; `usual` is its default, left unsaid."""
    if usual is not None:
        options["default"] = usual
    metadata = {"role": Role.CONDITION, "doc": doc, "contender": contender, "usual": usual}
    return field(metadata=metadata, **options)


def nested() -> Any:
    """Declare a field whose own fields are columns."""
    return field()


def declared(owner: type, path: Collection[str] = ()) -> tuple[CaseColumn, ...]:
    """Collect the columns that a dataclass declares, those of dataclasses inside it in their places."""
    hints = get_type_hints(owner)
    found: list[CaseColumn] = []
    for item in fields(owner):
        here = (*path, item.name)
        if "role" in item.metadata:
            role = item.metadata["role"]
            usual, contender = (item.metadata.get(key) for key in ("usual", "contender"))
            found.append(
                CaseColumn(item.name, role, here, hints[item.name], item.metadata["doc"], usual, bool(contender))
            )
        elif hasattr(hints[item.name], "__dataclass_fields__"):
            found += declared(hints[item.name], here)
    return tuple(found)
