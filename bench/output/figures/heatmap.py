"""Speedup over NumPy as a table of implementations and sizes, coloured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle

from bench.analysis.scaling import Contender, Line, Plane
from bench.data.schema import CASE_KEY, STEP, Status
from bench.errors import NothingToShowError
from bench.model.workload import WORKLOADS
from bench.output.figures import _lines, _style
from bench.output.figures._frame import Frame, new_frame, panel_title
from bench.output.figures._lines import Scene
from bench.output.figures._log import size_label
from bench.output.figures._look import Look, clipped, text_inches
from bench.output.text import significant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from bench.output.figures import RunData

TITLE = "Speedup over NumPy, size by size"
READING = (
    "Each cell is how many times as fast as NumPy an implementation was at one size: the further its colour from the "
    "middle one, the larger the difference. A grey cell could not be measured; its word says why."
)
SHOWS = ("speedup", "speedup_interval", "step")
_ROW_EM = 1.7
_LETTERS = 0.86
"""Size of a cell's letters, in ems."""
_NAME_SHARE = 0.33
"""A name takes at most this part of a panel's width."""
_BESIDE_EM = 1.6
"""Gaps beside names and cells."""
_HATCH = "////"
_LONGEST_REASON = 90
_UNKNOWN = "-"


@dataclass(frozen=True, eq=False)
class _Panel:
    """What stands in the cells of one panel."""

    plane: Plane
    lines: tuple[Line, ...]
    """One a row of the table."""
    speedups: NDArray[np.float64]
    """Rows x sizes; NaN where there is none."""
    words: dict[tuple[int, int], str]
    """What stands in a cell without a speedup; a cell that was never planned has none."""


def draw(data: RunData, look: Look) -> Figure:
    """A row a contender, a column a size; colours are even on both sides of 1x."""
    axis = _lines.swept_axis(data)
    scene = _scene(data, axis)
    asked = data.manifest.axes.get(axis, [])
    columns = _style.columns_of(look, len(scene.planes))
    sizes = _shown_sizes(scene, asked, look, columns)
    panels = [_panel(plane, sizes) for plane in scene.planes]
    words = _words(panels, _cells_inches(look, columns) / len(sizes), look)
    reach = max(1.0, float(np.log2(scene.rows["speedup"]).abs().max()))
    frame = new_frame(
        look,
        TITLE,
        _subtitle(scene, panels, sizes),
        _style.footer(data),
        [len(panel.lines) * _ROW_EM for panel in panels],
        columns=columns,
        keys=_keys(words, reach, look),
    )
    names = _names(scene, panels, len(sizes), frame)
    for place, panel in zip(frame.axes, panels, strict=True):
        _cells(place, panel, words, reach, frame)
        place.set_yticks(range(len(panel.lines)), [names[line.contender] for line in panel.lines])
        place.set_xticks(range(len(sizes)), [str(size) for size in sizes], fontsize=frame.look.points * _LETTERS)
        panel_title(place, scene.title(panel.plane), frame, 1 - _beside_inches(names, frame) / frame.panel_inches)
    for place in frame.axes[-frame.columns :]:
        place.set_xlabel(size_label(axis, ""))
    return frame.figure


def _scene(data: RunData, axis: str) -> Scene:
    """All that was planned of contenders that were measured at some size, baselines left out."""
    summary = data.summary
    broken = summary[(summary["status"] != Status.OK.value) & (summary["phase"] == STEP)]
    rows = pd.concat([_style.headline(summary), broken])
    rows = rows[rows["implementation"] != rows["workload"].map(lambda name: WORKLOADS[name].baseline)]
    rest = [name for name in CASE_KEY if name != axis]
    rows = rows[rows.groupby(rest)["speedup"].transform("count") > 0]
    found = _lines.scene(rows, axis)
    if found is None:
        raise NothingToShowError(
            "no case stands beside its workload's NumPy baseline at several sizes: measure both with `bench sweep`."
        )
    return found


def _shown_sizes(scene: Scene, asked: Collection[object], look: Look, columns: int) -> list[int]:
    """As many sizes as there is room for: those asked for before those of a refinement, both ends among them."""
    sizes = list(scene.sizes)
    most = max(2, int(_cells_inches(look, columns) / _least_inches(sizes, look)))
    wanted = [size for size in sizes if size in asked]
    if len(sizes) > most and len(wanted) > 1:
        sizes = wanted
    places = np.linspace(0, len(sizes) - 1, min(most, len(sizes))).round().astype(int)
    return [sizes[place] for place in places]


def _least_inches(sizes: Sequence[int], look: Look) -> float:
    """The width that a cell needs at least."""
    texts = (*map(str, sizes), "0.00")
    return max(text_inches(text, look.points * _LETTERS) for text in texts) + look.em(0.7)


def _cells_inches(look: Look, columns: int) -> float:
    """The width of all cells of a panel beside each other, if its names are long."""
    return look.inches / columns * (1 - _NAME_SHARE) - look.em(_BESIDE_EM)


def _panel(plane: Plane, sizes: Sequence[int]) -> _Panel:
    speedups = np.full((len(plane.lines), len(sizes)), np.nan)
    words = {}
    for place, line in enumerate(plane.lines):
        rows = {int(row[plane.axis]): row for row in line.rows.to_dict("records")}
        for column, size in enumerate(sizes):
            row = rows.get(size)
            if row is None:
                continue
            speedups[place, column] = row["speedup"]
            if np.isnan(speedups[place, column]):
                words[place, column] = _UNKNOWN if row["status"] == Status.OK.value else str(row["status"])
    return _Panel(plane, plane.lines, speedups, words)


