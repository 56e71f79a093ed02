"""How the times of single steps are distributed: for each case the share of samples that took at most so long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import NothingToShowError
from bench.output.figures import _style
from bench.output.figures._frame import Frame, beside, new_frame, panel_title
from bench.output.figures._look import MARKERS, Theme, Width, text_inches
from bench.output.figures._times import padded, put_time_axis
from bench.output.text import duration, duration_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import Look, RunData

TITLE = "How the times of one training step are distributed"
READING = (
    "A curve rises to the share of samples that took at most so long: the further left, the faster, and the steeper, "
    "the steadier. Each tick below is the median of one process; how far those lie apart is how sure the median is."
)
SHOWS = ("step", "step_interval", "minimum", "processes", "samples", "flagged")
MOST_PANELS = {Width.COLUMN: 8, Width.PAGE: 8, Width.SLIDE: 4}
MOST_POINTS = 500
"""Of a curve; more samples are reduced to as many quantiles."""
_MOST_TICKS = 60
"""Of the medians of a case's processes; likewise."""
_CURVES_EM = 9.0
_ROW_EM = 1.5
_DENSEST = 0.8
"""By how much rows may be closer to fit a slide."""
_TOP = 1.05
"""Where the axis ends; the curves end at 1."""
_LINES = ("-", "--", "-.", ":")
_TAIL = 0.99
_FAR = 1.5
"""What lies beyond so many times this quantile of every case is cut off, and counted."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Case:
    """One case: what it is drawn from, and how it is told apart."""

    row: pd.Series[Any]
    sorted: Floats
    """Seconds of all its samples."""
    medians: Floats
    """Of its processes, sorted."""
    number: int
    """Among the implementations of its workload."""


def draw(data: RunData, look: Look) -> Figure:
    """Curves above; below them a row a case with the medians of its processes, over which the summary's median is."""
    rows = _style.headline(data.summary)
    steps = data.steps[data.steps["counts"]]
    rows = rows[(rows["median_seconds"] > 0) & rows.index.isin(steps[steps["seconds"] > 0]["case"])]
    if not len(rows):
        raise NothingToShowError("samples.csv holds no whole step of its cases: restore the file or measure anew.")
    chosen, others = _style.shown(data, rows, look, _panel_em)
    if len(chosen) > MOST_PANELS[look.width]:
        chosen = chosen[: MOST_PANELS[look.width]]
        others = f"the first {len(chosen)} of {len(_style.panels(rows))} panels"
    panels = [(name, _cases(panel, steps, rows)) for name, panel in chosen]
    limits = [_limits(cases) for _, cases in panels]
    beyond = sum(
        int((case.sorted > high).sum()) for (_, cases), (_, high) in zip(panels, limits, strict=True) for case in cases
    )
    frame = new_frame(
        look,
        TITLE,
        _subtitle(rows, beyond, others),
        _style.footer(data),
        [_panel_em(len(cases)) for _, cases in panels],
        columns=_style.columns_of(look, len(panels)),
        width_em=_style.PANEL_WIDTH_EM,
        denser=_DENSEST,
    )
    several = _style.several_backends(rows)
    heights = [len(cases) for _, cases in panels]
    for number, (axis, (name, cases), ends) in enumerate(zip(frame.axes, panels, limits, strict=True)):
        beginning = number // frame.columns * frame.columns
        most = max(heights[beginning : beginning + frame.columns])
        _panel(axis, cases, ends, several, frame)
        axis.set_ylim(-(most + 0.5) * _ROW_EM / _CURVES_EM, _TOP)
        panel_title(axis, name, frame)
    for axis in frame.axes[-frame.columns :]:
        axis.set_xlabel("time of one step (log scale)")
    return frame.figure


def _panel_em(cases: int) -> float:
    """Height of the curves and the rows below them."""
    return _TOP * _CURVES_EM + (cases + 0.5) * _ROW_EM


def _cases(panel: pd.DataFrame, steps: pd.DataFrame, rows: pd.DataFrame) -> list[_Case]:
    names = rows[rows["workload"] == panel["workload"].iloc[0]][["implementation", "backend"]]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names.itertuples(index=False, name=None)))}
    found = []
    for label, row in panel.iterrows():
        own = steps[steps["case"] == label]
        medians = own.groupby("process")["seconds"].median().to_numpy(dtype=float)
        number = numbers[row["implementation"], row["backend"]]
        found.append(_Case(row, np.sort(own["seconds"].to_numpy(dtype=float)), np.sort(medians), number))
    return found


