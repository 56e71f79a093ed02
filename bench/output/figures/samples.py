"""The samples of each case in the order in which they were taken, and what disturbed which."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from bench.machine.disturbance import DRIFTING, LAUNCH_BOUND, PREEMPTED, PRESSURE, RECOMPILED, STOLEN, UNSETTLED
from bench.model.condition import FOREIGN, THROTTLED
from bench.output.figures import _frame
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData, TimedCase
from bench.output.figures._frame import Frame, Grid, Texts, new_frame
from bench.output.figures._lines import in_turn
from bench.output.figures._look import Look
from bench.output.figures._rows import facts, problem_line
from bench.output.figures._ticks import log_axis, log_limits
from bench.output.names import counted

TITLE = "The samples in the order in which they were taken"
READING = (
    "Each dot is a sample, its height the time of one step; shades change where one process ends and the next begins. "
    "A mark around a dot says what disturbed it; a drift, or steps between processes, would show here."
)
SHOWS = ("step", "samples", "flagged", "processes")
FLAGS = {
    PREEMPTED: ("the kernel took a CPU away", "o", True),
    STOLEN: ("the hypervisor gave a CPU to others", "^", True),
    PRESSURE: ("tasks waited for a CPU", "s", True),
    UNSETTLED: ("the warm-up never became steady", "v", False),
    DRIFTING: ("steps changed their pace", "p", False),
    RECOMPILED: ("something was compiled anew", "d", False),
    THROTTLED: ("the device ran slower than it can", "D", True),
    FOREIGN: ("others held memory of the device", "P", True),
    LAUNCH_BOUND: ("the device waited for the host", "X", False),
}
"""Meaning of each flag, its mark, and whether it comes from outside: such marks have the colour of alarm, others that
of ink, since all others are those of contenders."""
_OTHER_FLAG = ("", "*", False)
MOST_DOTS = 3600
"""Most dots of a figure; a panel with more than its part of them gathers its samples into bars."""
BARS = 120
_FEW = 60
"""Most dots of a panel that are large."""
_MOST_BANDS = 24
_PANEL_EM = 5.5

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def draw(data: RunData, look: Look) -> Figure:
    """Draw a panel a case, the most disturbed first: dots, marks on what was flagged, shades that alternate."""
    rows = data.headline
    every = data.timed(rows)
    sorted_by_flags = sorted(every, key=lambda case: -case.flagged.mean())
    contenders = [(case.row["implementation"], case.row["backend"]) for case in sorted_by_flags]
    shown = in_turn(sorted_by_flags, contenders, _frame.SMALL_MOST[look.width])
    most, band = MOST_DOTS // len(shown), -(-max(int(case.process[-1]) + 1 for case in shown) // _MOST_BANDS)
    columns = _frame.small_columns(look, len(shown))
    count, flagged = sum(len(case.seconds) for case in every), sum(int(case.flagged.sum()) for case in every)
    bars = "many samples are thinned to bars from the shortest to the longest with dots at the medians"
    subtitle = [
        problem_line(rows),
        f"whole steps: {counted(count, 'sample')}, {flagged:,} of them flagged",
        f"{len(shown)} of {len(every)} cases, the most disturbed of each contender first"
        if len(shown) < len(every)
        else "",
        f"shades alternate with {'each process' if band == 1 else f'every {band} processes'}",
        "line: median in the table",
        f"{bars}, the longest of each flag marked" if any(len(case.seconds) > most for case in shown) else "",
    ]
    grid = Grid([_PANEL_EM] * len(shown), columns, _frame.SMALL_AROUND_EM)
    foot = data.foot(rows.loc[[case.row.name for case in every]], "without whole steps in samples.csv")
    frame = new_frame(look, Texts(TITLE, subtitle, foot, _keys(every, shown, look)), grid)
    for axis, case in zip(frame.axes, shown, strict=True):
        _panel(axis, case, most, band, data.cast, frame)
        _frame.small_heading(axis, case.row["implementation"], facts(case.row, rows), data.cast, frame)
    frame.label_x("samples, in their order")
    return frame.figure


def _sign(kind: str, look: Look, size: float = 4.5) -> dict[str, Any]:
    """Return the look of a flag's mark, which is hollow so that several on one sample can be told apart."""
    _, marker, outside = FLAGS.get(kind, _OTHER_FLAG)
    colour, line = look.theme.alarm if outside else look.theme.ink, look.line
    return {"ls": "none", "marker": marker, "ms": size * line, "mfc": "none", "mec": colour, "mew": 0.9 * line}


