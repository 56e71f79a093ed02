"""A column: its name, type, unit and meaning, as the fields of a row class tell them."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import reduce
from typing import Any, get_type_hints

from bench.model.case import CASE_COLUMNS, CONDITIONS, WHO, Case, Contender
from bench.model.columns import SIZE_PREFIX, CaseColumn
from bench.model.sizes import MOST

POSITIVE = math.ulp(0.0)
"""The least value of what cannot be 0."""
_FINITE = sys.float_info.max


def described(
    doc: str,
    unit: str = "",
    values: Collection[str] = (),
    added: bool = False,
    least: float = 0.0,
    most: float = _FINITE,
    pattern: str = "",
    **options: Any,
) -> Any:
    """Make the field of a column.

    Args:
        doc: its meaning.
        unit: its unit.
        values: the only values that it may have; any if empty.
        added: whether it joined the present version after the first runs of it.
        least: the smallest number that it may have.
        most: the largest.
        pattern: what a text must match as a whole; nothing if empty.
        options: those of `dataclasses.field`.
    """
    about = {"doc": doc, "unit": unit, "values": tuple(map(str, values)), "added": added}
    return field(metadata={**about, "least": least, "most": most, "pattern": pattern}, **options)


@dataclass(frozen=True)
class Column:
    """One column of one file."""

    name: str
    kind: type
    """str, int, float or bool."""
    optional: bool
    unit: str
    doc: str
    path: tuple[str, ...]
    """Where a row holds the value: names of attributes."""
    values: tuple[str, ...] = ()
    """The only values that it may have; any if empty."""
    added: bool = False
    """Whether it joined the present version after the first runs of it: a file without it says nothing of it."""
    least: float = 0.0
    most: float = _FINITE
    """Between which it must be, if it is a number."""
    pattern: str = ""
    """What it must match as a whole, if it is a text that is taken apart; nothing if empty."""

    def value_in(self, row: object) -> Any:
        """Look up the value that a row has."""
        return reduce(_inside, self.path, row)


def _inside(owner: Any, name: str) -> Any:
    if isinstance(owner, Mapping):
        return owner.get(name)
    return owner[name] if isinstance(owner, Contender) else getattr(owner, name)


def sizes_in(names: Iterable[str]) -> tuple[str, ...]:
    """Pick the columns of sizes among the columns of a file."""
    return tuple(name for name in names if name.startswith(SIZE_PREFIX))


def columns_of(row: type, sizes: Iterable[str] = ()) -> tuple[Column, ...]:
    """List the columns of a row class in the order in which they are written.

    A `Case` in it stands for all columns of a case, a `Contender` for those that tell contenders apart, named after
    its field, and a mapping for all others.

    Args:
        row: the row class.
        sizes: columns of the sizes that the workloads of the run have.
    """
    hints = get_type_hints(row)
    found: list[Column] = []
    for item in fields(row):
        hint, name = hints[item.name], item.name
        if hint is Case:
            found += [_of_case(column, (name, *column.path)) for column in WHO]
            found += [_of_size(size, (name, "problem", "sizes", size.removeprefix(SIZE_PREFIX))) for size in sizes]
            found += [_of_case(column, (name, *column.path)) for column in CONDITIONS]
        elif hint is Contender:
            own = [_of_case(column, (name, column.name)) for column in CASE_COLUMNS if column.contender]
            found += [replace(column, name=f"{name}_{column.name}") for column in own]
        elif "doc" not in item.metadata:
            found += [_of_case(column, (name, column.name)) for column in WHO if not column.contender]
            found += [_of_size(size, (name, size)) for size in sizes]
            found += [_of_case(column, (name, column.name)) for column in CONDITIONS if not column.contender]
        else:
            found.append(_plain(name, hint, **item.metadata))
    return tuple(found)


def _of_case(column: CaseColumn, path: tuple[str, ...]) -> Column:
    kind = int if issubclass(column.kind, int) else str
    return Column(column.name, kind, False, "", column.doc, path, column.values, least=1)


def _of_size(name: str, path: tuple[str, ...]) -> Column:
    return Column(
        name, int, True, "", "A size of the workload; empty where it has none of that name.", path, least=1, most=MOST
    )


def _plain(name: str, hint: Any, doc: str, unit: str, values: tuple[str, ...], added: bool, **limits: Any) -> Column:
    members = [member for member in getattr(hint, "__args__", (hint,)) if member is not type(None)]
    optional = len(members) < len(getattr(hint, "__args__", (hint,)))
    kind = next(base for base in (bool, int, float, str) if issubclass(members[0], base))
    known = tuple(map(str, members[0])) if issubclass(members[0], StrEnum) else values
    return Column(name, kind, optional, unit, doc, (name,), known, added, **limits)
