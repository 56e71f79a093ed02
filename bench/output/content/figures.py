"""The words and numbers of each figure; the pictures themselves belong to a format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.output import figures
from bench.output.content.cases import SHOWN, case_table
from bench.output.content.history import runs_table
from bench.output.content.ladder import ladder_table, profile_table
from bench.output.content.summary import Summary, is_baseline
from bench.output.document import Block, Bullets, Code, FigureBlock, Heading, Section, prose, ticked
from bench.output.names import counted

if TYPE_CHECKING:
    from bench.data.schema import SummaryRow
    from bench.output.figures import RunData

_SHOWS = ("step", "step_interval", "speedup", "speedup_interval")


def section(
    name: str,
    title: str,
    data: RunData,
    summary: Summary,
    drawn: Sequence[str],
    left_out: Mapping[str, str] | None = None,
) -> Section:
    """Return a section of figures that could be drawn, and why others could not."""
    blocks: list[Block] = [_figure(data, summary, figure) for figure in drawn]
    if left_out:
        blocks.append(Heading("Not drawn"))
        blocks.append(Bullets(tuple((Code(figure), ": ", *ticked(reason)) for figure, reason in left_out.items())))
    return Section(name, title, tuple(blocks))


def _figure(data: RunData, summary: Summary, name: str) -> FigureBlock:
    about = figures.about(name)
    shown = about.shows or _SHOWS
    field = SHOWN[shown[0]].fields[0]
    rows = [row for row in summary.measured if getattr(row, field) is not None] or summary.measured
    conditions = f"All cases: {summary.shared}. " if summary.shared else ""
    caption = prose("{}Run {}.", conditions, summary.manifest.run_id)
    alt = f"{about.title}: {_ends(summary, rows, shown[0])}"
    reading = (about.reading,) if about.reading else ()
    called, words = f"figure-{name.replace('_', '-')}", prose("Numbers of the figure: {}", about.title)
    if name == "history":
        table = runs_table(called, words, [series for history in data.histories for series in history.series])
    elif name == "ladder":
        table = ladder_table(called, words, data.ladders)
    elif name == "profile":
        table = profile_table(called, words, data.profiles)
    else:
        table = case_table(called, words, summary, rows, shown)
    return FigureBlock(name, about.title, alt, caption, reading, table)


def _ends(summary: Summary, rows: Sequence[SummaryRow], shown: str) -> str:
    """Return how many cases there are, and those with the smallest and the largest of a number."""
    item = SHOWN[shown]
    field = item.fields[0]
    known = [row for row in rows if getattr(row, field) is not None and not (field == "speedup" and is_baseline(row))]
    told = [counted(len(known), "case")]
    for word, choose in (("smallest", min), ("largest", max)):
        if known:
            row = choose(known, key=lambda row: getattr(row, field))
            number = f"{item.header} {item.text(getattr(row, field))}"
            told.append(f"{word} {number}: {row.case.label} in {summary.place(row)}")
    return f"{'; '.join(told)}."
