"""The history of cases: one panel a case, its runs in order, lines where its time changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from bench import __version__
from bench.analysis.history import AnyFiles, History, Point, Series, in_order, moment
from bench.data.schema import STEP
from bench.errors import NothingToShowError
from bench.output.figures import _frame
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import Grid, Texts, new_frame
from bench.output.figures._look import Look, rendered, spread, text_inches
from bench.output.figures._ticks import FittingLocator, TimeFormatter, even_steps, put_ticks
from bench.output.names import makers, short, size_of, span, telling, told
from bench.output.provenance import Provenance, as_command, digest

TITLE = "Time of one training step, run by run"
READING = (
    "A dot is the median of one run with its 95 % interval, from the first run on the left to the newest on the right. "
    "A dashed line lies where the time changed; letters say what was new in a run, which need not be why."
)
SHOWS = ("step", "step_interval")
_DOT: dict[str, Any] = {"ls": "none", "marker": "o"}
_SIZE = 0.86
"""Size of a label's letters, in ems."""
_ROW_EM = 1.25
"""Height of a row of labels."""
_MARGIN = 0.6
"""Distance of the first run from the panel's edge, in runs."""
_INSET = 0.02
"""Share of the axis that labels leave free at its ends."""
_TIMES_EM = 5.0
"""Height that the times span."""
_STAR = "*"
_MOST_TOLD = 8
_MOST_DATES = 12


def draw(data: RunData, look: Look) -> Figure:
    """Draw the cases of this run, over all runs of its machine in the folder that holds it."""
    if not data.histories:
        raise NothingToShowError(
            "no other run beside it is of this machine and has one of its cases: measure again with `bench run`."
        )
    return draw_histories(data.histories, STEP, look, data.cast, data.left_out(data.headline))


def inputs(data: RunData) -> tuple[Path, ...]:
    """Return the files of all those runs, in their order."""
    return tuple(path for run in data.neighbours for path in run.files)


def render(
    found: Sequence[History],
    kind: str,
    phase: str = STEP,
    runs: Sequence[AnyFiles] = (),
    words: Sequence[str] = (),
    look: Look | None = None,
) -> bytes:
    """Return the histories as the content of a png, svg or pdf file; the same histories give the same bytes.

    Args:
        found: what to draw.
        kind: the file's format.
        phase: what was timed.
        runs: what the histories were made from.
        words: the command line that draws the figure.
        look: width and style; a page in light by default.
    """
    newest = max((run for history in found for run in history.runs), key=lambda run: (moment(run.created), run.run_id))
    provenance = Provenance(
        stepbench=__version__,
        figure="history",
        run_id=newest.run_id,
        data_sha256=digest(path for run in in_order(runs) for path in run.files),
        command=as_command(words),
        measured_by=as_command(newest.command),
    )
    shown = look or Look()
    return rendered(lambda: draw_histories(found, phase, shown), kind, shown, provenance)


def most_panels(look: Look | None = None) -> int:
    """Return how many series are drawn at most, those with a change first."""
    return _frame.SMALL_MOST[(look or Look()).width]


def draw_histories(
    found: Sequence[History], phase: str, look: Look, cast: Cast | None = None, missing: str = ""
) -> Figure:
    """Draw panels in the order of the histories; of too many series those with a change.

    Args:
        found: what to draw.
        phase: what was timed.
        look: the look of the figure.
        cast: what contenders are called and look like; by default as they are registered, each with its own colour.
        missing: what the figure does not show, in words.
    """
    every = [(history, series) for history in found for series in history.series]
    cast = cast or Cast.of([(series.case.implementation, series.case.backend) for _, series in every], ())
    chosen = {id(series) for _, series in sorted(every, key=lambda item: not item[1].changes)[: most_panels(look)]}
    shown = [item for item in every if id(item[1]) in chosen]
    letters = _letters(shown)
    columns = _frame.small_columns(look, len(shown))
    labels = [Labels.of(series, letters, len(history.runs), columns, look) for history, series in shown]
    foreign = any(history.tool for history in found)
    over = "as far as it is known" if foreign else "over processes"
    subtitle = [f"median and 95 % interval {over}", "less is faster", "time axes do not begin at 0"]
    subtitle += [f"{len(shown)} of {len(every)} cases"] if len(shown) < len(every) else []
    what = "one training step" if phase == STEP else f"the {phase} phase"
    what = "each benchmark" if all(history.tool for history in found) else what
    meanings = [f"{letter}: {text}" for text, letter in letters.items() if letter != _STAR]
    if len(letters) > len(meanings):
        meanings.append(f"{_STAR}: earlier news, told by the table of `bench history`")
    told_of = ["; ".join(meanings)] if meanings else []
    foot = "\n".join(
        [*told_of, *(f"{history.machine}: {_span(history)}" for history in found), *filter(None, [missing])]
    )
    texts = Texts(f"Time of {what}, run by run", subtitle, foot, _keys(shown, letters, look))
    frame = new_frame(look, texts, Grid([each.panel_em for each in labels], columns, _frame.SMALL_AROUND_EM + 1))
    extra = telling([series for _, series in shown])
    for axis, (history, series), each in zip(frame.axes, shown, labels, strict=True):
        _panel(axis, history, series, each, cast, frame.look)
        words = [series.case.backend, *told(series, extra)]
        words += [history.machine.cpu or "?"] if len(found) > 1 else []
        _frame.small_heading(axis, series.case.implementation, words, cast, frame)
    return frame.figure


