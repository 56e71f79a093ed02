"""What all figures share: colours that survive colour-blindness and grey print, titles, footers, saving."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bench.data.schema import CASE_KEY, HOST, STEP
from bench.model.workload import WORKLOADS
from bench.output.text import VARIANT, common_words, variant_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from bench.output.figures import RunData

RC: dict[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "stepbench",
    "pdf.fonttype": 42,
    "hatch.linewidth": 0.6,
}

# Okabe and Ito's palette; the hatch tells backends apart where colour cannot.
BACKENDS: dict[str, tuple[str, str]] = {
    "numpy": ("#999999", ""),
    "torch-cpu": ("#56B4E9", ""),
    "torch-cuda": ("#D55E00", "...."),
    "tf-graph": ("#E69F00", "////"),
}
OTHER_BACKEND = ("#009E73", "xxxx")
# Three steps of lightness, so that the order dark, middle, light holds in grey too.
PHASES = {"forward": "#0B3C6F", "backward": "#3E8FC4", "update": "#C5DEF0"}
WIDTH_INCHES = 7.2
_LONGEST_NAME = 30
_BAR_INCHES = 0.27
_PANEL_INCHES = 0.56
_HEAD_INCHES = 0.85
_FOOT_INCHES = 0.5


def backend_style(backend: str) -> tuple[str, str]:
    """Colour and hatch."""
    return BACKENDS.get(backend, OTHER_BACKEND)


def headline(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of measured whole steps over the workload's own mix of depths."""
    chosen = (summary["status"] == "ok") & (summary["phase"] == STEP) & summary["depth"].isna()
    chosen &= summary["clock"] == HOST
    chosen &= summary["median_seconds"].notna()
    return summary[chosen]


def panels(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows by workload, in the fixed order of the workloads, and by what else differs inside the run."""
    differing = [name for name in VARIANT if rows[name].nunique() > 1]
    found = []
    for name in WORKLOADS:
        inside = rows[rows["workload"] == name]
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


def same_case(summary: pd.DataFrame, row: pd.Series[Any]) -> pd.Series[bool]:
    """Which rows are of the same case as `row`."""
    chosen = pd.Series(True, index=summary.index)
    for name in CASE_KEY:
        chosen &= summary[name] == row[name]
    return chosen


def label(row: pd.Series[Any], several_backends: bool) -> str:
    """How an axis calls a case."""
    name = str(row["implementation"])
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME // 2]}…{name[-_LONGEST_NAME // 2 + 1 :]}"
    return f"{name} ({row['backend']})" if several_backends else name


def new_figure(heights: list[int], title: str, data: RunData) -> tuple[Figure, list[Axes]]:
    """A figure with one panel above the other.

    Args:
        heights: bars in each panel.
        title: the figure's title.
        data: the run, for subtitle and footer.
    """
    inches = sum(heights) * _BAR_INCHES + len(heights) * _PANEL_INCHES + _HEAD_INCHES + _FOOT_INCHES
    figure = Figure(figsize=(WIDTH_INCHES, inches), layout=ConstrainedLayoutEngine(w_pad=0.08))
    figure.suptitle(f"{title}\n\n\n", x=0.01, ha="left", fontsize=12, fontweight="bold", linespacing=1.1)
    ratios = [count + 0.2 for count in heights]  # of what the axis shows: bars are equally thick in all panels
    axes = figure.subplots(len(heights), 1, height_ratios=ratios, squeeze=False)[:, 0].tolist()
    figure.supxlabel(footer(data), x=0.01, ha="left", fontsize=6.5, color="#555555")
    return figure, axes


def subtitle(figure: Figure, text: str) -> None:
    """One line under the title."""
    below = 1 - 0.37 / figure.get_figheight()
    figure.text(0.01, below, text, ha="left", va="center", fontsize=8.5, color="#333333")


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """One row of keys under the subtitle."""
    below = 1 - 0.46 / figure.get_figheight()
    keys = figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.003, below),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        columnspacing=1.4,
        handlelength=1.8,
        borderpad=0.2,
    )
    keys.set_in_layout(False)


def problem_line(rows: pd.DataFrame) -> str:
    """Sizes, number format, threads and mode, as far as all cases share them, in words."""
    return common_words({name: set(rows[name]) for name in VARIANT})


def footer(data: RunData) -> str:
    """Machine, versions and run id."""
    manifest = data.manifest
    machine = manifest.machine
    versions = ", ".join(
        f"{name} {manifest.packages[name]}" for name in ("numpy", "torch", "tensorflow") if name in manifest.packages
    )
    line = (
        f"{machine.get('cpu')}, {machine.get('cpus_usable')} CPUs; {machine.get('system')}; "
        f"Python {machine.get('python')}, {versions}; stepbench {manifest.stepbench}, run {manifest.run_id}"
    )
    return "\n".join(textwrap.wrap(line, 135))


def rendered(figure: Figure, kind: str, run_id: str) -> bytes:
    """The figure as a file's content; the same figure gives the same bytes."""
    metadata = {
        "png": {"Software": "stepbench", "Title": run_id},
        "svg": {"Date": None, "Creator": "stepbench", "Title": run_id},
        "pdf": {"CreationDate": None, "Creator": "stepbench", "Title": run_id},
    }[kind]
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=200, metadata=metadata)
    return content.getvalue()
