"""Speedup over the baseline as a table of implementations and sizes, coloured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from bench.analysis.scaling import Plane
from bench.data.schema import Status
from bench.model.case import Contender
from bench.output.figures import _bars, _lines
from bench.output.figures._data import RunData, planned_contenders
from bench.output.figures._frame import Frame, Grid, Texts, new_frame, panel_title
from bench.output.figures._lines import Scene
from bench.output.figures._look import Look, contrast, named, spread, text_inches
from bench.output.names import spaced
from bench.output.text import significant

TITLE = "Speedup over the baseline, size by size"
READING = (
    "Each cell is how many times as fast as its baseline an implementation was at one size: the further its colour "
    "from the middle one, the larger the difference. A grey cell could not be measured; its word says why."
)
SHOWS = ("speedup", "speedup_interval", "step")
_ROW_EM = 1.7
_LETTERS = 0.86
"""Size of a cell's letters, in ems."""
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
    rows = planned_contenders(data, axis)
    why = rows["status"].replace(Status.OK.value, _UNKNOWN)
    scene = _lines.scene(rows.assign(word=why.where(rows["speedup"].isna(), "")), axis)
    columns = _bars.columns_of(look, len(scene.planes))
    sizes = _shown_sizes(scene, data.asked_sizes(axis), look, columns)
    # What is written into cells that were not measured: each word, or its first letter in narrow cells.
    unmeasured = sorted({*scene.rows["word"][scene.rows[axis].isin(sizes)]} - {""})
    room = _cells_inches(look, columns) / len(sizes) - look.em(0.3)
    fit = all(text_inches(word, look.points * _LETTERS) <= room for word in unmeasured)
    words = {word: word if fit else word[0] for word in unmeasured}
    reach = max(1.0, float(np.log2(scene.rows["speedup"]).abs().max()))
    texts = Texts(TITLE, _subtitle(scene, words, sizes), data.footer, _keys(words, reach, look))
    frame = new_frame(look, texts, Grid([len(plane.lines) * _ROW_EM for plane in scene.planes], columns))
    names = _names(scene, len(sizes), frame)
    beside = max(text_inches(name, frame.look.points) for name in names.values()) + frame.look.em(_BESIDE_EM)
    for place, plane in zip(frame.axes, scene.planes, strict=True):
        _cells(place, plane, sizes, words, reach, frame)
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
    axis: Axes, plane: Plane, sizes: Sequence[int], words: Mapping[str, str], reach: float, frame: Frame
) -> None:
    """Draw a row a line of the plane; a cell that was never planned stays empty."""
    look, rows, columns = frame.look, len(plane.lines), len(sizes)
    theme, points = look.theme, look.points * _LETTERS
    colours = mpl.colormaps[theme.colormap]
    edge: dict[str, Any] = {"edgecolor": theme.paper, "lw": look.points * 0.12}
    middle: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": points}
    wide = text_inches("0.000", points) <= _cells_inches(look, frame.columns) / columns - look.em(0.7)
    logs = np.full((rows, columns), np.nan)
    for row, line in enumerate(plane.lines):
        shown = line.rows[line.rows[plane.axis].isin(sizes)]
        for size, speedup, word in shown[[plane.axis, "speedup", "word"]].itertuples(index=False):
            column = sizes.index(size)
            if word:
                axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=theme.faint, hatch=_HATCH, **edge))
                axis.text(column, row, words[word], color=theme.ink, **middle)
            else:
                logs[row, column] = np.log2(speedup)
                shade = colours((logs[row, column] + reach) / (2 * reach))
                colour = max(theme.ink, theme.paper, key=lambda name: contrast(name, shade))
                axis.text(column, row, _number(float(speedup), wide), color=colour, **middle)
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


def _names(scene: Scene, sizes: int, frame: Frame) -> dict[Contender, str]:
    """Return what rows are called; a long name is clipped in its middle, backend and threads never."""
    look = frame.look
    cells = sizes * _least_inches(scene.sizes, look)
    left = min(0.55 * frame.panel_inches, frame.panel_inches - look.em(_BESIDE_EM + 0.5) - cells)
    room = max(frame.panel_inches * _NAME_SHARE, left)
    return {who: named(who.implementation, scene.note(who), room, look) for who in scene.contenders}


def _subtitle(scene: Scene, cells: Collection[str], sizes: Sequence[int]) -> list[str]:
    """Return what all panels share, and why cells could not be measured if that is short."""
    words = scene.shared()
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
    low, high = f"{significant(2**-reach, 2)}x", f"{significant(2**reach, 2)}x"
    ends = (0.0, low), (0.5, "1x: as fast as the baseline"), (1.0, high)
    keys = [Patch(facecolor=colours(place), edgecolor=theme.edge, lw=0.6, label=label) for place, label in ends]
    if words:
        short = [f"{text}: {word}" for word, text in words.items() if text != word]
        label = f"not measured ({', '.join(short)})" if short else "not measured"
        keys.append(Patch(facecolor=theme.faint, edgecolor=theme.paper, hatch=_HATCH, lw=0, label=label))
    return keys