def _cells(axis: Axes, panel: _Panel, words: dict[str, str], reach: float, frame: Frame) -> None:
    look = frame.look
    theme, points = look.theme, look.points * _LETTERS
    rows, columns = panel.speedups.shape
    colours = mpl.colormaps[theme.colormap]
    logs = np.ma.masked_invalid(np.log2(panel.speedups))
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    line: dict[str, Any] = {"edgecolor": theme.paper, "lw": look.points * 0.12}
    middle: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": points}
    axis.pcolormesh(*edges, logs, cmap=colours, vmin=-reach, vmax=reach, antialiased=True, **line)
    room = _cells_inches(look, frame.columns) / columns - look.em(0.7)
    wide = text_inches("0.000", points) <= room
    for (row, column), speedup in np.ndenumerate(panel.speedups):
        if not np.isnan(speedup):
            colour = _ink_on(colours((np.log2(speedup) + reach) / (2 * reach)), look)
            axis.text(column, row, _number(float(speedup), wide), color=colour, **middle)
    for (row, column), word in panel.words.items():
        axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=theme.faint, hatch=_HATCH, **line))
        axis.text(column, row, words[word], color=theme.ink, **middle)
    axis.set_ylim(rows - 0.5, -0.5)
    axis.set_xlim(-0.5, columns - 0.5)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _number(speedup: float, wide: bool) -> str:
    """A speedup in so few letters that a cell has room for it."""
    text = significant(speedup, 3 if wide else 2)
    if len(text) > 5:
        text = "<0.01" if speedup < 0.01 else f"{speedup:.0e}".replace("e+0", "e")
    return text


def _ink_on(colour: tuple[float, ...], look: Look) -> str:
    """Ink or paper, whichever is easier to read on a colour: the higher contrast by WCAG 2.2, "relative luminance"."""
    on = _luminance(colour)

    def contrast(name: str) -> float:
        dark, light = sorted((on, _luminance(to_rgb(name))))
        return (light + 0.05) / (dark + 0.05)

    return max(look.theme.ink, look.theme.paper, key=contrast)


def _luminance(colour: Sequence[float]) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _words(panels: Sequence[_Panel], inches: float, look: Look) -> dict[str, str]:
    """What is written into cells that were not measured: all of each word, or first letters where cells are narrow."""
    found = sorted({word for panel in panels for word in panel.words.values()})
    fit = all(text_inches(word, look.points * _LETTERS) <= inches - look.em(0.3) for word in found)
    return {word: word if fit else word[0] for word in found}


def _names(scene: Scene, panels: Sequence[_Panel], sizes: int, frame: Frame) -> dict[Contender, str]:
    """How rows are called; a long name gives up letters of its middle, backend and threads never."""
    look = frame.look
    backends, threads = _style.several_backends(scene.rows), len(scene.threads) > 1
    cells = sizes * _least_inches(scene.sizes, look)
    most = frame.panel_inches * (0.6 if frame.columns == 1 else 0.5)
    room = max(frame.panel_inches * _NAME_SHARE, min(most, frame.panel_inches - look.em(_BESIDE_EM + 0.5) - cells))
    names = {}
    for who in dict.fromkeys(line.contender for panel in panels for line in panel.lines):
        words = [who.backend] * backends + [f"{who.threads} thread{'' if who.threads == 1 else 's'}"] * threads
        tail = f" ({', '.join(words)})" if words else ""
        names[who] = clipped(who.implementation, room - text_inches(tail, look.points), look.points) + tail
    return names


def _beside_inches(names: Mapping[Contender, str], frame: Frame) -> float:
    """The room beside a panel's cells."""
    look = frame.look
    return max(text_inches(name, look.points) for name in names.values()) + look.em(_BESIDE_EM)


def _subtitle(scene: Scene, panels: Sequence[_Panel], sizes: Sequence[int]) -> str:
    words = scene.shared()
    if len(sizes) < len(scene.sizes):
        words.append(f"{len(sizes)} of {len(scene.sizes)} sizes shown")
    statuses = {word for panel in panels for word in panel.words.values()}
    rows = scene.rows[scene.rows["status"] != Status.OK.value]
    reasons = list(dict.fromkeys(zip(rows["status"], rows["reason"], strict=True)))
    if 0 < len(reasons) <= 2 and all(len(reason) <= _LONGEST_REASON for _, reason in reasons):
        words += [f"{status}: {reason}" for status, reason in reasons]
    elif reasons:
        words.append("why cells could not be measured: summary.csv")
    if _UNKNOWN in statuses:
        words.append("-: no time of NumPy at that size")
    return "; ".join(word for word in words if word)


def _keys(words: dict[str, str], reach: float, look: Look) -> list[Artist]:
    """The ends of the colours and their middle, and what a grey cell is."""
    theme = look.theme
    colours = mpl.colormaps[theme.colormap]
    ends = (
        (0.0, f"{significant(2**-reach, 2)}x"),
        (0.5, "1x: as fast as NumPy"),
        (1.0, f"{significant(2**reach, 2)}x"),
    )
    keys: list[Artist] = [
        Patch(facecolor=colours(place), edgecolor=theme.edge, lw=0.6, label=label) for place, label in ends
    ]
    if words:
        short = [f"{text}: {word}" for word, text in words.items() if text != word]
        label = f"not measured ({', '.join(short)})" if short else "not measured"
        keys.append(Patch(facecolor=theme.faint, edgecolor=theme.paper, hatch=_HATCH, lw=0, label=label))
    return keys
