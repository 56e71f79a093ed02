"""The history of cases: one panel a case, its runs in order, lines where its time changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from bench import __version__
from bench.analysis.history import History, RunFiles, Series, moment
from bench.data.schema import STEP
from bench.errors import NothingToShowError
from bench.output.figures import _file, _small
from bench.output.figures._frame import new_frame
from bench.output.figures._labels import MARGIN, ROW_EM, SIZE, STAR, TIMES_EM, Labels, letters_of
from bench.output.figures._look import Look, text_inches
from bench.output.names import facts, span, telling
from bench.output.provenance import Provenance, as_command, digest
from bench.output.text import time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import RunData

TITLE = "Time of one training step, run by run"
READING = (
    "A dot is the median of one run with its 95 % interval, from the first run on the left to the newest on the right. "
    "A dashed line lies where the time changed; letters say what was new in a run, which need not be why."
)
SHOWS = ("step", "step_interval")
_BESIDE_EM = 8.0
"""Width of a panel beside what its axes enclose."""
_DOT: dict[str, Any] = {"ls": "none", "marker": "o"}


def draw(data: RunData, look: Look) -> Figure:
    """The cases of this run, over all runs of its machine in the folder that holds it."""
    found = []
    for history in data.histories:
        repeated = tuple(series for series in history.series if len(series.measured) > 1)
        found += [replace(history, series=repeated)] if repeated else []
    if not found:
        raise NothingToShowError(
            "no other run beside it is of this machine and has one of its cases: measure again with `bench run`."
        )
    return draw_histories(found, STEP, look)


def inputs(data: RunData) -> list[Path]:
    """The files of all those runs, in their order."""
    return _files(data.neighbours)


def render(
    found: Sequence[History], kind: str, phase: str = STEP, runs: Sequence[RunFiles] = (), words: Sequence[str] = ()
) -> bytes:
    """The histories as the content of a png, svg or pdf file; the same histories give the same bytes.

    Args:
        found: what to draw.
        kind: the file's format.
        phase: what was timed.
        runs: what the histories were made from.
        words: the command line that draws the figure.
    """
    newest = max((run for history in found for run in history.runs), key=lambda run: (moment(run.created), run.run_id))
    provenance = Provenance(
        stepbench=__version__,
        figure="history",
        run_id=newest.run_id,
        data_sha256=digest(_files(runs)),
        command=as_command(words),
        measured_by=as_command(newest.command),
    )
    look = Look()
    return _file.rendered(lambda: draw_histories(found, phase, look), kind, look, provenance)


def most_panels(look: Look | None = None) -> int:
    """So many series are drawn, those with a change first."""
    return _small.MOST[(look or Look()).width]


def _files(runs: Sequence[RunFiles]) -> list[Path]:
    ordered = sorted(runs, key=lambda run: (moment(run.manifest.created), run.manifest.run_id))
    return [path for run in ordered for path in run.files]


def draw_histories(found: Sequence[History], phase: str, look: Look) -> Figure:
    """Panels in the order of the histories; of too many series those with a change."""
    every = [(history, series) for history in found for series in history.series]
    chosen = {id(series) for _, series in sorted(every, key=lambda item: not item[1].changes)[: most_panels(look)]}
    shown = [item for item in every if id(item[1]) in chosen]
    letters = letters_of(shown)
    text = "median and 95 % interval over processes; less is faster; time axes do not begin at 0"
    if len(every) > len(shown):
        text += f"; {len(shown)} of {len(every)} cases"
    what = "one training step" if phase == STEP else f"the {phase} phase"
    columns = _small.columns_of(look, len(shown))
    inches = _small.inside_inches(look, columns, _BESIDE_EM)
    frame = new_frame(
        look,
        f"Time of {what}, run by run",
        text,
        "\n".join([*_told(letters), *(f"{history.machine}: {span(history)}" for history in found)]),
        [Labels.of(series, letters, len(history.runs), inches, look).panel_em for history, series in shown],
        keys=_keys(shown, letters, look),
        columns=columns,
        around=_small.AROUND_EM + 1,
    )
    extra = telling([series for _, series in shown])
    inches = _small.inside_inches(frame.look, columns, _BESIDE_EM)
    for axis, (history, series) in zip(frame.axes, shown, strict=True):
        labels = Labels.of(series, letters, len(history.runs), inches, frame.look)
        _panel(axis, history, series, labels, frame.look)
        _date_axis(axis, [run.created for run in history.runs], inches, frame.look)
        known = facts(series)
        words = [str(known["backend"]), *(f"{name} {known[name]}" for name in extra)]
        words += [history.machine.cpu or "?"] if len(found) > 1 else []
        _small.heading(axis, str(known["implementation"]), "; ".join(words), frame, _BESIDE_EM)
    return frame.figure


def _panel(axis: Axes, history: History, series: Series, labels: Labels, look: Look) -> None:
    theme, line = look.theme, look.points / 9
    measured = [(point.run, point.seconds) for point in series.points if point.seconds is not None]
    values = [end for _, seconds in measured for end in (seconds.value, seconds.low, seconds.high) if end is not None]
    scale, unit = time_unit(max(values))
    for run, seconds in measured:
        if seconds.low is not None and seconds.high is not None:
            axis.vlines(run, seconds.low / scale, seconds.high / scale, color=theme.soft, lw=0.9 * line, zorder=2)
    colour, _ = theme.backend(series.columns["backend"])
    axis.plot(
        [run for run, _ in measured],
        [seconds.value / scale for _, seconds in measured],
        ms=(4 if len(measured) <= 60 else 2.5) * line,
        mfc=colour,
        mec=theme.edge,
        mew=0.5 * line,
        zorder=3,
        **_DOT,
    )
    axis.set_xlim(-MARGIN, len(history.runs) - 1 + MARGIN)
    low, high = min(values) / scale, max(values) / scale
    an_em = ((high - low) or high * 0.1) / TIMES_EM
    axis.set_ylim(low - an_em * labels.below_em, high + an_em * labels.above_em)
    near = low - 0.5 * an_em, high + 0.5 * an_em  # no numbers beside the letters
    ticks = [float(tick) for tick in MaxNLocator(4).tick_values(*near) if near[0] <= tick <= near[1]]
    axis.yaxis.set_major_locator(FixedLocator(ticks))
    axis.set_ylabel(unit)
    axis.grid(axis="y")
    _write(axis, series, labels, look)


def _write(axis: Axes, series: Series, labels: Labels, look: Look) -> None:
    """Lines where the time changed with their labels above; letters, crosses and stars below."""
    theme, line, points = look.theme, look.points / 9, look.points
    common: dict[str, Any] = {"textcoords": "offset points", "fontsize": points * SIZE}
    common["bbox"] = {"facecolor": theme.paper, "edgecolor": "none", "pad": 0.06 * points}
    for label in labels.changes:
        axis.axvline(label.place, color=theme.alarm, lw=line, ls="--", zorder=1)
        down = (0.1 + label.row * ROW_EM) * points
        axis.annotate(
            label.words,
            (label.begin, 1),
            xytext=(0.35 * points, -down),
            xycoords="axes fraction",
            va="top",
            color=theme.alarm,
            **common,
        )
    for label in labels.letters:
        up = (0.3 + label.row * ROW_EM + labels.marks_em) * points
        axis.annotate(
            label.words,
            (label.place, 0),
            xytext=(0, up),
            xycoords=("data", "axes fraction"),
            ha="center",
            fontweight="bold",
            **common,
        )
    for places, marker, name in ((labels.gaps, "x", "no time"), (labels.stars, "*", "something new")):
        style: dict[str, Any] = {"ls": "none", "marker": marker, "ms": 4.5 * line, "mew": line, "color": theme.soft}
        low, high = axis.get_ylim()
        height = 0.6 * labels.marks_em / labels.panel_em
        if places:
            axis.plot(places, [low + height * (high - low)] * len(places), label=name, **style)


def _told(letters: dict[str, str]) -> list[str]:
    """What the letters mean."""
    told = [f"{letter}: {text}" for text, letter in letters.items() if letter != STAR]
    more = len(letters) - len(told)
    told += [f"{STAR}: earlier news, told by the table of `bench history`"] if more else []
    return ["; ".join(told)] if told else []


def _date_axis(axis: Axes, created: Sequence[str], inches: float, look: Look) -> None:
    """Dates of as many runs as have room, the first and the last among them, evenly spread.

    The day, with the time where two of them fall on one day.
    """
    width = text_inches("2000-00-00", look.points * SIZE) + look.em(1.2)
    most = max(2, int(inches / width))
    count = len(created)
    ticks = list(range(count)) if count <= most else [round(at * (count - 1) / (most - 1)) for at in range(most)]
    days = [created[tick][:10] for tick in ticks]
    if len(set(days)) < len(days):
        days = [f"{created[tick][:10]}\n{created[tick][11:16]}" for tick in ticks]
    axis.set_xticks(ticks, days, fontsize=look.points * SIZE)


def _keys(shown: Sequence[tuple[History, Series]], letters: dict[str, str], look: Look) -> list[Line2D]:
    theme, line = look.theme, look.points / 9
    size: dict[str, Any] = {"ms": 4.5 * line, "mec": theme.edge, "mew": 0.5 * line}
    backends = sorted({str(series.columns["backend"]) for _, series in shown})
    keys = [Line2D([], [], mfc=theme.backend(name)[0], label=name, **_DOT, **size) for name in backends]
    if any(series.changes for _, series in shown):
        keys.append(Line2D([], [], color=theme.alarm, lw=line, ls="--", label="change, 1 % level"))
    if letters:
        keys.append(Line2D([], [], ls="none", label="a, b, …: something new, see foot"))
    if any(len(series.measured) < len(series.points) for _, series in shown):
        keys.append(Line2D([], [], ls="none", marker="x", color=theme.soft, ms=4.5 * line, label="no time"))
    return keys
