"""The way from the baseline to the fastest step, one change after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.analysis.ladder import Ladder, Rung
from bench.errors import NothingToShowError
from bench.output.figures import _bars, _rows
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import PANEL_EM, Frame, Grid, Texts, panel_title
from bench.output.figures._look import PAGE_INCHES, Look, clipped, spread, text_inches
from bench.output.figures._ticks import log_axis, times
from bench.output.figures._words import ladder_titles, rung_words
from bench.output.names import counted
from bench.output.text import duration, duration_interval, factor, factor_interval
from bench.stats.estimates import Estimate

TITLE = "What makes the step fast, one change after another"
READING = (
    "Each rung changes one thing, in a fixed order, by the fastest case that does so. The coloured part of a bar is "
    "what the change gains over the rung before; beside it stand the factor over that rung and, below, over the first. "
    "An empty bar is slower than the rung before: the next rung does without that change."
)
SHOWS = ("speedup", "speedup_interval", "step", "step_interval")
_MOST = 4
_ROW_EM = 3.0
"""Room of one rung: two lines of text."""
_DENSEST = 0.82
"""Part of their height to which rungs may shrink to fit a page; their two lines stay apart."""
_HEAD_EM = 13.0
"""About what title, subtitle, keys and footer take."""
_THICK = 0.56
_SMALL = 0.86
"""Size of the letters in the second lines, in ems."""
_LABEL_SHARE = {True: 0.35, False: 0.34}
"""The part of a panel's width that the words of a rung may take, in a narrow panel and in others."""


def draw(data: RunData, look: Look) -> Figure:
    """Draw each rung's gain from where the rung ends that it builds on, on a logarithmic axis."""
    every = ladder_titles(data.ladders)
    if not every:
        raise NothingToShowError(
            "no workload has two rungs: measure its baseline and another case, as with `bench run --threads 1,all`."
        )
    shown = _chosen(every, look)
    rungs = [rung for _, ladder in shown for rung in ladder.rungs]
    rows = pd.DataFrame([rung.case.columns for rung in rungs])
    texts = Texts(TITLE, _subtitle(data, rows, shown, len(every)), data.foot(data.headline), _keys(rungs, look))
    counts = [len(ladder.rungs) for _, ladder in shown]
    frame = _bars.new_panels(look, texts, counts, 1.0, lambda count: (count + 0.1) * _ROW_EM, _DENSEST)
    ends = _ends(rungs)
    for number, (axis, (title, ladder)) in enumerate(zip(frame.axes, shown, strict=True)):
        _panel(axis, ladder, data.cast, frame)
        first = ladder.rungs[0]
        of = duration(first.seconds.value)
        over = of if frame.narrow else f"{data.cast.name(first.case.implementation)} at {of} a step"
        panel_title(axis, f"{title}: 1x is {over}", frame)
        axis.set_ylim(counts[number] - 0.55 - _bars.most_beside(counts, number, frame.columns), counts[number] - 0.45)
        log_axis(axis, "x", ends, times, frame.look)
        axis.grid(visible=False, axis="y")
    frame.label_x("speedup over the first rung (log scale)")
    return frame.figure


