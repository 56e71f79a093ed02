"""What figures over a size share: which lines in which panels, and how a line is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from bench.analysis.roofline import Ceilings
from bench.analysis.scaling import Contender, Plane, main_axis, planes
from bench.errors import NothingToShowError
from bench.model.workload import WORKLOADS
from bench.output.figures import _style
from bench.output.figures._look import MARKERS, Look
from bench.output.names import variant_word
from bench.output.text import significant

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from bench.output.figures._data import RunData

MOST_PANELS = 6
CEILINGS: tuple[Any, Any] = ((0, (3.2, 1.2)), (0, (1, 1.2)))
"""How limits by arithmetic and by memory are drawn."""
_Item = TypeVar("_Item")
_THREADS: tuple[Any, ...] = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))


@dataclass(frozen=True, eq=False)
class Scene:
    """The panels of a figure, and what all of them need to agree about."""

    axis: str
    """The size along the horizontal axis."""
    planes: tuple[Plane, ...]
    """Those shown, one a panel."""
    found: int
    """How many there are."""
    rows: pd.DataFrame
    """Those of the lines shown."""
    differing: tuple[str, ...]
    """What tells panels apart beside their workload."""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Implementation and backend of each line that is not a baseline, in order."""
        lines = (line.contender for plane in self.planes for line in plane.lines)
        return list(dict.fromkeys((who.implementation, who.backend) for who in lines if not is_baseline(who)))

    @property
    def threads(self) -> list[int]:
        """Of all lines, in order."""
        return sorted({line.contender.threads for plane in self.planes for line in plane.lines})

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of all panels, in order."""
        return tuple(sorted({size for plane in self.planes for size in plane.sizes}))

    def title(self, plane: Plane) -> str:
        """What a panel is called."""
        return ", ".join([plane.workload, *(variant_word(name, plane.fixed[name]) for name in self.differing)])

    def shared(self) -> list[str]:
        """What the subtitle says of all panels."""
        words = [_style.problem_line(self.rows)]
        return words if len(self.planes) == self.found else [*words, f"{len(self.planes)} of {self.found} panels shown"]


def is_baseline(who: Contender) -> bool:
    """Whether speedups are over it."""
    return any(workload.baseline == who.implementation for workload in WORKLOADS.values())


def swept_axis(data: RunData) -> str:
    """The size that a run varies most.

    Raises:
        NothingToShowError: it varies none.
    """
    found = planes(_style.headline(data.summary))
    if not found:
        raise NothingToShowError("every case has one size only: measure several with `bench sweep`.")
    return main_axis(found)


def scene(rows: pd.DataFrame, axis: str) -> Scene | None:
    """The panels in which these rows lie along `axis`; None if there is none.

    Of more than fit, each workload gives its first before another gives its second.
    """
    found = [plane for plane in planes(rows) if plane.axis == axis]
    if not found:
        return None
    shown = tuple(in_turn(found, [plane.workload for plane in found], MOST_PANELS))
    differing = tuple(name for name in found[0].fixed if len({plane.fixed[name] for plane in found}) > 1)
    inside = pd.concat([line.rows for plane in shown for line in plane.lines])
    return Scene(axis, shown, len(found), inside, differing)


def in_turn(items: Sequence[_Item], kinds: Sequence[object], most: int) -> list[_Item]:
    """So many of some items, in their order: each kind gives its first before another gives its second."""
    turns: dict[object, int] = {}
    order = []
    for number, kind in enumerate(kinds):
        turns[kind] = turns.get(kind, -1) + 1
        order.append((turns[kind], number))
    return [items[number] for number in sorted(number for _, number in sorted(order)[:most])]


def line_look(scene: Scene, who: Contender, look: Look) -> dict[str, Any]:
    """How a contender's line is drawn: colour and marker for what computes, the line's style for its threads."""
    theme, line = look.theme, look.points / 9
    made: dict[str, Any] = {"ls": _THREADS[scene.threads.index(who.threads) % len(_THREADS)], "lw": 1.3 * line}
    if is_baseline(who):
        return made | {"color": theme.ink, "marker": "o", "ms": 4.0 * line, "mfc": theme.paper, "mew": line}
    number = scene.pairs.index((who.implementation, who.backend))
    return made | {
        "color": theme.series[number % len(theme.series)],
        "marker": MARKERS[number % len(MARKERS)],
        "ms": 4.2 * line,
        "mew": 0.0,
    }


def line_keys(scene: Scene, look: Look) -> list[Artist]:
    """One key for what computes, and one for each number of threads if there are several."""
    several = _style.several_backends(scene.rows)
    threads = scene.threads
    keys: list[Artist] = []
    lines = [line.contender for plane in scene.planes for line in plane.lines]
    baselines = list(dict.fromkeys(who.implementation for who in lines if is_baseline(who)))
    if baselines:
        who = next(who for who in lines if is_baseline(who))
        label = baselines[0] if len(baselines) == 1 else "NumPy baseline"
        keys.append(Line2D([], [], label=label, **line_look(scene, who, look) | {"ls": "-"}))
    for name, backend in scene.pairs:
        who = next(who for who in lines if (who.implementation, who.backend) == (name, backend))
        style = line_look(scene, who, look) | {"ls": "-"}
        keys.append(Line2D([], [], label=f"{name} ({backend})" if several else name, **style))
    for count in threads if len(threads) > 1 else ():
        style = {"color": look.theme.ink, "ls": _THREADS[threads.index(count) % len(_THREADS)]}
        keys.append(Line2D([], [], label=variant_word("threads", count), lw=1.3 * look.points / 9, **style))
    return keys


def with_interval(
    axis: Axes, rows: pd.DataFrame, columns: Sequence[str], style: dict[str, Any], look: Look, scale: float = 1.0
) -> None:
    """A line with an interval at each point; a point whose interval is unknown has none.

    Args:
        axis: the panel.
        rows: the line's.
        columns: what lies along the axis, the value, and the ends of its interval.
        style: of the line.
        look: the size of everything.
        scale: what values are divided by.
    """
    x, y, low, high = (rows[name].to_numpy(dtype=float) for name in columns)
    errors = np.vstack([y - low, high - y]).clip(min=0) / scale
    line = 0.9 * look.points / 9
    axis.errorbar(x, y / scale, yerr=errors, elinewidth=line, capsize=2 * line, capthick=line, **style)


def ceiling_words(best: Ceilings, several_threads: bool) -> tuple[str, str]:
    """What was reached at most by products and by copies, and which backend reached it."""
    rates = (f"{significant(best.products.gflops)} GFLOP/s", f"{significant(best.copies.gigabytes_per_second)} GB/s")
    tails = []
    for peak in (best.products, best.copies):
        threads = f", {variant_word('threads', peak.threads)}" if several_threads else ""
        tails.append(f" ({peak.backend}{threads})")
    return rates[0] + tails[0], rates[1] + tails[1]