def _span(history: History) -> str:
    return ", ".join(filter(None, (span(history), makers(history))))


def _panel(axis: Axes, history: History, series: Series, labels: Labels, cast: Cast, look: Look) -> None:
    """Draw the times of one series, with what stands above and below them."""
    theme, line = look.theme, look.line
    found = [(at.run, at.seconds.value, at.seconds.low, at.seconds.high) for at in series.points if at.seconds]
    runs, values, *ends = np.array(found, dtype=float).T
    axis.vlines(runs, *ends, color=theme.soft, lw=0.9 * line, zorder=2)
    dot = {"ms": (4 if len(runs) <= 60 else 2.5) * line, "mec": theme.edge, "mew": 0.5 * line, **_DOT}
    colour = cast.mark(series.case.implementation, series.case.backend, look)["color"]
    axis.plot(runs, values, mfc=colour, zorder=3, **dot)
    axis.set_xlim(-_MARGIN, len(history.runs) - 1 + _MARGIN)
    _put_dates(axis, [run.created for run in history.runs], look)
    low, high = float(np.nanmin([values, *ends])), float(np.nanmax([values, *ends]))
    an_em = ((high - low) or high * 0.1) / _TIMES_EM
    below, above = labels.room_em
    axis.set_ylim(low - an_em * below, high + an_em * above)
    near = low - 0.5 * an_em, high + 0.5 * an_em  # no numbers beside the letters
    put_ticks(axis, "y", TimeFormatter(), FittingLocator(look, even_steps, near))
    _write(axis, series, labels, look)


def _put_dates(axis: Axes, created: Sequence[str], look: Look) -> None:
    """Label runs with their day, and with the time where several fall on one day; the first and the last if it fits."""
    count, days = len(created), {each[:10] for each in created}
    labels = [each[:10] if len(days) == count else f"{each[:10]}\n{each[11:16]}" for each in created]
    mosts = range(min(count, _MOST_DATES), min(count, 2) - 1, -1)
    locator = FittingLocator(look, lambda low, high: [FixedLocator(spread(count, most)) for most in mosts])
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(lambda run, _: labels[round(run)])
    axis.tick_params(axis="x", labelsize=look.points * _SIZE)


def _write(axis: Axes, series: Series, labels: Labels, look: Look) -> None:
    """Write lines where the time changed with their labels above; letters, crosses and stars below."""
    theme, line, points = look.theme, look.line, look.points
    for change in series.changes:
        axis.axvline((change.before.run + change.after.run) / 2, color=theme.alarm, lw=line, ls="--", zorder=1)
    above: dict[str, Any] = {"va": "top", "color": theme.alarm}
    kinds = (labels.changes, 1, above), (labels.letters, 0, {"fontweight": "bold"})
    for found, edge, style in kinds:
        for label in found:
            rise = -0.1 - label.row * _ROW_EM if edge else 0.3 + label.row * _ROW_EM + labels.marks_em
            axis.annotate(
                label.words,
                (label.middle, edge),
                xytext=(0, rise * points),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                fontsize=points * _SIZE,
                bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 0.06 * points},
                **style,
            )
    for places, marker, name in ((labels.gaps, "x", "no time"), (labels.stars, "*", "something new")):
        mark: dict[str, Any] = {"ls": "none", "marker": marker, "ms": 4.5 * line, "mew": line, "color": theme.soft}
        height = 0.6 * labels.marks_em / labels.panel_em
        if places:
            axis.plot(places, [height] * len(places), label=name, transform=axis.get_xaxis_transform(), **mark)


