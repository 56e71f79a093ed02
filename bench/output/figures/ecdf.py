"""The distribution of the times of single steps: for each case the share of samples that took at most so long."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from bench.output.figures import _bars
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData, TimedCase
from bench.output.figures._frame import Frame, Texts, beside, panel_title
from bench.output.figures._look import Look, Width, spread
from bench.output.figures._rows import problem_line
from bench.output.figures._ticks import log_axis, log_limits
from bench.output.names import counted
from bench.output.text import duration, duration_interval

TITLE = "How the times of one training step are distributed"
READING = (
    "A curve rises to the share of samples that took at most so long: the further left, the faster, and the steeper, "
    "the steadier. Each tick below is the median of one process; how far those lie apart is how sure the median is."
)
SHOWS = ("step", "step_interval", "minimum", "processes", "samples", "flagged")
MOST_PANELS = {Width.COLUMN: 8, Width.PAGE: 8, Width.SLIDE: 4}
MOST_POINTS = 500
"""Most points of a curve; more samples are reduced to as many quantiles."""
_MOST_TICKS = 60
"""Most medians of processes in a row; more are reduced in the same way."""
_CURVES_EM = 8.0
_ROW_EM = 1.5
_DENSEST, _LEAST = 0.8, 0.72
"""Parts of their height to which panels may shrink to fit a slide, whose letters can shrink too, and a page."""
_TOP = 1.05
"""Where the axis ends; the curves end at 1."""
_LINES = ("-", "--", "-.", ":")
_TAIL = 0.99
_FAR = 1.5
"""Multiple of that quantile, taken over all cases, beyond which samples are cut off and counted."""


def draw(data: RunData, look: Look) -> Figure:
    """Draw curves above, and below them the medians of each case's processes with the summary's median."""
    rows = data.headline
    rows = rows[rows["median_seconds"] > 0]
    timed = {case.row.name: case for case in data.timed(rows, counting=True)}
    rows = rows.loc[list(timed)]
    shown = _bars.shown(data, rows, look, _panel_em, MOST_PANELS[look.width], _LEAST)
    panels = [(name, [timed[label] for label in panel.index]) for name, panel in shown.panels]
    ends = [_ends(cases) for _, cases in panels]
    beyond = sum(
        int((case.seconds > high).sum()) for (_, high), (_, cases) in zip(ends, panels, strict=True) for case in cases
    )
    samples, flagged, processes = (int(rows[name].sum()) for name in ("samples", "flagged", "processes"))
    subtitle = [
        problem_line(rows),
        f"{counted(samples, 'sample')} ({flagged:,} flagged) of {counted(processes, 'process', 'processes')}",
        "curves: share of samples that took at most so long",
        "rows: ticks are medians of processes, marks their median as in the table",
        f"{counted(beyond, 'sample lies', 'samples lie')} beyond the right edge" if beyond else "",
        shown.remark,
    ]
    foot = data.foot(rows, "without whole steps in samples.csv")
    counts, texts = [len(cases) for _, cases in panels], Texts(TITLE, subtitle, foot)
    frame = _bars.new_panels(look, texts, counts, _DENSEST, _panel_em, _LEAST)
    for number, (axis, (name, cases)) in enumerate(zip(frame.axes, panels, strict=True)):
        names = [_bars.name_of(case.row, shown, frame) for case in cases]
        _panel(axis, cases, names, data.cast, frame)
        log_axis(axis, "x", ends[number], EngFormatter("s"), frame.look)
        rows_below = _bars.most_beside(counts, number, frame.columns)
        axis.set_ylim(-(rows_below + 0.5) * _ROW_EM / _CURVES_EM, _TOP)
        panel_title(axis, name, frame)
    frame.label_x("time of one step (log scale)")
    return frame.figure


def _panel_em(cases: int) -> float:
    """Return the height of the curves and the rows below them."""
    return _TOP * _CURVES_EM + (cases + 0.5) * _ROW_EM


def _style(number: int | None, look: Look) -> dict[str, Any]:
    """Return colour, line and mark of a case; no two among many share all three."""
    dashes = _LINES[(number or 0) // len(look.theme.series) % len(_LINES)]
    mark = {"ms": 5.5 * look.line, "mfc": look.theme.paper, "mew": 1.3 * look.line}
    return {"ls": dashes, "lw": 1.3 * look.line} | look.theme.mark(number) | mark


def _ends(cases: list[TimedCase]) -> tuple[float, float]:
    """Return an axis that holds everything, or all but the far ends of long tails."""
    shown = [case.seconds[case.seconds > 0] for case in cases]
    tails = [float(np.quantile(times, _TAIL)) for times in shown]
    near = max(*tails, *(float(case.medians[-1]) for case in cases), *(case.median for case in cases))
    return log_limits((times[times <= near * _FAR] for times in shown), span=1.1, margin=0.04)


def _panel(axis: Axes, cases: list[TimedCase], names: list[str], cast: Cast, frame: Frame) -> None:
    """Draw the curves, and a row for each case below them."""
    look = frame.look
    places = [-(number + 0.9) * _ROW_EM / _CURVES_EM for number in range(len(cases))]
    for case, name, place in zip(cases, names, places, strict=True):
        style = _style(cast.number(case.row["implementation"], case.row["backend"]), look)
        _curve(axis, case, name, style)
        _row(axis, case, place, style, look)
        low, high = (float(case.row[name]) for name in ("low_seconds", "high_seconds"))
        beside(axis, place, _bars.with_interval(duration(case.median), low, high, duration_interval, frame), look)
    for height, colour in ((0.0, look.theme.ink), (0.5, look.theme.faint), (1.0, look.theme.faint)):
        axis.axhline(height, color=colour, lw=0.6 * look.line, zorder=1)
    axis.set_yticks([1.0, 0.5, 0.0, *places], ["100 %", "50 %", "0 %", *names])


def _curve(axis: Axes, case: TimedCase, name: str, style: dict[str, Any]) -> None:
    """Draw the share of samples at most so long, and a mark where the summary's median lies on it."""
    times, count = np.sort(case.seconds), len(case.seconds)
    kept = np.array(spread(count, MOST_POINTS))
    share = np.searchsorted(times, case.median, side="right") / count
    axis.plot(
        [times[0], *times[kept]],
        [0.0, *((kept + 1) / count)],
        drawstyle="steps-post" if count <= MOST_POINTS else "default",
        label=name,
        zorder=3,
        **(style | {"marker": ""}),
    )
    axis.plot([case.median], [share], zorder=4, **style)


def _row(axis: Axes, case: TimedCase, place: float, style: dict[str, Any], look: Look) -> None:
    """Draw the medians of the case's processes from the shortest to the longest, and the summary's median."""
    medians = case.medians[spread(len(case.medians), _MOST_TICKS)]
    axis.plot(medians[[0, -1]], [place, place], zorder=2, **(style | {"marker": ""}))
    ticks = {"ls": "none", "marker": "|", "ms": 8 * look.line, "mew": 0.8 * look.line}
    axis.plot(medians, np.full(len(medians), place), zorder=3, **(style | ticks))
    axis.plot([case.median], [place], zorder=4, **style)
