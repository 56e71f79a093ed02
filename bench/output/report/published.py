"""A measured speedup beside the published one that the tutorial points to, and what each side reached of its peak."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.card import CardCell
from bench.data.schema import SummaryRow
from bench.output.report.model import Block, Cell, Column, Link, Paragraph, Section, Words, joined, prose
from bench.output.report.result import best, name_of, place_of, speedup_words
from bench.output.report.rows import Summary
from bench.output.report.tables import text_table
from bench.output.text import factor, factor_interval, share
from bench.stats.estimates import Estimate

# jcjohnson/cnn-benchmarks on GitHub, README: milliseconds of forward and backward for a batch of 16 images.
_NETS = (
    ("VGG-16", 8495.48, 128.62, 358.53),
    ("ResNet-18", 2195.78, 31.54, 96.40),
    ("ResNet-50", 6627.25, 103.58, 246.58),
    ("ResNet-200", 22425.16, 296.51, 834.48),
)
_SOURCE = "https://github.com/jcjohnson/cnn-benchmarks"
_RANGES = (("cuDNN 5.1", "64.0 … 77.4x"), ("without cuDNN", "22.4 … 27.7x"))
_UNKNOWN = "not recorded"


def section(summary: Summary, card: Sequence[CardCell]) -> Section:
    """What was published, what was measured here, and why the ratio alone is not the comparison."""
    blocks: list[Block] = [Paragraph(_PUBLISHED), _published_table(), Paragraph(_CAVEAT)]
    on_gpu = [row for row in summary.contenders if row.device == "cuda"]
    shown = _best_of_each(on_gpu or [row for row in summary.contenders if row.backend != "numpy"])
    blocks += [Paragraph(_measured_words(summary, bool(on_gpu))), _beside_table(summary, shown, card), Paragraph(_WHY)]
    return Section("published", "Beside a published number", tuple(blocks))


_PUBLISHED = prose(
    "The tutorial that the nine programs come from says that a GPU is often 50 times as fast as a CPU, or more, and "
    "points to a table of convolutional networks: {}. Each time there is a forward and a backward pass, without an "
    "update, over 16 images of 224 x 224 pixels, on two Xeon E5-2630 v3 and on one Pascal Titan X.",
    Link("jcjohnson/cnn-benchmarks", _SOURCE),
)
_CAVEAT = prose(
    "Over all networks listed there the tables give 64.0 to 77.4x with cuDNN 5.1 and 22.4 to 27.7x without; the "
    "text beside them says 49x to 74x. The library that multiplied matrices on the CPU and its number of threads "
    "are not recorded, and the author calls the CPU's side far from optimal."
)
_WHY = prose(
    "A ratio says nothing about how good either side was: the same GPU looks twice as fast beside a CPU that is "
    "used half as well. With both fractions of peak a reader can tell how much of a speedup is hardware, and how "
    "much is a baseline that was left slow or a device that was left idle."
)


def _published_table() -> Block:
    numbers = ("CPU, ms", "GPU, cuDNN 5.1, ms", "speedup", "GPU, no cuDNN, ms", "its speedup")
    rows = [
        (name, f"{cpu:.2f}", f"{fast:.2f}", f"{cpu / fast:.1f}x", f"{slow:.2f}", f"{cpu / slow:.1f}x")
        for name, cpu, fast, slow in _NETS
    ]
    heads = [Column("network"), *(Column(name, right=True) for name in numbers)]
    return text_table("published", prose("Published: one forward and backward pass"), heads, rows)


def _best_of_each(rows: Sequence[SummaryRow]) -> list[SummaryRow]:
    """The largest speedup of each workload."""
    found = {}
    for row in sorted(rows, key=lambda row: row.speedup or 0.0):
        found[row.workload] = row
    order = list(dict.fromkeys(row.workload for row in rows))
    return [found[name] for name in order]


def _measured_words(summary: Summary, on_gpu: bool) -> Words:
    if on_gpu:
        return prose(
            "Measured here: the largest speedup of each workload on a GPU, over NumPy on the CPU of the same "
            "machine. Another network, another size and another machine than the published ones: only the orders of "
            "magnitude compare."
        )
    first = prose(
        "**Nothing in this run was measured on a GPU**, so no number of it can stand against the published ones."
    )
    row = best(summary)
    if row is None:
        return joined([first, prose("Nor does it hold a speedup between two backends: no baseline was measured.")])
    second = prose(
        "What it holds are speedups between two backends on one CPU; the largest is {} by {} in {}.",
        speedup_words(row),
        name_of(row),
        place_of(summary, row),
    )
    return joined([first, second])


def _beside_table(summary: Summary, shown: Sequence[SummaryRow], card: Sequence[CardCell]) -> Block:
    numbers = ("speedup", "its 95 % interval", "of its peak", "the other of its own")
    heads = [Column("what", wraps=True), *(Column(name, right=True) for name in numbers)]
    rows: list[tuple[str | Cell, ...]] = [
        (f"published, {how}", spread, _UNKNOWN, _UNKNOWN, _UNKNOWN) for how, spread in _RANGES
    ]
    for row in shown:
        found = Estimate(row.speedup or 0.0, row.speedup_low, row.speedup_high)
        rows.append(_beside(summary, row, found, summary.baseline_of(row), str(row.baseline)))
        other = summary.on_cpu(row)
        cells = [cell for cell in card if other is not None and _is_of(cell, row, other)]
        if other is not None and len(cells) == 1:  # a card does not tell sizes apart
            rows.append(_beside(summary, row, cells[0].speedup, other, f"itself on {other.backend}"))
    return text_table("beside", prose("Published and measured, with what each side reached"), heads, rows)


def _is_of(cell: CardCell, row: SummaryRow, other: SummaryRow) -> bool:
    """Whether a cell of the card is the speedup of one case over another."""
    mine = (row.workload, row.implementation, row.backend, row.mode, row.threads)
    theirs = f"{other.implementation} on {other.backend}"
    return (cell.workload, cell.implementation, cell.backend, cell.mode, cell.threads, cell.over) == (*mine, theirs)


def _beside(
    summary: Summary, row: SummaryRow, found: Estimate, other: SummaryRow | None, over: str
) -> tuple[str | Cell, ...]:
    return (
        f"here, {place_of(summary, row)}: {row.implementation} on {row.backend} over {over}",
        Cell(factor(found.value), (found.value,)),
        Cell(factor_interval(found.low, found.high), (found.low, found.high)),
        _fraction(row),
        Cell("unknown") if other is None else _fraction(other),
    )


def _fraction(row: SummaryRow) -> Cell:
    if row.peak_fraction is None:
        return Cell("unknown")
    return Cell(share(row.peak_fraction), (row.peak_fraction,))
