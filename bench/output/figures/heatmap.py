"""Speedup over the baseline as a table of implementations and sizes, coloured."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from bench.analysis.scaling import Plane
from bench.data.schema import Status
from bench.model.case import Contender
from bench.output.figures import _bars, _lines
from bench.output.figures._data import RunData
from bench.output.figures._frame import Frame, Grid, Texts, new_frame, panel_title
from bench.output.figures._lines import Scene
from bench.output.figures._look import Look, Width, contrast, spread, text_inches
from bench.output.figures._rows import planned_contenders
from bench.output.names import spaced
from bench.output.text import significant

TITLE = "Speedup over the baseline, size by size"
READING = (
    "Each cell is how many times as fast as its baseline an implementation was at one size: the further its colour "
    "from the middle one, the larger the difference. Below it stands half of the 95 % interval; where that leaves "
    "out 1x, the number is bold. A grey cell could not be measured; its word says why."
)
SHOWS = ("speedup", "speedup_interval", "step")
_ROW_EM, _SURE_EM = 1.7, 2.6
"""Height of a row of cells with one line, and with a second one that says how sure they are."""
_MOST_SURE = {Width.COLUMN: 16, Width.PAGE: 16, Width.SLIDE: 8}
_MOST_ROWS = {Width.COLUMN: 40, Width.PAGE: 30, Width.SLIDE: 16}
"""Most rows of cells that have a second line, and most at all, in panels below each other."""
_LETTERS, _SMALL = 0.86, 0.62
"""Sizes of a cell's letters, in ems."""
_SURE = ("speedup", "speedup_low", "speedup_high")
_NAME_SHARE = 0.33
"""Part of a panel's width that a name may take."""
_BESIDE_EM = 1.6
"""Gaps beside names and cells."""
_HATCH = "////"
_LONGEST_REASON = 90
_UNKNOWN = "-"


def draw(data: RunData, look: Look) -> Figure:
    """Draw a row a contender and a column a size, in colours that are even on both sides of 1x."""
    axis = _lines.swept_axis(data)
    rows = planned_contenders(data.planned, axis)
    why = rows["status"].replace(Status.OK.value, _UNKNOWN)
    scene = _lines.scene(
        rows.assign(word=why.where(rows["speedup"].isna(), "")), axis, data.cast, look, _MOST_ROWS[look.width]
    )
    columns = _bars.columns_of(look, len(scene.planes))
    sizes = _shown_sizes(scene, data.asked_sizes(axis), look, columns)
    # What is written into cells that were not measured: each word, or its first letter in narrow cells.
    unmeasured = sorted({*scene.rows["word"][scene.rows[axis].isin(sizes)]} - {""})
    room = _cells_inches(look, columns) / len(sizes) - look.em(0.3)
    fit = all(text_inches(word, look.points * _LETTERS) <= room for word in unmeasured)
    words = {word: word if fit else word[0] for word in unmeasured}
    reach = max(1.0, float(np.log2(scene.rows["speedup"]).abs().max()))
    rows_em = (
        _SURE_EM if sum(len(plane.lines) for plane in scene.planes) <= _MOST_SURE[look.width] * columns else _ROW_EM
    )
    lacking = "without speedups at several sizes"
    baselines = data.planned[data.planned["implementation"] == data.planned["baseline"]]
    foot = data.foot(pd.concat([rows, baselines]), lacking)
    texts = Texts(TITLE, _subtitle(scene, words, sizes, rows_em), foot, _keys(words, reach, look))
    frame = new_frame(look, texts, Grid([len(plane.lines) * rows_em for plane in scene.planes], columns))
    names = _names(scene, len(sizes), frame)
    beside = max(text_inches(name, frame.look.points) for name in names.values()) + frame.look.em(_BESIDE_EM)
    for place, plane in zip(frame.axes, scene.planes, strict=True):
        _cells(place, plane, sizes, words, reach, rows_em == _SURE_EM, frame)
        place.set_yticks(range(len(plane.lines)), [names[line.contender] for line in plane.lines])
        place.set_xticks(range(len(sizes)), [str(size) for size in sizes], fontsize=frame.look.points * _LETTERS)
        panel_title(place, scene.title(plane), frame, 1 - beside / frame.panel_inches)
    frame.label_x(spaced(axis))
    return frame.figure


def _shown_sizes(scene: Scene, asked: Collection[object], look: Look, columns: int) -> list[int]:
    """Return the sizes that there is room for: those asked for before those of a refinement, with both ends."""
    sizes = list(scene.sizes)
    most = max(2, int(_cells_inches(look, columns) / _least_inches(sizes, look)))
    wanted = [size for size in sizes if size in asked]
    if len(sizes) > most and len(wanted) > 1:
        sizes = wanted
    return [sizes[place] for place in spread(len(sizes), most)]


def _least_inches(sizes: Sequence[int], look: Look) -> float:
    """Return the least width of a cell."""
    texts = (*map(str, sizes), "0.00")
    return max(text_inches(text, look.points * _LETTERS) for text in texts) + look.em(0.7)


def _cells_inches(look: Look, columns: int) -> float:
    """Return the width of all cells of a panel beside each other, if its names are long."""
    return look.inches / columns * (1 - _NAME_SHARE) - look.em(_BESIDE_EM)


