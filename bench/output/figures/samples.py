"""The samples of each case in the order in which they were taken, and what disturbed which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from bench.machine.disturbance import LAUNCH_BOUND, PREEMPTED, PRESSURE, STOLEN, UNSETTLED
from bench.model.condition import FOREIGN, THROTTLED
from bench.output.figures import _data, _frame
from bench.output.figures._data import RunData, TimedCase
from bench.output.figures._frame import Frame, Grid, Texts, new_frame
from bench.output.figures._look import Look
from bench.output.figures._ticks import log_axis, log_limits

TITLE = "The samples in the order in which they were taken"
READING = (
    "Each dot is a sample, its height the time of one step; shades change where one process ends and the next begins. "
    "A mark around a dot says what disturbed it; a drift, or steps between processes, would show here."
)
SHOWS = ("step", "samples", "flagged", "processes")
MEANING = {
    PREEMPTED: "the kernel took a CPU away",
    STOLEN: "the hypervisor gave a CPU to others",
    PRESSURE: "tasks waited for a CPU",
    UNSETTLED: "the warm-up never became steady",
    THROTTLED: "the device ran slower than it can",
    FOREIGN: "others held memory of the device",
    LAUNCH_BOUND: "the device waited for the host",
}
_SIGNS = {PREEMPTED: ("o", 1), STOLEN: ("^", 2), PRESSURE: ("s", 0), UNSETTLED: ("v", 6)}
_SIGNS |= {THROTTLED: ("D", 3), FOREIGN: ("P", 4), LAUNCH_BOUND: ("X", 5)}
"""Mark, and place among the theme's colours."""
_OTHER_SIGN = ("*", 7)
MOST_DOTS = 3600
"""Most dots of a figure; a panel with more than its part of them gathers its samples into bars."""
BARS = 120
MOST_FLAGGED = 2000
"""Most marks of a figure; beyond that each bar keeps the slowest of its kind."""
_MOST_BANDS = 24
_PANEL_EM = 5.5

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Thinning:
    """How a figure thins what would be too much to draw."""

    most: int
    """Most samples of a panel that are drawn as single dots."""
    band: int
    """Number of processes that share a shade."""
    flagged: bool
    """Whether only the longest of the flagged samples in each bar is marked."""

    @classmethod
    def of(cls, shown: list[TimedCase]) -> Thinning:
        """Choose how the cases of a figure are thinned."""
        flagged = sum(int(marked.sum()) for case in shown for marked in case.flags.values()) > MOST_FLAGGED
        band = -(-max(int(case.process[-1]) + 1 for case in shown) // _MOST_BANDS)
        return cls(BARS if flagged else MOST_DOTS // len(shown), band, flagged)

    def bars(self, count: int) -> Places:
        """Return the bar that each of so many samples belongs to: its own if the panel is not thinned."""
        places = np.arange(count)
        return places * BARS // count if count > self.most else places


def draw(data: RunData, look: Look) -> Figure:
    """Draw a panel a case, the most disturbed first: dots, marks on what was flagged, shades that alternate."""
    rows = _data.headline(data.summary)
    every = data.timed(rows)
    shown = sorted(every, key=lambda case: -case.flagged.mean())[: _frame.SMALL_MOST[look.width]]
    thinning = Thinning.of(shown)
    columns = _frame.small_columns(look, len(shown))
    subtitle = [_data.problem_line(rows), *_remarks(every, shown, thinning)]
    grid = Grid([_PANEL_EM] * len(shown), columns, _frame.SMALL_AROUND_EM)
    frame = new_frame(look, Texts(TITLE, subtitle, data.footer, _keys(every, shown, look)), grid)
    for axis, case in zip(frame.axes, shown, strict=True):
        _panel(axis, case, thinning, frame)
        _frame.small_heading(axis, str(case.row["implementation"]), _data.facts(case.row, rows), frame)
    frame.label_x("samples, in their order")
    return frame.figure


def _remarks(every: list[TimedCase], shown: list[TimedCase], thinning: Thinning) -> list[str]:
    count, flagged = sum(len(case.seconds) for case in every), sum(int(case.flagged.sum()) for case in every)
    each = "each process" if thinning.band == 1 else f"every {thinning.band} processes"
    some, gathered = len(shown) < len(every), any(len(case.seconds) > thinning.most for case in shown)
    bars = "many samples are thinned to bars from the shortest to the longest with dots at the medians"
    return [
        f"whole steps: {count:,} samples, {flagged:,} of them flagged",
        f"{len(shown)} of {len(every)} cases, the most disturbed first" if some else "",
        f"shades alternate with {each}",
        "line: median in the table",
        bars if gathered else "",
        "of the flagged ones only the longest in each bar is marked" if thinning.flagged else "",
    ]


def _sign(kind: str, look: Look, size: float = 4.5) -> dict[str, Any]:
    """Return the look of a flag's mark, which is hollow so that several on one sample can be told apart."""
    marker, place = _SIGNS.get(kind, _OTHER_SIGN)
    colour, line = look.theme.series[place], look.line
    return {"ls": "none", "marker": marker, "ms": size * line, "mfc": "none", "mec": colour, "mew": 0.9 * line}


def _keys(every: list[TimedCase], shown: list[TimedCase], look: Look) -> list[Line2D]:
    """Return a key for calm samples and one for each flag, in the order of `MEANING` with unknown flags last."""
    soft = look.theme.soft
    keys = [Line2D([], [], label="not flagged", ls="none", marker=".", ms=4.5 * look.line, mec=soft, mfc=soft)]
    found = {kind for case in every for kind in case.flags}
    for kind in [*(kind for kind in MEANING if kind in found), *sorted(found - MEANING.keys())]:
        count = sum(int(case.flags[kind].sum()) for case in shown if kind in case.flags)
        words = f"{kind}: {MEANING[kind]}" if kind in MEANING else kind
        keys += [Line2D([], [], label=f"{words} ({count:,})", **_sign(kind, look, 6.0))] if count else []
    return keys


def _panel(axis: Axes, case: TimedCase, thinning: Thinning, frame: Frame) -> None:
    look, count = frame.look, len(case.seconds)
    _bands(axis, case, thinning.band, look)
    axis.axhline(case.median, color=look.theme.soft, lw=0.7 * look.line, zorder=2)
    bars = thinning.bars(count)
    _dots(axis, case.seconds, bars, ~case.flagged, look)
    for kind, marked in case.flags.items():
        places = np.flatnonzero(marked)
        if thinning.flagged:
            by_bar = _by_bar(places, bars)
            places = np.array([own[np.argmax(case.seconds[own])] for own in by_bar], dtype=int)
        axis.plot(places, case.seconds[places], zorder=4, label=kind, **_sign(kind, look))
    axis.set_xlim(-0.5 - count * 0.01, count - 0.5 + count * 0.01)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    log_axis(axis, "y", log_limits([case.seconds], span=1.1, margin=0.07), EngFormatter("s"), look)


def _by_bar(places: Places, bars: Places) -> list[Places]:
    """Return places, which are in order, bar by bar; bars without any are left out."""
    return [own for own in np.split(places, np.flatnonzero(np.diff(bars[places])) + 1) if len(own)]


def _bands(axis: Axes, case: TimedCase, band: int, look: Look) -> None:
    """Shade every second group of processes."""
    group = case.process // band
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(begins[1:], len(group))
    spans = [(begin - 0.5, end - begin) for begin, end in zip(begins[1::2], ends[1::2], strict=True)]
    axis.broken_barh(
        spans, (0, 1), transform=axis.get_xaxis_transform(), facecolor=look.theme.faint, alpha=0.5, lw=0, zorder=0
    )


def _dots(axis: Axes, seconds: Floats, bars: Places, calm: NDArray[np.bool_], look: Look) -> None:
    """Draw samples without a flag: dots, or bars from the shortest to the longest with a dot at the median."""
    colour, line = look.theme.soft, look.line
    dot: dict[str, Any] = {"ls": "none", "marker": ".", "ms": 3 * line, "mec": "none", "mfc": colour, "zorder": 3}
    places = np.flatnonzero(calm)
    if bars[-1] == len(bars) - 1:
        axis.plot(places, seconds[places], label="calm", **dot)
        return
    by_bar = _by_bar(places, bars)
    middles = np.array([(own[0] + own[-1]) / 2 for own in by_bar])
    # One path for all bars: as single lines they would fill an SVG.
    upright = np.array([(seconds[own].min(), seconds[own].max(), np.nan) for own in by_bar]).ravel()
    axis.plot(np.repeat(middles, 3), upright, color=colour, lw=0.8 * line, alpha=0.6, zorder=3, label="bars")
    axis.plot(middles, [np.median(seconds[own]) for own in by_bar], label="calm", **dot)