def _limits(cases: list[_Case]) -> tuple[float, float]:
    """Everything, or all but the far ends of long tails."""
    shown = [case.sorted[case.sorted > 0] for case in cases]
    low = min(float(times[0]) for times in shown)
    near = max(float(np.quantile(times, _TAIL)) for times in shown)
    near = max(
        near, *(float(case.medians[-1]) for case in cases), *(float(case.row["median_seconds"]) for case in cases)
    )
    return padded(low, max(float(times[times <= near * _FAR].max()) for times in shown))


def _subtitle(rows: pd.DataFrame, beyond: int, others: str) -> str:
    samples, flagged, processes = (int(rows[name].sum()) for name in ("samples", "flagged", "processes"))
    return _style.remarks(
        _style.problem_line(rows),
        f"{samples:,} samples ({flagged:,} flagged) of {processes:,} processes",
        "curves: share of samples that took at most so long",
        "rows: ticks are medians of processes, marks their median as in the table",
        f"{beyond:,} sample{'s lie' if beyond > 1 else ' lies'} beyond the right edge" if beyond else "",
        others,
    )


def _panel(axis: Axes, cases: list[_Case], limits: tuple[float, float], several: bool, frame: Frame) -> None:
    look = frame.look
    theme, line = look.theme, look.points / 9
    places, labels = [1.0, 0.5, 0.0], ["100 %", "50 %", "0 %"]
    texts = [_value_text(case.row, frame) for case in cases]
    for number, (case, text) in enumerate(zip(cases, texts, strict=True)):
        place = -(number + 0.9) * _ROW_EM / _CURVES_EM
        places.append(place)
        labels.append(_style.label(case.row, several, frame))
        _curve(axis, case, str(labels[-1]), theme, line)
        _row(axis, case, place, theme, line)
        beside(axis, place, text, look)
    for height, colour in ((0.0, theme.ink), (0.5, theme.faint), (1.0, theme.faint)):
        axis.axhline(height, color=colour, lw=0.6 * line, zorder=1)
    axis.set_yticks(places, labels)
    left, right = (max(text_inches(text, look.points) for text in found) for found in (labels, texts))
    inches = max(frame.panel_inches - left - right - look.em(2.5), look.em(6))
    put_time_axis(axis, "x", limits, inches, lambda label: text_inches(label, look.points) + look.em(1))
    axis.grid(axis="x")


def _value_text(row: pd.Series[Any], frame: Frame) -> str:
    median = duration(float(row["median_seconds"]))
    low, high = (None if math.isnan(end) else float(end) for end in (row["low_seconds"], row["high_seconds"]))
    return median if frame.narrow or low is None else f"{median}  [{duration_interval(low, high)}]"


def _looks(number: int, theme: Theme, line: float) -> dict[str, Any]:
    """Colour, line and mark of a case; some pair of them is unique among many."""
    colour = theme.series[number % len(theme.series)]
    dashes = _LINES[number // len(theme.series) % len(_LINES)]
    mark = {"marker": MARKERS[number % len(MARKERS)], "ms": 5.5 * line, "mfc": theme.paper, "mew": 1.3 * line}
    return {"color": colour, "ls": dashes, "lw": 1.3 * line, **mark}


def _curve(axis: Axes, case: _Case, name: str, theme: Theme, line: float) -> None:
    """The share of samples at most so long, and a mark where the summary's median lies on it."""
    times, count = case.sorted, len(case.sorted)
    kept = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    median = float(case.row["median_seconds"])
    share = np.searchsorted(times, median, side="right") / count
    looks = _looks(case.number, theme, line)
    axis.plot(
        [times[0], *times[kept]],
        [0.0, *((kept + 1) / count)],
        drawstyle="steps-post" if count <= MOST_POINTS else "default",
        label=name,
        zorder=3,
        **(looks | {"marker": ""}),
    )
    axis.plot([median], [share], zorder=4, **looks)


def _row(axis: Axes, case: _Case, place: float, theme: Theme, line: float) -> None:
    """The medians of the case's processes from the shortest to the longest, and the summary's median."""
    medians, count = case.medians, len(case.medians)
    kept = np.unique(np.linspace(0, count - 1, min(count, _MOST_TICKS)).round().astype(int))
    looks = _looks(case.number, theme, line)
    axis.plot(medians[[0, -1]], [place, place], zorder=2, **(looks | {"marker": ""}))
    ticks = {"ls": "none", "marker": "|", "ms": 8 * line, "mew": 0.8 * line}
    axis.plot(medians[kept], np.full(len(kept), place), zorder=3, **(looks | ticks))
    axis.plot([float(case.row["median_seconds"])], [place], zorder=4, **looks)
