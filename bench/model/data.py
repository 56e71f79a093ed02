"""The arrays that every implementation starts from, made once from the problem's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    AnyArray = NDArray[Any]


@dataclass(frozen=True)
class Data:
    """The batch, the initial parameters and the numbers that steer training. Arrays are read-only.

    Inputs and constants are attributes too: `data.x`, `data.learning_rate`.
    """

    inputs: Mapping[str, AnyArray]
    """Arrays that a step is given, of any dtype and shape: samples, targets, token ids, masks."""
    parameters: Mapping[str, Array] = field(default_factory=dict)
    """Initial parameters under their canonical names."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Numbers that steer training, such as a learning rate."""
    variants: tuple[int, ...] = ()
    """Amount of work of each step of training; empty if every step does the same."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("inputs", "constants"):  # copying asks before there are any
            raise AttributeError(name)
        for values in (self.inputs, self.constants):
            if name in values:
                return values[name]
        known = ", ".join([*self.inputs, *self.constants]) or "none"
        raise AttributeError(f"the data has no {name!r}: its inputs and constants are {known}")

    def as_type(self, dtype: str) -> Data:
        """Return the data with its floating-point arrays in another number format; others stay as they are."""

        def rounded(arrays: Mapping[str, AnyArray]) -> dict[str, Any]:
            found = {}
            for name, values in arrays.items():
                found[name] = values.astype(dtype) if values.dtype.kind == "f" else values.copy()
                found[name].setflags(write=False)
            return found

        return replace(self, inputs=rounded(self.inputs), parameters=rounded(self.parameters))