def _chosen(every: Sequence[tuple[str, Ladder]], look: Look) -> list[tuple[str, Ladder]]:
    """Return as many as fit: of each workload the last, the first and some between them."""
    kinds = list(dict.fromkeys(ladder.workload for _, ladder in every))
    for most in range(_MOST, 0, -1):
        chosen: list[tuple[str, Ladder]] = []
        for kind in kinds[:most]:
            inside = [item for item in every if item[1].workload == kind]
            chosen += [inside[place] for place in spread(len(inside), most // min(len(kinds), most))]
        rungs = [len(ladder.rungs) * _ROW_EM * _DENSEST for _, ladder in chosen]
        grid = Grid(rungs, _bars.columns_of(look, len(rungs)), PANEL_EM)
        height, em = sum(grid.rows) + len(grid.rows) * PANEL_EM + _HEAD_EM, look.em(1)
        if height * (look.least_em if look.tallest else em) <= (look.tallest or PAGE_INCHES):
            break
    return chosen


def _subtitle(data: RunData, rows: pd.DataFrame, shown: Sequence[tuple[str, Ladder]], found: int) -> list[str]:
    known = {ladder.workload for ladder in data.ladders}
    without = [name for name in data.headline["workload"].unique() if name not in known]
    left_out = sum(ladder.left_out for _, ladder in shown)
    wrong = "wrong, unsteady or not verified, so no rung"
    return [
        _rows.problem_line(rows),
        "beside each rung its factor over the rung before, below that over the first",
        "brackets and whiskers: 95 % interval over processes",
        f"{counted(left_out, 'case')} {wrong}" if left_out else "",
        f"no ladder of {', '.join(without)}: no second case beside a sound baseline" if without else "",
        f"{len(shown)} of {found} ladders shown" if len(shown) < found else "",
    ]


def _keys(rungs: Sequence[Rung], look: Look) -> list[Patch]:
    keys = _bars.backend_keys(
        [rung.case.backend for rung in rungs if rung.before is not None and not rung.slower], look
    )
    if any(rung.before for rung in rungs):
        keys.append(Patch(label="gained before", **_earlier(look)))
    if any(rung.slower for rung in rungs):
        keys.append(Patch(label="slower than the rung before", **_lost(look)))
    return keys


def _earlier(look: Look) -> dict[str, Any]:
    return {"facecolor": look.theme.faint, "edgecolor": look.theme.edge, "lw": 0.6 * look.line}


def _lost(look: Look) -> dict[str, Any]:
    return {"facecolor": look.theme.paper, "edgecolor": look.theme.alarm, "lw": 1.2 * look.line, "ls": (0, (2, 1))}


def _panel(axis: Axes, ladder: Ladder, cast: Cast, frame: Frame) -> None:
    look, rungs = frame.look, ladder.rungs
    axis.axvline(1, color=look.theme.ink, lw=look.line, ls="--", zorder=1)
    for number, rung in enumerate(rungs):
        place, end = len(rungs) - 1 - number, rung.over_first.value
        begin = 1.0 if rung.before is None else rungs[rung.before].over_first.value
        if rung.before is not None:
            axis.barh(place, min(begin, end) - 1, _THICK, left=1, zorder=2, **_earlier(look))
            style = _lost(look) if rung.slower else cast.bar(rung.case.implementation, rung.case.backend, look)
            axis.barh(place, end - begin, _THICK, left=begin, zorder=2.5, **style)
            _bars.whisker(axis, place, _bar(rung.over_first), look)
        _beside(axis, place, rung, frame)
        _name(axis, place, rung, ladder, cast, frame)
    axis.set_yticks([])


def _bar(over: Estimate) -> _bars.Bar:
    low, high = (math.nan if end is None else end for end in (over.low, over.high))
    return _bars.Bar(over.value, low, high, "")


def _beside(axis: Axes, place: float, rung: Rung, frame: Frame) -> None:
    """Write the factors to the right of the panel: over the rung before, and below that over the first."""
    if rung.before is None:
        return
    lines: list[tuple[Estimate, float, dict[str, Any]]] = [
        (rung.over_before, 0.5, {"fontweight": "bold"}),
        (rung.over_first, -0.62, {"color": frame.look.theme.soft}),
    ]
    for over, rise, style in lines[: 1 if rung.before == 0 else 2]:
        _write(axis, (1.01, place), _factor(over), rise if rung.before else 0.0, frame, family="monospace", **style)


def _factor(over: Estimate) -> str:
    if over.low is None or over.high is None:
        return factor(over.value)
    return f"{factor(over.value)} [{factor_interval(over.low, over.high)}]"


def _name(axis: Axes, place: float, rung: Rung, ladder: Ladder, cast: Cast, frame: Frame) -> None:
    """Write to the left of the panel what a rung changes, and below that its implementation and its time.

    The interval of the time gives way where there is no room for it.
    """
    look = frame.look
    room = frame.panel_inches * _LABEL_SHARE[frame.narrow]
    small = replace(look, shrunk=look.shrunk * _SMALL)
    seconds = duration(rung.seconds.value)
    below = (
        f"{cast.name(rung.case.implementation)}, {seconds} [{duration_interval(rung.seconds.low, rung.seconds.high)}]"
    )
    if frame.narrow or rung.seconds.low is None or text_inches(below, small.points) > room:
        below = cast.fitting(rung.case.implementation, room, small.points, f", {seconds}")
    words = clipped(rung_words(rung, ladder), room, look.points, bold=True)
    style: dict[str, Any] = {"ha": "right"}
    _write(axis, (-0.015, place), words, 0.5, frame, size=1.0, fontweight="bold", **style)
    _write(axis, (-0.015, place), below, -0.62, frame, color=look.theme.soft, **style)


def _write(
    axis: Axes, at: tuple[float, float], text: str, rise: float, frame: Frame, size: float = _SMALL, **style: Any
) -> None:
    """Write beside a panel, level with a bar or so many ems above it."""
    points = frame.look.points
    axis.annotate(
        text,
        at,
        xytext=(0, rise * points),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=points * size,
        annotation_clip=False,
        **style,
    )


def _ends(rungs: Sequence[Rung]) -> tuple[float, float]:
    """Return the axis of all panels: everything fits, and 1x has some room on both sides."""
    known = [end for rung in rungs for end in (rung.over_first.value, rung.over_first.low, rung.over_first.high) if end]
    low, high = min(known), max(known)
    air = max(high / low, 2.0) ** 0.06
    return min(low, 1.0) / air, max(high, 1.0, 2.0 if high / low < 1.5 else 0.0) * air
