"""The words and numbers of each figure; the pictures themselves belong to a format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.output import figures
from bench.output.report.history import history_table
from bench.output.report.model import Block, Bullets, Code, FigureBlock, Heading, Section, Table, prose, ticked
from bench.output.report.result import place_of
from bench.output.report.rows import Summary
from bench.output.report.tables import SHOWN, case_table
from bench.output.text import common_words

if TYPE_CHECKING:
    from bench.data.schema import SummaryRow
    from bench.output.figures import RunData

_SHOWS = ("step", "step_interval", "speedup", "speedup_interval")


def section(data: RunData, summary: Summary, names: Sequence[str], left_out: Mapping[str, str]) -> Section:
    """All that could be drawn, and why the others could not."""
    blocks: list[Block] = [block(data, summary, name) for name in names]
    if left_out:
        blocks.append(Heading("Not drawn"))
        blocks.append(Bullets(tuple((Code(name), ": ", *ticked(reason)) for name, reason in left_out.items())))
    return Section("figures", "Figures", tuple(blocks))


def block(data: RunData, summary: Summary, name: str) -> FigureBlock:
    """One figure."""
    about = figures.about(name)
    said = common_words(summary.shared())
    conditions = f"All cases: {said}. " if said else ""
    caption = prose("{}Run {}.", conditions, data.manifest.run_id)
    alt, table = _alt(data, summary, about), _table(data, summary, name, about)
    return FigureBlock(name, about.title, alt, caption, (about.reading,) if about.reading else (), table)


def _rows(summary: Summary, shown: Sequence[str]) -> Sequence[SummaryRow]:
    """Those that have what comes first."""
    fields = SHOWN[shown[0]].fields
    rows = summary.measured
    return [row for row in rows if getattr(row, fields[0]) is not None] or rows


def _table(data: RunData, summary: Summary, name: str, about: figures.About) -> Table:
    called = f"figure-{name.replace('_', '-')}"
    caption = prose("Numbers of the figure: {}", about.title)
    if name == "history":
        return history_table(data, called, caption)
    shown = about.shows or _SHOWS
    return case_table(called, caption, summary, _rows(summary, shown), shown, several=True)


def _alt(data: RunData, summary: Summary, about: figures.About) -> str:
    """The figure's own words, or how many cases there are and which are at either end."""
    if about.alt is not None:
        return about.alt(data)
    shown = about.shows or _SHOWS
    rows = _rows(summary, shown)
    return f"{about.title}: {ends(summary, rows, shown[0])}"


def ends(summary: Summary, rows: Sequence[SummaryRow], shown: str) -> str:
    """How many cases there are, and those with the smallest and the largest of a number; no baseline has a speedup."""
    item = SHOWN[shown]
    field = item.fields[0]
    known = [row for row in rows if getattr(row, field) is not None]
    if field == "speedup":
        known = [row for row in known if row.implementation != row.baseline]
    count = f"{len(known)} case{'' if len(known) == 1 else 's'}"
    told = [
        f"{word} {item.header} {item.text(getattr(row, field))}: {row.implementation} on {row.backend} in "
        f"{place_of(summary, row)}"
        for word, choose in (("smallest", min), ("largest", max))
        if known and (row := choose(known, key=lambda row: getattr(row, field)))
    ]
    return f"{'; '.join([count, *told])}."