def _cells(
    axis: Axes, plane: Plane, sizes: Sequence[int], words: Mapping[str, str], reach: float, sure: bool, frame: Frame
) -> None:
    """Draw a row a line of the plane, if `sure` with intervals; a cell that was never planned stays empty."""
    look, rows, columns = frame.look, len(plane.lines), len(sizes)
    theme, points = look.theme, look.points * _LETTERS
    colours = mpl.colormaps[theme.colormap]
    edge: dict[str, Any] = {"edgecolor": theme.paper, "lw": look.points * 0.12}
    middle: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": points}
    wide = text_inches("0.000", points) <= _cells_inches(look, frame.columns) / columns - look.em(0.7)
    logs = np.full((rows, columns), np.nan)
    for row, line in enumerate(plane.lines):
        shown = line.rows[line.rows[plane.axis].isin(sizes)]
        for size, word, *ends in shown[[plane.axis, "word", *_SURE]].itertuples(index=False):
            column, (speedup, low, high) = sizes.index(size), map(float, ends)
            if word:
                axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=theme.faint, hatch=_HATCH, **edge))
                axis.text(column, row, words[word], color=theme.ink, **middle)
            else:
                logs[row, column] = np.log2(speedup)
                shade = colours((logs[row, column] + reach) / (2 * reach))
                colour = max(theme.ink, theme.paper, key=lambda name: contrast(name, shade))
                weight = "bold" if low > 1 or high < 1 else "normal"
                interval = _half(speedup, low, high) if sure else ""
                up = 0.17 if interval else 0.0
                axis.text(column, row - up, _number(speedup, wide), color=colour, fontweight=weight, **middle)
                axis.text(column, row + 0.27, interval, color=colour, **middle | {"fontsize": look.points * _SMALL})
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    shades = np.ma.masked_invalid(logs)
    axis.pcolormesh(*edges, shades, cmap=colours, vmin=-reach, vmax=reach, antialiased=True, **edge)
    axis.set_ylim(rows - 0.5, -0.5)
    axis.set_xlim(-0.5, columns - 0.5)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _number(speedup: float, wide: bool) -> str:
    """Return a speedup in so few letters that a cell has room for it."""
    text = significant(speedup, 3 if wide else 2)
    if len(text) > 5:
        text = "<0.01" if speedup < 0.01 else f"{speedup:.0e}".replace("e+0", "e")
    return text


def _half(speedup: float, low: float, high: float) -> str:
    """Return half of an interval, in percent of the speedup; the longer half of an uneven one."""
    if math.isnan(low + high):
        return "?"
    return f"± {min(9.99, max(high / speedup, speedup / low if low else math.inf) - 1):.0%}".replace("%", " %")


def _names(scene: Scene, sizes: int, frame: Frame) -> dict[Contender, str]:
    """Return what rows are called; a long name is clipped in its middle, backend and threads never."""
    look = frame.look
    cells = sizes * _least_inches(scene.sizes, look)
    left = min(0.55 * frame.panel_inches, frame.panel_inches - look.em(_BESIDE_EM + 0.5) - cells)
    room = max(frame.panel_inches * _NAME_SHARE, left)
    fitting = scene.cast.fitting
    return {who: fitting(who.implementation, room, look.points, scene.note(who)) for who in scene.contenders}


def _subtitle(scene: Scene, cells: Collection[str], sizes: Sequence[int], row_em: float) -> list[str]:
    """Return what all panels share, and why cells could not be measured if that is short."""
    words = [*scene.shared(), "bold: the 95 % interval leaves out 1x"]
    if row_em == _SURE_EM:
        words.append("below: half of that interval, ? if unknown")
    if len(sizes) < len(scene.sizes):
        words.append(f"{len(sizes)} of {len(scene.sizes)} sizes shown")
    rows = scene.rows[scene.rows["status"] != Status.OK.value]
    reasons = list(dict.fromkeys(zip(rows["status"], rows["reason"], strict=True)))
    if 0 < len(reasons) <= 2 and all(len(reason) <= _LONGEST_REASON for _, reason in reasons):
        words += [f"{status}: {reason}" for status, reason in reasons]
    elif reasons:
        words.append("why cells could not be measured: summary.csv")
    if _UNKNOWN in cells:
        words.append(f"{_UNKNOWN}: no time of the baseline at that size")
    return words


def _keys(words: Mapping[str, str], reach: float, look: Look) -> list[Patch]:
    """Return keys for the ends of the colours and their middle, and for grey cells if there are any."""
    theme = look.theme
    colours = mpl.colormaps[theme.colormap]
    high = f"{significant(2**reach, 2)}x"
    low = f"{significant(2**-reach, 2)}x" if reach < math.log2(10) else f"1/{high}"
    ends = (0.0, low), (0.5, "1x: as fast as the baseline"), (1.0, high)
    keys = [Patch(facecolor=colours(place), edgecolor=theme.edge, lw=0.6, label=label) for place, label in ends]
    if words:
        short = [f"{text}: {word}" for word, text in words.items() if text != word]
        label = f"not measured ({', '.join(short)})" if short else "not measured"
        keys.append(Patch(facecolor=theme.faint, edgecolor=theme.paper, hatch=_HATCH, lw=0, label=label))
    return keys
