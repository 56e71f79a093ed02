"""The sizes of a problem by their names, which are the author's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bench.model.columns import SIZE_PREFIX

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
MOST = 10**9
"""The largest size."""
BATCH = "batch"
"""The size that counts the samples of a step: it gives rows a second, and is what devices share out."""


class Sizes(Mapping[str, int]):
    """Whole numbers by name, in order; each is an attribute too, as in `sizes.batch`. Never changed.

    Raises:
        ValueError: a name is malformed or taken, or a value is not a whole number of at least 1.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, int] = {}, /, **more: int) -> None:
        self._values = {**values, **more}
        for name, value in self._values.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"the size {name!r}: write its name with small letters, digits and '_'")
            if hasattr(Sizes, name):
                raise ValueError(f"the size {name!r}: that name says something else, so take another")
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
                raise ValueError(f"the size {name}={value!r}: give a whole number from 1 to {MOST}")

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> int:
        if name.startswith("__") or name == "_values":  # copying asks before there are values
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"there is no size {name!r}: there are {', '.join(self._values) or 'none'}") from None

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))  # equal in any order

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Sizes) else NotImplemented

    def __repr__(self) -> str:
        return f"Sizes({self._values})"

    def __reduce__(self) -> tuple[type[Sizes], tuple[dict[str, int]]]:
        return Sizes, (self._values,)

    def changed(self, changes: Mapping[str, int]) -> Sizes:
        """Return these sizes with other values for some of them; names that are not among them are ignored."""
        return Sizes({name: changes.get(name, value) for name, value in self._values.items()})

    @property
    def columns(self) -> dict[str, int]:
        """The values by the names of their columns."""
        return {f"{SIZE_PREFIX}{name}": value for name, value in self._values.items()}

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> Sizes:
        """Take the sizes among the columns of a case; 0 stands for a size that its workload does not have."""
        found = {name: value for name, value in columns.items() if name.startswith(SIZE_PREFIX) and value != 0}
        return cls({name.removeprefix(SIZE_PREFIX): int(value) for name, value in found.items()})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Travel as an object of JSON."""
        from pydantic_core import core_schema as schema

        return schema.no_info_after_validator_function(
            cls,
            schema.dict_schema(schema.str_schema(), schema.int_schema()),
            serialization=schema.plain_serializer_function_ser_schema(dict),
        )
