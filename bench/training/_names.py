"""The array of a joined workload that each of an implementation's own stands for, and the order of its axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.errors import StepError, nearest
from bench.model.step import State, Step

if TYPE_CHECKING:
    from bench.model.data import AnyArray, Data
    from bench.training import Told, Training


@dataclass(frozen=True)
class Counterpart:
    """The workload's array that stands for one of an implementation's own."""

    name: str
    axes: tuple[int, ...] | None = None
    """The workload's axes in the order in which the implementation has them; None if it is the same."""

    @classmethod
    def given(cls, who: str, own: str, value: Any) -> Counterpart:
        """Read what an author gives: a name, or a name and the order of axes.

        Raises:
            StepError: it is something else.
        """
        if isinstance(value, str):
            return cls(value)
        wrong = StepError(
            f"{who} gives {value!r} for {own}: give the workload's name of it, or the name and its axes in your order, "
            "as in ('0.weight', (1, 0))."
        )
        if not isinstance(value, tuple) or len(value) != 2 or not isinstance(value[0], str):
            raise wrong
        axes: Any = value[1]
        if not isinstance(axes, (tuple, list)) or sorted(axes) != list(range(len(axes))):
            raise wrong
        return cls(value[0], tuple(axes))

    def fits(self, array: AnyArray) -> bool:
        """Tell whether the workload's array has as many axes."""
        return self.axes is None or len(self.axes) == array.ndim

    def ours(self, array: AnyArray) -> AnyArray:
        """Lay the workload's array out as the implementation has it."""
        import numpy as np

        return array if self.axes is None else np.ascontiguousarray(array.transpose(self.axes))

    def theirs(self, array: AnyArray) -> AnyArray:
        """Lay the implementation's array out as the workload has it."""
        import numpy as np

        return array if self.axes is None else array.transpose(np.argsort(self.axes))


@dataclass(frozen=True)
class Names:
    """The counterparts of an implementation's arrays; those that are not named have the same name and layout."""

    who: str
    """The implementation, in messages."""
    workload: str
    """The workload that it joins, in messages."""
    known: Mapping[str, Counterpart]

    @classmethod
    def given(cls, who: str, workload: str, names: Mapping[str, Any]) -> Names:
        """Read what an author gives.

        Raises:
            StepError: something of it cannot be.
        """
        return cls(who, workload, {own: Counterpart.given(who, own, value) for own, value in names.items()})

    def of(self, own: str) -> Counterpart:
        """Look up the counterpart of one of the implementation's arrays."""
        return self.known.get(own, Counterpart(own))

    def start(
        self, parameters: Mapping[str, AnyArray], others: Iterable[str], given: Mapping[str, AnyArray]
    ) -> dict[str, AnyArray]:
        """Return the workload's initial parameters under the implementation's names and in its layout.

        Args:
            parameters: the implementation's own, of which shapes count.
            others: what else the implementation has names for, such as running statistics.
            given: the workload's parameters.

        Raises:
            StepError: an array of one side has no counterpart on the other, or one of another shape.
        """
        own = {*parameters, *others}
        for name in self.known:
            if name not in own:
                raise StepError(f"{self.who} has no array {name!r} that names= could be about: {nearest(name, own)}")
        found: dict[str, AnyArray] = {}
        taken: dict[str, str] = {}
        for name, array in parameters.items():
            there = self.of(name)
            if there.name not in given:
                raise StepError(
                    f"{self.who} has the parameter {name}, and {self.workload} has no {there.name!r}: map it by names= "
                    f"to one of {', '.join(given)}."
                )
            if there.name in taken:
                both = f"{taken[there.name]} and {name}"
                raise StepError(f"{self.who} takes {both} both for {there.name} of {self.workload}: map one elsewhere.")
            taken[there.name] = name
            right = given[there.name]
            shape = there.ours(right).shape if there.fits(right) else None
            if shape != array.shape:
                how = "" if there.axes is None else f", with the axes {there.axes}"
                raise StepError(
                    f"{self.who} has the parameter {name} of shape {array.shape}, and {there.name} of "
                    f"{self.workload} has the shape {right.shape}{how}: give the order of its axes by names=, as in "
                    f"{{{name!r}: ({there.name!r}, (1, 0))}}."
                )
            found[name] = there.ours(right)
        if left := [name for name in given if name not in taken]:
            raise StepError(
                f"{self.who} has no counterpart of {', '.join(left)} of {self.workload}: map one of its parameters "
                f"to each by names=; they are {', '.join(parameters)}."
            )
        return found

    def inputs(self, wanted: Any, given: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        """Return the workload's inputs in the order and layout that an author asks for; None is all as they are.

        Raises:
            StepError: one of them is none of the workload's.
        """
        if wanted is None:
            return dict(given)
        if not isinstance(wanted, (tuple, list)):
            raise StepError(
                f"{self.who} gives {wanted!r} as inputs: the batch is that of {self.workload}, so give a tuple of "
                f"names among {', '.join(given)}, each with an order of its axes if need be."
            )
        found = {}
        for value in wanted:
            there = Counterpart.given(self.who, "an input", value)
            if there.name not in given:
                hint = nearest(there.name, given)
                raise StepError(f"{self.who} takes the unknown input {there.name!r} of {self.workload}: {hint}")
            if not there.fits(given[there.name]):
                shape = given[there.name].shape
                raise StepError(f"{self.who} orders {there.name} of shape {shape} by {there.axes}: name each axis.")
            found[there.name] = there.ours(given[there.name])
        return found

    def joined(self, step: Step, wanted: Any) -> Step:
        """Return a step whose arrays have the names and layout of the workload.

        Args:
            step: speaks of them as the implementation does.
            wanted: the inputs that its author asks for.
        """

        def each(arrays: Mapping[str, Any]) -> dict[str, Any]:
            return {self.of(name).name: self.of(name).theirs(array) for name, array in arrays.items()}

        def state() -> State:
            own = step.state()
            return State(own.loss, each(own.parameters), each(own.gradients), each(own.results))

        def feed(arrays: Mapping[str, AnyArray]) -> None:
            if step.feed is not None:
                step.feed(self.inputs(wanted, arrays))

        return replace(step, state=state, feed=feed if step.feed is not None else None)


@dataclass(frozen=True)
class Beginning:
    """The arrays that a step is built from, under the names and in the layout of its author."""

    parameters: Mapping[str, AnyArray]
    inputs: Mapping[str, AnyArray]
    finished: Callable[[Step], Step]
    """The function that turns the step into one whose arrays have the names and layout of its workload."""


def beginning(
    told: Told, found: Training, parameters: Mapping[str, AnyArray], others: Iterable[str], data: Data
) -> Beginning:
    """Give what a step is built from.

    Args:
        told: what the decorator was told.
        found: what the author's function gives.
        parameters: those of the author's model, of which shapes count.
        others: names of what else the step shows.
        data: those of the workload.

    Raises:
        StepError: an array has no counterpart in the workload that is joined.
    """
    if not told.workload:
        return Beginning(data.parameters, data.inputs, lambda step: step)
    names = Names.given(told.name, told.workload, found.names)
    inputs = names.inputs(found.inputs, data.inputs)
    start = names.start(parameters, others, data.parameters)
    return Beginning(start, inputs, lambda step: names.joined(step, found.inputs))
