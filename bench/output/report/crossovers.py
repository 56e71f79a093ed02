"""Crossovers in words and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.data.schema import SIZES, Crossing
from bench.output.report.model import Block, Bullets, Cell, Code, Column, Strong, Words, prose
from bench.output.report.tables import text_table
from bench.output.text import significant, variant_word

if TYPE_CHECKING:
    import pandas as pd

_MOST_SENTENCES = 12
_CONDITIONS = ("dtype", *SIZES, "mode", "precision")

Record = dict[str, Any]
"""A row of crossovers.csv; an unknown value is None."""


def crossover_blocks(frame: pd.DataFrame) -> list[Block]:
    """Where one contender overtakes another: in words where it does, and every pair as a table."""
    records = [_known(record) for record in frame.to_dict("records")]
    differing = [name for name in _CONDITIONS if len({record[name] for record in records} - {None}) > 1]
    found = [record for record in records if record["status"] == Crossing.FOUND]
    sentences = [_sentence(record, differing) for record in found[:_MOST_SENTENCES]]
    if len(found) > _MOST_SENTENCES:
        sentences.append(prose("{} more are in the table.", str(len(found) - _MOST_SENTENCES)))
    if not found:
        sentences.append(prose("No two contenders are known to change places within the sizes measured."))
    sentences.append(
        prose("Beyond the smallest and the largest size nothing was measured, so nothing is said about it.")
    )
    return [Bullets(tuple(sentences)), _table(records, differing)]


def _table(records: Sequence[Record], differing: Sequence[str]) -> Block:
    heads: list[Column | str] = ["workload", Column("one", wraps=True), Column("the other", wraps=True), "measured at"]
    heads += ["under"] if any(_conditions(record, differing) for record in records) else []
    heads += [Column("crossover", right=True), Column("95 % interval", right=True), Column("what is known", wraps=True)]
    rows = []
    for record in records:
        ends = (record["size_low"], record["size_high"])
        row: list[Any] = [record["workload"], _contender(record, "a"), _contender(record, "b")]
        row.append(f"{_axis(record)} {record['smallest']} … {record['largest']}, {record['sizes']} sizes")
        row += [_conditions(record, differing)] if "under" in heads else []
        row += [Cell(_size(record["size"]), (record["size"],), "size"), Cell(_sizes(*ends), ends, "size_low size_high")]
        rows.append([*row, _verdict(record)])
    caption = prose("Every pair that was compared, and the size at which one overtakes the other")
    return text_table("crossovers", caption, heads, rows)


def _known(record: dict[Any, Any]) -> Record:
    return {str(name): None if value != value or str(value) == "<NA>" else value for name, value in record.items()}


def _axis(record: Record) -> str:
    return str(record["axis"]).replace("_", "-")


def _conditions(record: Record, differing: Sequence[str]) -> str:
    """What tells this comparison from the same pair's others; empty if nothing does."""
    words = [variant_word(name, record[name]) for name in differing if record[name] is not None]
    return ", ".join(words)


def _contender(record: Record, side: str) -> str:
    threads = variant_word("threads", int(record[f"{side}_threads"]))
    return f"{record[f'{side}_implementation']} on {record[f'{side}_backend']}, {threads}"


def _size(value: float | None) -> str:
    return "-" if value is None else significant(value)


def _sizes(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{_size(low)} … {_size(high)}"


def _sentence(record: Record, differing: Sequence[str]) -> Words:
    under = _conditions(record, differing)
    return prose(
        "{}{}: {} overtakes {} at {} {} (95 % interval {}).",
        Code(record["workload"]),
        f", {under}" if under else "",
        Strong(_contender(record, record["faster_above"])),
        _contender(record, record["faster_below"]),
        _axis(record),
        Strong(_size(record["size"])),
        _sizes(record["size_low"], record["size_high"]),
    )


def _verdict(record: Record) -> str:
    below, above = (record[f"faster_{where}"] for where in ("below", "above"))
    names = {side: record[f"{side}_implementation"] for side in "ab"}
    if names["a"] == names["b"]:
        names = {side: _contender(record, side) for side in "ab"}
    if record["status"] == Crossing.FOUND:
        return f"{names[below]} is faster below, {names[above]} above"
    if record["status"] == Crossing.NEVER:
        return f"{names[above]} is faster at every size"
    ends = [f"{names[side]} is faster at the {end}" for side, end in ((below, "smallest"), (above, "largest")) if side]
    return ", ".join(["undecided: the intervals are too wide to tell", *ends])
