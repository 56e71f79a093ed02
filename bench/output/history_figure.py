"""The history of cases as a figure: one panel a case, its runs in order, lines where its time changed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from bench.analysis.history import History, Series
from bench.data.schema import STEP
from bench.output.figures import _style
from bench.output.history import facts, short, size_of, span, telling

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 12
_ONE_COLUMN = 3
_PANEL_INCHES = 1.6
_HEAD_INCHES = 0.85
_LINE_INCHES = 0.11
_CHANGE = "#B22222"
_GREY = "#777777"
_ROW = 0.17
"""Height of one row of change labels, as a share of the panel."""
_LABEL_WIDTH = {1: 0.19, 2: 0.42}
"""Of the longest label, as a share of the panel, by the number of columns."""
_MOST_TICKS = {1: 6, 2: 3}
_MOST_TOLD = 8
_NAME = 28
"""So many letters of a name fit over half the width."""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def render(histories: Sequence[History], kind: str, phase: str = STEP) -> bytes:
    """The figure as the content of a png, svg or pdf file; the same histories give the same bytes.

    Of more than `MOST_PANELS` series those with a change come first.
    """
    mpl.use("agg")
    with mpl.rc_context(cast("Any", _style.RC)):
        return _style.rendered(draw(histories, phase), kind, f"history of {histories[0].runs[-1].run_id}")


def draw(histories: Sequence[History], phase: str = STEP) -> Figure:
    """The figure; see `render`."""
    every = [(history, series) for history in histories for series in history.series]
    chosen = {id(series) for _, series in sorted(every, key=lambda item: not item[1].changes)[:MOST_PANELS]}
    shown = [item for item in every if id(item[1]) in chosen]
    letters = _letters(shown)
    columns = 1 if len(shown) <= _ONE_COLUMN else 2
    rows = -(-len(shown) // columns)
    foot = _foot(histories, letters)
    height = _HEAD_INCHES + rows * _PANEL_INCHES + (foot.count("\n") + 2) * _LINE_INCHES
    figure = Figure(figsize=(_style.WIDTH_INCHES, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    what = "one training step" if phase == STEP else f"the {phase} phase"
    figure.suptitle(f"Time of {what}, run by run\n\n", x=0.01, ha="left", fontsize=12, fontweight="bold")
    text = "median and 95 % interval over processes; less is faster; time axes do not begin at 0"
    if len(every) > len(shown):
        text += f"; {len(shown)} of {len(every)} cases"
    _style.subtitle(figure, text)
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in grid[len(shown) :]:
        axis.set_axis_off()
    extra = telling([series for _, series in shown])
    for axis, (history, series) in zip(grid, shown, strict=False):
        _panel(axis, history, series, columns, letters)
        machine = f"; {_clipped(history.machine.cpu or '?', 34)}" if len(histories) > 1 else ""
        _title(axis, series, extra, machine)
    _legend(figure, shown, bool(letters))
    figure.supxlabel(foot, x=0.01, ha="left", fontsize=6.5, color="#555555")
    return figure


def _title(axis: Axes, series: Series, extra: Sequence[str], machine: str) -> None:
    known = facts(series)
    axis.set_title(_clipped(str(known["implementation"]), _NAME), pad=17)
    text = "; ".join([str(known["backend"]), *(f"{name} {known[name]}" for name in extra)]) + machine
    axis.annotate(
        _clipped(text, 62), (0, 1), xytext=(0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=7.5
    )


def _clipped(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length // 2]}…{text[-(length - length // 2 - 1) :]}"


def _panel(axis: Axes, history: History, series: Series, columns: int, letters: dict[str, str]) -> None:
    measured = [(point, point.seconds) for point in series.points if point.seconds is not None]
    values = [end for _, seconds in measured for end in (seconds.value, seconds.low, seconds.high) if end is not None]
    scale, unit = next((item for item in _UNITS if max(values) >= item[0]), _UNITS[-1])
    colour, _ = _style.backend_style(series.columns["backend"])
    for point, seconds in measured:
        if seconds.low is not None and seconds.high is not None:
            axis.vlines(point.run, seconds.low / scale, seconds.high / scale, color=_GREY, lw=0.9, zorder=2)
    axis.plot(
        [point.run for point, _ in measured],
        [seconds.value / scale for _, seconds in measured],
        ls="none",
        marker="o",
        ms=4 if len(measured) <= 60 else 2.5,
        mfc=colour,
        mec="#333333",
        mew=0.5,
        zorder=3,
    )
    count = len(history.runs)
    axis.set_xlim(-0.6, count - 0.4)
    rows = _changes(axis, series, count, columns)
    low, high = min(values) / scale, max(values) / scale
    room = (high - low) or high * 0.1
    bottom = 0.17 if letters or len(measured) < len(series.points) else 0.08
    inside = 1 - bottom - 0.08 - rows * _ROW
    axis.set_ylim(low - room * bottom / inside, high + room * (0.08 + rows * _ROW) / inside)
    _marks(axis, series, letters)
    axis.locator_params(axis="y", nbins=4)
    axis.set_ylabel(unit)
    axis.grid(axis="y", color="#DDDDDD", lw=0.6)
    ticks = _ticks(count, _MOST_TICKS[columns])
    axis.set_xticks(ticks, _dates([history.runs[tick].created for tick in ticks]), fontsize=7.5)


def _changes(axis: Axes, series: Series, count: int, columns: int) -> int:
    """Lines between the runs that a change lies between; returns how many rows its labels take."""
    width = _LABEL_WIDTH[columns]
    ends: list[float] = []  # where each row's last label ends
    for change in series.changes:
        place = (change.before.run + change.after.run) / 2
        axis.axvline(place, color=_CHANGE, lw=1, ls="--", zorder=1)
        share = (place + 0.6) / (count + 0.2)
        left = share if share + width <= 1 else share - width
        row = next((number for number, end in enumerate(ends) if end <= left), len(ends))
        ends[row : row + 1] = [left + width]
        axis.annotate(
            f"{size_of(change)} at {short(change.after.revision)}",
            (share, 1 - row * _ROW),
            xytext=(3 if left == share else -3, -1),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="left" if left == share else "right",
            va="top",
            fontsize=7.5,
            color=_CHANGE,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
    return len(ends)


def _marks(axis: Axes, series: Series, letters: dict[str, str]) -> None:
    """At the lower edge: a letter where something was new, a cross where a run has no time."""
    for point in series.points:
        text = ", ".join(map(str, point.differences))
        if point.seconds is None or text:
            axis.annotate(
                "x" if point.seconds is None else letters[text],
                (point.run, 0.02),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=7.5,
                fontweight="bold",
                color=_GREY if point.seconds is None else "black",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
            )


def _letters(shown: Sequence[tuple[History, Series]]) -> dict[str, str]:
    """A letter for each combination of things that were new in some run, in the order of the runs."""
    points = sorted((point for _, series in shown for point in series.points), key=lambda point: point.run)
    texts = dict.fromkeys(", ".join(map(str, point.differences)) for point in points if point.differences)
    return {text: chr(ord("a") + number) if number < 26 else "*" for number, text in enumerate(texts)}


def _foot(histories: Sequence[History], letters: dict[str, str]) -> str:
    """What the letters mean, then the machines."""
    told = [f"{letter}: {text}" for text, letter in letters.items()]
    if len(told) > _MOST_TOLD:
        told = [*told[:_MOST_TOLD], f"{len(told) - _MOST_TOLD} more: see the table of `bench history`"]
    machines = [f"{history.machine}: {span(history)}" for history in histories]
    return "\n".join(line for text in (*told, *machines) for line in textwrap.wrap(text, 135))


def _ticks(count: int, most: int) -> list[int]:
    """Runs to date, the first and the last among them, evenly spread."""
    if count <= most:
        return list(range(count))
    return [round(index * (count - 1) / (most - 1)) for index in range(most)]


def _dates(created: Sequence[str]) -> list[str]:
    """The day, with the time where two of them fall on one day."""
    days = [text[:10] for text in created]
    return days if len(set(days)) == len(days) else [f"{text[:10]}\n{text[11:16]}" for text in created]


def _legend(figure: Figure, shown: Sequence[tuple[History, Series]], lettered: bool) -> None:
    dot = {"ls": "none", "marker": "o", "ms": 4, "mec": "#333333", "mew": 0.5}
    backends = sorted({str(series.columns["backend"]) for _, series in shown})
    handles = [Line2D([], [], mfc=_style.backend_style(name)[0], label=name, **cast("Any", dot)) for name in backends]
    if any(series.changes for _, series in shown):
        handles.append(Line2D([], [], color=_CHANGE, lw=1, ls="--", label="change, 1 % level"))
    if lettered:
        handles.append(
            Line2D([], [], ls="none", marker="$a$", color="black", mew=0, ms=5, label="something new, see foot")
        )
    if any(len(series.measured) < len(series.points) for _, series in shown):
        handles.append(Line2D([], [], ls="none", marker="x", color=_GREY, ms=4, label="no time"))
    _style.legend(figure, handles)
