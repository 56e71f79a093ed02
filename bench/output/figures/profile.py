"""Performance profiles: how often each contender is within a given factor of the fastest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.profile import Entrant, Profile, Profiles
from bench.errors import NothingToShowError
from bench.output.figures import _lines, _rows
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import Texts
from bench.output.figures._look import MARKERS, Look
from bench.output.figures._ticks import FittingLocator, even_steps, log_axis, put_ticks, times
from bench.output.figures._words import entrant_names, mean_words, solved_words
from bench.output.names import counted

TITLE = "How often each is within a given factor of the fastest"
READING = (
    "A line begins, at 1x, at the share of problems in which its contender is the fastest; where it reaches 100 % is "
    "how many times as long as the fastest it takes at worst. The higher line is ahead. A line that lacks a problem "
    "never reaches 100 %."
)
SHOWS = ("speedup", "speedup_interval", "step", "step_interval")
_MOST = 9
_STYLES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1.2, 1.5, 1.2)))


def draw(data: RunData, look: Look) -> Figure:
    """Draw a line of steps a contender, over all problems of the run."""
    found = data.profiles
    if len(found.problems) < 2:
        raise NothingToShowError("one problem was measured: measure several, with `bench sweep` or several workloads.")
    if len(found.profiles) < 2:
        raise NothingToShowError("one contender was measured: add an implementation or a backend to compare it with.")
    shown = found.profiles[:_MOST]
    names = entrant_names(found, data.cast.name)
    texts = Texts(TITLE, _subtitle(data, found, shown), data.foot(data.headline), _keys(shown, names, data.cast, look))
    frame = _lines.panel_frame(look, texts, [0])
    (axis,) = frame.axes
    largest = max(factor for profile in shown for factor, _ in profile.steps)
    end = max(largest, 1.5) ** 1.06
    for number, profile in reversed(list(enumerate(shown))):
        _line(axis, profile, number, end, data.cast, frame.look)
    log_axis(axis, "x", (1.0, end), times, frame.look)
    axis.set_ylim(0, 104)
    put_ticks(axis, "y", lambda value, _: f"{value:.0f} %", FittingLocator(frame.look, even_steps, (0, 100)))
    problems = counted(len(found.problems), "problem")
    _lines.label_axes(frame, "within this factor of the fastest", f"share of the {problems}", "share")
    return frame.figure


def _subtitle(data: RunData, found: Profiles, shown: Sequence[Profile]) -> list[str]:
    workloads = {workload for workload, _ in found.problems}
    stands = "a line is a backend, with its fastest implementation in each problem" if len(workloads) > 1 else ""
    return [
        _rows.problem_line(data.headline),
        f"{counted(len(found.problems), 'problem')} of {counted(len(workloads), 'workload')}",
        stands,
        "beside each name: geometric mean of its speedups over the baseline, with the 95 % interval for these problems",
        "a line that lacks problems stays below 100 %" if any(each.lacking for each in shown) else "",
        f"{counted(found.left_out, 'case')} wrong, unsteady or not verified, so without a time"
        if found.left_out
        else "",
        f"{len(shown)} of {len(found.profiles)} lines shown" if len(shown) < len(found.profiles) else "",
    ]


def _style(entrant: Entrant, number: int, cast: Cast, look: Look) -> dict[str, Any]:
    """Return the look of a line; its marks are larger than those of the lines that are drawn over it.

    A backend that stands for several contenders has the colour of none of them.
    """
    shades = look.theme.ink, look.theme.soft
    several = {"color": shades[number % len(shades)], "marker": MARKERS[number % len(MARKERS)]}
    own = cast.mark(entrant.implementation, entrant.backend, look) if entrant.implementation else several
    return own | {
        "ls": _STYLES[number % len(_STYLES)],
        "lw": 1.4 * look.line,
        "ms": (4.2 + 0.6 * number) * look.line,
    }


def _keys(shown: Sequence[Profile], names: dict[Entrant, str], cast: Cast, look: Look) -> list[Line2D]:
    keys = []
    for number, profile in enumerate(shown):
        some = f", {solved_words(profile)} problems" if profile.lacking else ""
        label = f"{names[profile.entrant]}{some}: {mean_words(profile)}"
        keys.append(
            Line2D([], [], label=label, **_style(profile.entrant, number, cast, look) | {"ms": 4.8 * look.line})
        )
    return keys


def _line(axis: Axes, profile: Profile, number: int, end: float, cast: Cast, look: Look) -> None:
    """Draw the steps of one contender, a mark where its share rises."""
    steps = profile.steps
    x = np.array([1.0, *(factor for factor, _ in steps), end])
    shares = [share for _, share in steps]
    y = np.array([profile.share(1.0), *shares, shares[-1]]) * 100
    marked = range(1, len(x) - 1)
    style = _style(profile.entrant, number, cast, look) | {
        "mec": look.theme.paper,
        "mew": 0.4 * look.line,
        "clip_on": False,
    }
    axis.plot(x, y, drawstyle="steps-post", markevery=list(marked), zorder=3 - number * 0.01, **style)
