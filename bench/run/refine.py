"""What a sweep measures once its grid is done: sizes around the crossovers, until each is known well enough.

A crossover that is not yet known as well as was asked for gets, round after round, either a new size at its present
estimate, if the measured sizes on both sides are further apart than the interval that is wanted, or else further rounds
at the sizes that its interval comes from. Every size that is begun is brought to the rounds that an interval needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bench.analysis.crossover import Rounds, SizePoint, changes, pair_points, pairs
from bench.analysis.scaling import Plane, frame_of, planes
from bench.model.case import Case, Contender
from bench.model.columns import SIZE_PREFIX
from bench.run.ledger import MIN_ROUNDS, Ledger
from bench.run.plan import Planned


@dataclass(frozen=True)
class _Target:
    """A pair of contenders whose crossover is not known well enough."""

    plane: Plane
    contenders: tuple[Contender, Contender]
    measured: Sequence[SizePoint]
    size: float
    low: float
    high: float
    width: float
    """Half the interval over the size; infinite where there is none yet."""


class Refinement:
    """Says after each round what is to be measured next for the sake of crossovers."""

    def __init__(self, within: float) -> None:
        """Prepare; `within` is half a crossover's interval over its size that is good enough."""
        self._within = within

    def wanted(self, live: Sequence[Planned], ledger: Ledger) -> list[Planned]:
        """List what the next round should measure; some of it may be new to the run. None if all crossovers are known.

        Args:
            live: the cases that can be measured.
            ledger: what has been measured.
        """
        begun = [item for item in live if item.added and len(ledger.rounds_of(item.case)) < MIN_ROUNDS]
        if begun:
            return begun
        known = {Case.from_columns(item.case.columns): item for item in live}
        targets = self._targets(known, ledger) if known else []
        found = [target for target in targets if target.width < math.inf] or targets
        found.sort(key=lambda target: target.width, reverse=True)
        chosen = [item for target in found[: -(-len(found) // 2)] for item in self._around(target, known, ledger)]
        return list({item.case: item for item in chosen}.values())

    def _targets(self, known: dict[Case, Planned], ledger: Ledger) -> list[_Target]:
        def lookup(case: Case) -> Rounds:
            item = known.get(case)
            return {} if item is None else ledger.rounds_of(item.case)

        found = (ledger.baseline_of(item.case) for item in known.values())
        over = {case.implementation for case in found if case is not None}
        return [
            target
            for plane in planes(frame_of(known))
            for a, b in pairs(plane, over)
            for target in self._of_pair(plane, (a, b), pair_points(plane, a, b, lookup, here=True))
        ]

    def _of_pair(
        self, plane: Plane, contenders: tuple[Contender, Contender], measured: Sequence[SizePoint]
    ) -> list[_Target]:
        found = changes(measured)
        if not found:
            return [
                _Target(plane, contenders, measured, math.sqrt(one.size * other.size), one.size, other.size, math.inf)
                for one, other in pairwise(measured)
                if (one.ratio.value < 0) != (other.ratio.value < 0)
            ]
        targets = []
        for change in found:
            low, high, width = change.size.low, change.size.high, change.size.halfwidth
            if low is not None and high is not None and width is not None and width > self._within:
                targets.append(_Target(plane, contenders, measured, change.size.value, low, high, width))
        return targets

    def _around(self, target: _Target, known: dict[Case, Planned], ledger: Ledger) -> list[Planned]:
        """List the cases of a new size, or of the sizes that the interval comes from."""
        sizes = [point.size for point in target.measured]
        below = max((size for size in sizes if size <= target.size), default=sizes[0])
        above = min((size for size in sizes if size >= target.size), default=sizes[-1])
        new = _as_round(target.size, below, above, target.plane.sizes)
        apart = math.log(above / below) > 2 * self._within
        clear = all(abs(math.log(new / size)) > self._within / 2 for size in (below, above))
        if apart and clear:
            return self._at_new_size(target, new, below, known, ledger)
        near = [size for size in sizes if min(target.low, below) <= size <= max(target.high, above)]
        keys = [target.plane.case(contender, size) for size in near for contender in target.contenders]
        return [known[key] for key in keys if key in known]

    def _at_new_size(
        self, target: _Target, size: int, like: int, known: dict[Case, Planned], ledger: Ledger
    ) -> list[Planned]:
        """Plan both contenders at a size that is new to the run, with what their speedups are over."""
        plane = target.plane
        change = {plane.axis.removeprefix(SIZE_PREFIX): size}
        both = [known[case] for each in target.contenders if (case := plane.case(each, like)) in known]
        over = {ledger.baseline_of(item.case) for item in both}
        models = {item.case: item for item in (*both, *(item for item in known.values() if item.case in over))}
        return [
            replace(item, added=True, case=replace(item.case, problem=item.case.problem.changed(change)))
            for item in models.values()
        ]


def _as_round(wanted: float, below: int, above: int, sizes: Iterable[int]) -> int:
    """Round a size between two others to a multiple of what divides all sizes of its axis, if one lies in between.

    Many models take such sizes only: heads divide a width, groups divide channels.
    """
    step = math.gcd(*sizes)
    found = step * round(wanted / step)
    return found if below < found < above else round(wanted)
