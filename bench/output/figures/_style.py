"""What figures that show cases share: which rows, in which panels, under which names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.data.schema import CASE_KEY, HOST, SIZES, STEP
from bench.model.workload import WORKLOADS
from bench.output.figures._frame import PANEL_EM
from bench.output.figures._look import Look, Width, clipped, text_inches
from bench.output.names import VARIANT, common_words, variant_word

if TYPE_CHECKING:
    from bench.output.figures._data import RunData
    from bench.output.figures._frame import Frame

BAR_EM = 2.15
"""Room of one bar."""
DENSEST = 0.62
"""By how much bars may be closer to fit a slide; its lines of text stay apart."""
PANEL_WIDTH_EM = 33.0
"""Least width of a panel of bars: a name, the bar and its number."""
TALLEST = 9.0
"""Height of a page's text in inches: a sweep shows as many sizes as fit."""
MOST_ON_SLIDE = 6
_HEAD_EM = 12.0
"""About what title, subtitle, keys and footer take."""
_JOINED = "\u00a0"
_NAME_SHARE = 0.36
"""A name takes at most this part of a panel's width."""


def headline(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of measured whole steps over the workload's own mix of depths."""
    chosen = (summary["status"] == "ok") & (summary["phase"] == STEP) & summary["depth"].isna()
    chosen &= summary["clock"] == HOST
    chosen &= summary["median_seconds"].notna()
    return summary[chosen]


def panels(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows by workload, in the fixed order of the workloads, then by what else differs in the run, small to large."""
    differing = [name for name in VARIANT if rows[name].nunique() > 1]
    numbers = [name for name in differing if name in (*SIZES, "threads")]
    found = []
    for name in WORKLOADS:
        inside = rows[rows["workload"] == name]
        inside = inside.sort_values(numbers, kind="stable") if numbers else inside
        for variant, panel in _by(inside, differing):
            found.append((", ".join([name, *variant]), panel))
    return found


def _by(rows: pd.DataFrame, columns: list[str]) -> list[tuple[list[str], pd.DataFrame]]:
    """Rows by the values of some columns, in words, in the order in which they come."""
    if not len(rows):
        return []
    if not columns:
        return [([], rows)]
    groups: Any = rows.groupby(columns, sort=False)
    return [([variant_word(name, value) for name, value in zip(columns, key, strict=True)], g) for key, g in groups]


def bars_em(count: int) -> float:
    """Height of so many bars, the panel reaching from `bars_limits`."""
    return (count + 0.2) * BAR_EM


def shown(
    data: RunData, rows: pd.DataFrame, look: Look, panel_em: Callable[[int], float] = bars_em
) -> tuple[list[tuple[str, pd.DataFrame]], str]:
    """The panels that a figure has room for, and a remark on the others; empty if all are shown.

    Of a sweep the sizes that were asked for, not those that were added around crossovers; if these are still too many,
    the first, the last and some between them of each workload.

    Args:
        data: the run.
        rows: headline rows.
        look: width.
        panel_em: height of what the axes of a panel of so many cases enclose, in ems.
    """
    every = panels(rows)
    added = {tuple(item.columns[name] for name in CASE_KEY) for item in data.manifest.cases if item.added}
    keys = rows[list(CASE_KEY)].itertuples(index=False, name=None)
    asked = panels(rows[[key not in added for key in keys]]) or every
    if any(rows[name].nunique() > 1 for name in SIZES):
        kinds = [[item for item in asked if item[1]["workload"].iloc[0] == name] for name in WORKLOADS]
        kinds = [found for found in kinds if found]
        quota = max(2, _most_panels(look, panel_em(max(len(panel) for _, panel in asked))) // len(kinds))
        asked = [found[place] for found in kinds for place in _spread(len(found), quota)]
    remark = "" if len(asked) == len(every) else f"{len(asked)} of {len(every)} panels, the others are in summary.csv"
    return asked, remark


def _most_panels(look: Look, panel_em: float) -> int:
    """Panels of such a height that fit below one another on a page, or in two columns on a slide."""
    room = (TALLEST - look.em(_HEAD_EM)) / look.em(panel_em + PANEL_EM)
    return MOST_ON_SLIDE if look.width is Width.SLIDE else int(room)


def _spread(count: int, most: int) -> list[int]:
    """At most so many places out of `count`: the first, the last, and evenly between them."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def remarks(*words: str) -> str:
    """A subtitle from its parts, those that are empty left out."""
    return "; ".join(filter(None, words))


def same_case(summary: pd.DataFrame, row: pd.Series[Any]) -> pd.Series[bool]:
    """Which rows are of the same case as `row`."""
    chosen = pd.Series(True, index=summary.index)
    for name in CASE_KEY:
        chosen &= summary[name] == row[name]
    return chosen


def bars_limits(counts: Sequence[int], panel: int, columns: int) -> tuple[float, float]:
    """Limits of the axis along which bars at 0 .. count - 1 stand, so that they are equally thick in all panels.

    Args:
        counts: bars of each panel; its `bars_em` is its height.
        panel: which of them.
        columns: panels beside each other: they are as high as the one with most bars.
    """
    row = panel // columns * columns
    return counts[panel] - 0.6 - max(counts[row : row + columns]), counts[panel] - 0.4


def columns_of(look: Look, panels: int) -> int:
    """Panels beside each other: two where a slide would get too high, else one."""
    return 2 if look.width is Width.SLIDE and panels > 2 else 1


def label(row: pd.Series[Any], several_backends: bool, frame: Frame) -> str:
    """How an axis calls a case; a long name gives up letters of its middle, the backend never."""
    look = frame.look
    backend = f" ({row['backend']})" if several_backends else ""
    room = frame.panel_inches * _NAME_SHARE - text_inches(backend, look.points)
    return clipped(str(row["implementation"]), room, look.points) + backend


def several_backends(rows: pd.DataFrame) -> bool:
    """Whether some implementation ran on more than one backend, so that names alone are not enough."""
    return bool(rows.groupby("implementation")["backend"].nunique().max() > 1)


def problem_line(rows: pd.DataFrame) -> str:
    """Sizes, number format, threads and mode, as far as all cases share them, in words."""
    return common_words({name: set(rows[name]) for name in VARIANT})


def footer(data: RunData) -> str:
    """Machine, versions and run id."""
    manifest = data.manifest
    machine = manifest.machine
    versions = ", ".join(
        f"{name}{_JOINED}{manifest.packages[name]}"
        for name in ("numpy", "torch", "tensorflow")
        if name in manifest.packages
    )
    return (
        f"{machine.get('cpu')}, {machine.get('cpus_usable')}{_JOINED}CPUs; {machine.get('system')}; "
        f"Python{_JOINED}{machine.get('python')}, {versions}; stepbench{_JOINED}{manifest.stepbench}, "
        f"run{_JOINED}{manifest.run_id}"
    )
