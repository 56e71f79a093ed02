"""What the contenders of a run are called and look like: the same in all of its figures, whichever each shows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from bench.errors import UsageError, nearest
from bench.output.figures._look import Look, hatch_of, text_inches

_GAP = "…"
_BACKWARD = 3
"""How much less the letters before a difference tell than those after it."""


@dataclass(frozen=True)
class Choice:
    """What an author asks of all figures: which implementations, in which order, under which names."""

    only: tuple[str, ...] = ()
    """Those that are shown; all if empty."""
    order: tuple[str, ...] = ()
    """Those that come first, in this order."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """What implementations are called instead of their names."""

    @property
    def options(self) -> list[str]:
        """The options of `bench plot` that ask for it."""
        found = [["--only", ",".join(self.only)]] if self.only else []
        found += [["--order", ",".join(self.order)]] if self.order else []
        found += [["--rename", f"{name}={new}"] for name, new in self.renamed.items()]
        return [word for words in found for word in words]

    def check(self, known: Collection[str]) -> None:
        """Check that it is about implementations of a run, and that no two would share a name.

        Raises:
            UsageError: it is not.
        """
        for option, names in (("--only", self.only), ("--order", self.order), ("--rename", self.renamed)):
            for name in names:
                if name not in known:
                    raise UsageError(f"{option} names {name!r}, which the run has no case of: {nearest(name, known)}")
        called = [self.renamed.get(name, name) for name in known]
        for name, new in self.renamed.items():
            if called.count(new) > 1:
                raise UsageError(
                    f"--rename {name}={new}: another implementation is called so too; choose another name."
                )


@dataclass(frozen=True)
class Cast:
    """The contenders of a run as its figures show them."""

    numbers: Mapping[tuple[str, str], int | None]
    """Place among the colours, by implementation and backend; None for a baseline."""
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, pairs: Iterable[tuple[str, str]], baselines: Collection[object], renamed: Mapping[str, str] | None = None
    ) -> Cast:
        """Give numbers to implementations on their backends in this order; those that are baselines share a grey."""
        known = list(dict.fromkeys(pairs))
        others = [pair for pair in known if pair[0] not in baselines]
        return cls({pair: others.index(pair) if pair in others else None for pair in known}, renamed or {})

    @property
    def names(self) -> list[str]:
        """What all implementations are called."""
        return list(dict.fromkeys(self.name(name) for name, _ in self.numbers))

    def name(self, implementation: object) -> str:
        """Return what an implementation is called."""
        return self.renamed.get(str(implementation), str(implementation))

    def over(self, baseline: object) -> str:
        """Return what a baseline is called, as `NAME`, `NAME@BACKEND` or `NAME,threads=1`."""
        name = re.split("[@,]", str(baseline), maxsplit=1)[0]
        return self.name(name) + str(baseline)[len(name) :]

    def fitting(self, implementation: object, inches: float, points: float, tail: str = "") -> str:
        """Return a name and its tail in so many inches; the name is cut where it stays unlike all others."""
        name, room = self.name(implementation), inches - text_inches(tail, points)
        return distinct(name, self.names, room, points) + tail

    def number(self, implementation: object, backend: object) -> int | None:
        """Return the place of a contender among the colours; None for a baseline."""
        return self.numbers[str(implementation), str(backend)]

    def mark(self, implementation: object, backend: object, look: Look) -> dict[str, Any]:
        """Return the colour and the marker of a contender."""
        return look.theme.mark(self.number(implementation, backend))

    def bar(self, implementation: object, backend: object, look: Look) -> dict[str, Any]:
        """Return the look of a contender's bar: its colour, and the hatch of its backend."""
        colour = self.mark(implementation, backend, look)["color"]
        return {
            "facecolor": colour,
            "hatch": hatch_of(str(backend)),
            "edgecolor": look.theme.edge,
            "lw": 0.6 * look.line,
        }


def distinct(name: str, names: Sequence[str], inches: float, points: float) -> str:
    """Return a name in at most so many inches, cut so that it can stand for none of the other names if there is room.

    Its ends are kept, and what tells it from those that have the same ends.
    """
    if text_inches(name, points) <= inches:
        return name
    anchors = {0, len(name) - 1}
    while True:
        label = _cut(name, anchors, inches, points)
        pattern = ".*".join(re.escape(part) for part in label.split(_GAP))
        alike = [other for other in names if other != name and re.fullmatch(pattern, other, re.DOTALL)]
        telling = {_first_difference(name, other) for other in alike}
        if telling <= anchors:
            return label
        anchors |= telling


def _first_difference(name: str, other: str) -> int:
    """Return the place of the first letter of a name that another one does not share; the last if it shares all."""
    differing = (place for place, letters in enumerate(zip(name, other, strict=False)) if len(set(letters)) > 1)
    return next(differing, min(len(other), len(name) - 1))


def _cut(name: str, anchors: Collection[int], inches: float, points: float) -> str:
    """Return as many letters of a name as fit, those nearest to the anchors."""

    def distance(place: int) -> int:
        ends = {0: place, len(name) - 1: len(name) - 1 - place}
        between = (place - at if place >= at else (at - place) * _BACKWARD for at in anchors if at not in ends)
        return min(*ends.values(), *between)

    nearest_first = sorted(range(len(name)), key=distance)
    label = _GAP
    for kept in range(1, len(name)):
        longer = _joined(name, set(nearest_first[:kept]))
        if kept > len(anchors) and text_inches(longer, points) > inches:
            break
        label = longer
    return label


def _joined(name: str, kept: Collection[int]) -> str:
    """Return the letters that are kept, with an ellipsis for each gap; one letter takes no more room than that."""
    pieces = []
    for inside, places in groupby(range(len(name)), key=lambda place: place in kept):
        letters = "".join(name[place] for place in places)
        pieces.append(letters if inside or len(letters) == 1 else _GAP)
    return "".join(pieces)