def _keys(every: list[TimedCase], shown: list[TimedCase], look: Look) -> list[Line2D]:
    """Return a key for calm samples and one for each flag, in the order of `FLAGS` with unknown flags last."""
    soft = look.theme.soft
    keys = [Line2D([], [], label="not flagged", ls="none", marker=".", ms=4.5 * look.line, mec=soft, mfc=soft)]
    found = {kind for case in every for kind in case.flags}
    for kind in [*(kind for kind in FLAGS if kind in found), *sorted(found - FLAGS.keys())]:
        count = sum(int(case.flags[kind].sum()) for case in shown if kind in case.flags)
        words = ": ".join(filter(None, (kind, FLAGS.get(kind, _OTHER_FLAG)[0])))
        keys += [Line2D([], [], label=f"{words} ({count:,})", **_sign(kind, look, 6.0))] if count else []
    return keys


def _panel(axis: Axes, case: TimedCase, most: int, band: int, cast: Cast, frame: Frame) -> None:
    """Draw the samples of a case, gathered into bars if they are more than the most, over shades of processes."""
    look, count = frame.look, len(case.seconds)
    group = case.process // band
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(begins[1:], len(group))
    shades = [(begin - 0.5, end - begin) for begin, end in zip(begins[1::2], ends[1::2], strict=True)]
    shade: dict[str, Any] = {"facecolor": look.theme.faint, "alpha": 0.5, "lw": 0, "zorder": 0}
    axis.broken_barh(shades, (0, 1), transform=axis.get_xaxis_transform(), **shade)
    axis.axhline(case.median, color=look.theme.soft, lw=0.7 * look.line, zorder=2)
    bars = np.arange(count) * BARS // count if count > most else np.arange(count)
    colour = cast.mark(case.row["implementation"], case.row["backend"], look)["color"]
    _dots(axis, case.seconds, _by_bar(np.flatnonzero(~case.flagged), bars), colour, look)
    for kind, marked in case.flags.items():
        longest = [own[np.argmax(case.seconds[own])] for own in _by_bar(np.flatnonzero(marked), bars)]
        axis.plot(longest, case.seconds[longest], zorder=4, label=kind, **_sign(kind, look))
    axis.set_xlim(-0.5 - count * 0.01, count - 0.5 + count * 0.01)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    log_axis(axis, "y", log_limits([case.seconds], span=1.1, margin=0.07), EngFormatter("s"), look)


def _by_bar(places: Places, bars: Places) -> list[Places]:
    """Return places, which are in order, bar by bar; bars without any are left out."""
    return [own for own in np.split(places, np.flatnonzero(np.diff(bars[places])) + 1) if len(own)]


def _dots(axis: Axes, seconds: Floats, by_bar: list[Places], colour: str, look: Look) -> None:
    """Draw a dot at the median of each bar, and bars of several samples from the shortest to the longest."""
    line = look.line
    middles = [(own[0] + own[-1]) / 2 for own in by_bar]
    medians = [np.median(seconds[own]) for own in by_bar]
    if any(len(own) > 1 for own in by_bar):
        # One path for all bars: as single lines they would fill an SVG.
        upright = np.array([(seconds[own].min(), seconds[own].max(), np.nan) for own in by_bar]).ravel()
        axis.plot(np.repeat(middles, 3), upright, color=colour, lw=0.8 * line, alpha=0.6, zorder=3, label="bars")
    size = 3 if len(middles) > _FEW else 5
    axis.plot(middles, medians, ls="none", marker=".", ms=size * line, mec="none", mfc=colour, zorder=3, label="calm")
