"""Speedup against the number of devices that a step is spread over, beside what would be ideal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.spreading import Scaling, Spreading, SpreadStep
from bench.errors import NothingToShowError
from bench.model.case import CASE_COLUMNS, Case, differing
from bench.model.columns import SIZE_PREFIX
from bench.model.sizes import BATCH
from bench.output.figures import _lines, _rows
from bench.output.figures._data import RunData
from bench.output.figures._frame import Frame, Texts, key_room
from bench.output.figures._look import Look, text_inches
from bench.output.figures._ticks import factors, log_axis, log_limits, times
from bench.output.names import counted, variant_word, words_of
from bench.output.text import interval, share

TITLE = "How a step scales over devices"
READING = (
    "The plain step in one process is 1x. On the dotted line as many devices are as many times as fast (strong "
    "scaling), or do as many times the work in the same time (weak scaling); the efficiency is how much of that is "
    "reached. The point at one device is what it costs to be ready to be spread."
)
SHOWS = ("step", "step_interval", "speedup", "speedup_interval", "communication")
_MOST_LINES = 3
"""Most lines of a panel."""
_BATCH = f"{SIZE_PREFIX}{BATCH}"
_APART = frozenset(column.name for column in CASE_COLUMNS if column.contender)

Panel = tuple[Scaling, list[Spreading]]


def draw(data: RunData, look: Look) -> Figure:
    """Draw a line a step, with the ideal line and the efficiency in words."""
    found = _panels(data.spreadings)
    if not found:
        raise NothingToShowError(
            "no step was measured on several numbers of devices beside the one that it spreads: use `bench run "
            "--devices 1,2`."
        )
    shown = _lines.in_turn(found, [(kind, lines[0].base.workload) for kind, lines in found], _lines.most_panels(look))
    shown = [(kind, lines[:_MOST_LINES]) for kind, lines in shown]
    every = [line for _, lines in shown for line in lines]
    points = [point for line in every for point in line.points]
    cases = [*(line.base for line in every), *(point.case for point in points)]
    texts = Texts(
        TITLE,
        _subtitle(data, cases, len(shown), len(found)),
        data.foot(_rows_of(data, cases)),
        _keys(data, every, look),
    )
    frame = _lines.panel_frame(look, texts, [sum(len(_told(line)) for line in lines) for _, lines in shown])
    counts = tuple(sorted({1, *(point.devices for point in points)}))
    speedups = [end for point in points for end in (point.speedup.value, point.speedup.low, point.speedup.high) if end]
    ends = log_limits([np.array(speedups), counts])
    for axis, panel in zip(frame.axes, shown, strict=True):
        _draw_panel(axis, panel, data, frame)
        _lines.size_axis(axis, counts, counts, frame.look)
        log_axis(axis, "y", ends, times, frame.look, factors)
        notes = [note for line in panel[1] for note in _notes(line, data, frame)]
        _lines.put_title(axis, _title(panel, [each for _, lines in shown for each in lines]), notes, frame)
    _lines.label_axes(frame, "devices", "speedup over the plain step (log scale)", "speedup (log scale)", "speedup")
    return frame.figure


def _panels(found: Sequence[Spreading]) -> list[Panel]:
    """Put the steps of one workload and problem together."""
    panels: dict[tuple[Any, ...], list[Spreading]] = {}
    for each in found:
        base = each.base
        panels.setdefault((each.kind, base.workload, base.problem, base.mode, base.precision), []).append(each)
    return [(lines[0].kind, lines) for lines in panels.values()]


def _title(panel: Panel, every: Sequence[Spreading]) -> str:
    kind, (line, *_) = panel
    apart = [name for name in differing([each.base for each in every]) if name not in {*_APART, _BATCH}]
    batch = line.base.columns.get(_BATCH)
    each = f"{variant_word(_BATCH, batch)} a device" if kind is Scaling.WEAK else variant_word(_BATCH, batch)
    told = words_of({name: line.base.columns[name] for name in apart})
    return ", ".join([f"{line.base.workload}: {kind}", *([each] if batch else []), *told])


def _rows_of(data: RunData, cases: Sequence[Case]) -> pd.DataFrame:
    """Return the headline rows of cases."""
    wanted = {tuple(case.columns.items()) for case in cases}
    names = list(cases[0].columns)
    rows = data.headline
    return rows[
        [tuple(zip(names, row, strict=True)) in wanted for row in rows[names].itertuples(index=False, name=None)]
    ]


def _subtitle(data: RunData, cases: Sequence[Case], shown: int, found: int) -> list[str]:
    return [
        _rows.problem_line(_rows_of(data, cases)),
        "bars and brackets: 95 % interval over processes",
        "efficiency: the speedup over the number of devices",
        f"{shown} of {found} panels shown" if shown < found else "",
    ]


def _keys(data: RunData, lines: Sequence[Spreading], look: Look) -> list[Artist]:
    several = len({line.points[0].case.backend for line in lines}) > 1
    keys: dict[str, Artist] = {}
    for line in lines:
        case = line.points[0].case
        tail = f" ({case.backend})" if several else ""
        label = data.cast.fitting(case.implementation, key_room(look), look.points, tail)
        keys[label] = Line2D([], [], label=label, **_style(data, line, look))
    plain = " or ".join(dict.fromkeys(data.cast.name(line.base.implementation) for line in lines))
    keys["plain"] = Line2D([], [], label=f"plain step, one process ({plain})", **_plain(look))
    keys["ideal"] = Line2D([], [], label="ideal", **_ideal(look))
    return list(keys.values())


def _style(data: RunData, line: Spreading, look: Look) -> dict[str, Any]:
    case = line.points[0].case
    mark = data.cast.mark(case.implementation, case.backend, look)
    return mark | {"ms": 4.4 * look.line, "mec": "none", "lw": 1.3 * look.line}


def _plain(look: Look) -> dict[str, Any]:
    ring = {"marker": "o", "ms": 6.5 * look.line, "mfc": look.theme.paper, "mec": look.theme.ink}
    return ring | {"mew": 1.1 * look.line, "ls": "none"}


def _ideal(look: Look) -> dict[str, Any]:
    return {"color": look.theme.ink, "lw": look.line, "ls": ":"}


def _draw_panel(axis: Axes, panel: Panel, data: RunData, frame: Frame) -> None:
    look = frame.look
    most = max(point.devices for line in panel[1] for point in line.points)
    axis.plot([1, most], [1, most], zorder=1.5, **_ideal(look))
    axis.plot([1], [1], zorder=2.5, **_plain(look))
    width = 0.9 * look.line
    for line in panel[1]:
        x = [point.devices for point in line.points]
        y, low, high = (
            np.array([getattr(point.speedup, end) or np.nan for point in line.points], dtype=float)
            for end in ("value", "low", "high")
        )
        errors = np.vstack([y - low, high - y])
        style = _style(data, line, look)
        axis.errorbar(x, y, yerr=errors, elinewidth=width, capsize=2 * width, capthick=width, zorder=3, **style)


def _told(line: Spreading) -> list[SpreadStep]:
    """Choose the points that are told in words: those of the most and of the fewest devices."""
    return list(dict.fromkeys([line.points[-1], line.points[0]]))


def _notes(line: Spreading, data: RunData, frame: Frame) -> list[Line2D]:
    """Return a note for each point that is told: its efficiency, and how much of the step is communication."""
    style, room = _style(data, line, frame.look) | {"lw": 0}, _lines.note_room(frame)
    notes = []
    for point in _told(line):
        versions = _versions(point, _rows_of(data, [point.case])["communication_share"].iloc[0])
        fits = [each for each in versions if text_inches(each, frame.look.points * _lines.NOTE) <= room]
        notes.append(Line2D([], [], label=_lines.note_words((fits or versions[-1:])[0], frame), **style))
    return notes


def _versions(point: SpreadStep, communication: Any) -> list[str]:
    """Return what is told of a point in full, then with less."""
    found = point.efficiency
    number, ends = share(found.value), interval(found.low, found.high, text=share)
    told = f"{number} [{ends}]" if found.low is not None else number
    on, short = f"efficiency on {counted(point.devices, 'device')}: {told}", f"efficiency on {point.devices}: {told}"
    if pd.isna(communication) or point.devices == 1:
        return [on, short]
    spent = f"; {share(float(communication))} communication"
    return [on + spent, short + spent, on, short]