def _keys(shown: Sequence[tuple[History, Series]], letters: dict[str, str], look: Look) -> list[Line2D]:
    theme, line = look.theme, look.line
    keys = []
    if any(series.changes for _, series in shown):
        keys.append(Line2D([], [], color=theme.alarm, lw=line, ls="--", label="change, 1 % level"))
    if letters:
        keys.append(Line2D([], [], ls="none", label="a, b, …: something new, see foot"))
    if any(len(series.measured) < len(series.points) for _, series in shown):
        keys.append(Line2D([], [], ls="none", marker="x", color=theme.soft, ms=4.5 * line, label="no time"))
    return keys


# What stands above and below the times: changes, and letters for what was new, in rows


def _letters(shown: Sequence[tuple[History, Series]]) -> dict[str, str]:
    """Return a letter for each of the newest combinations of things that were new in a run, in the order of runs."""
    points = sorted((point for _, series in shown for point in series.points), key=lambda point: point.run)
    texts = list(dict.fromkeys(_news(point) for point in points if point.differences))
    first = max(0, len(texts) - _MOST_TOLD)
    return {text: _STAR if at < first else chr(ord("a") + at - first) for at, text in enumerate(texts)}


def _news(point: Point) -> str:
    return ", ".join(map(str, point.differences))


@dataclass(frozen=True)
class Label:
    """Words above or below the times."""

    words: str
    middle: float
    """Share of the axis at which the middle of its words is."""
    row: int


@dataclass(frozen=True)
class Labels:
    """All labels of a panel."""

    changes: tuple[Label, ...]
    letters: tuple[Label, ...]
    gaps: tuple[int, ...]
    """Runs without a time."""
    stars: tuple[int, ...]
    """Runs in which something was new that has no letter."""
    marks_em: float
    """Room of crosses and stars at the lower edge."""
    room_em: tuple[float, float]
    """Room below and above the times."""

    @property
    def panel_em(self) -> float:
        """Height of the panel."""
        return sum(self.room_em) + _TIMES_EM

    @classmethod
    def of(cls, series: Series, letters: dict[str, str], runs: int, columns: int, look: Look) -> Labels:
        """Arrange the labels of a series among so many runs, in one of so many panels beside each other."""
        inches = _frame.small_inches(look, columns)
        told = [
            ((change.before.run + change.after.run) / 2, f"{size_of(change)} at {short(change.after.revision)}")
            for change in series.changes
        ]
        news = [(point.run, letters[_news(point)]) for point in series.points if point.differences]
        above = _in_rows(told, runs, inches, look)
        below = _in_rows([item for item in news if item[1] != _STAR], runs, inches, look)
        gaps = tuple(point.run for point in series.points if point.seconds is None)
        stars = tuple(run for run, letter in news if letter == _STAR)
        marks = _ROW_EM if gaps or stars else 0.0
        rows = [1 + max((label.row for label in labels), default=-1) for labels in (below, above)]
        room = 0.5 + marks + _ROW_EM * rows[0], 0.5 + _ROW_EM * rows[1]
        return cls(above, below, gaps, stars, marks, room)


def _in_rows(labels: Sequence[tuple[float, str]], runs: int, inches: float, look: Look) -> tuple[Label, ...]:
    """Arrange labels, each with its place among so many runs, in as few rows as keep them apart and in the panel."""
    found: list[Label] = []
    ends: list[float] = []  # where each row's last label ends
    for place, words in labels:
        width = (text_inches(words, look.points * _SIZE) + look.em(0.5)) / inches
        share = (place + _MARGIN) / (runs - 1 + 2 * _MARGIN)
        begin = max(_INSET, min(share - width / 2, 1 - _INSET - width))
        row = next((number for number, end in enumerate(ends) if end <= begin), len(ends))
        ends[row : row + 1] = [begin + width]
        found.append(Label(words, begin + width / 2, row))
    return tuple(found)
