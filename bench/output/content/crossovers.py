"""Where one contender overtakes another as the problem grows: in sentences, and every pair in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.data.crossing import Crossing
from bench.data.store import CROSSOVERS
from bench.model.case import settings_among
from bench.output.document import Bullets, Cell, Head, Heading, Table, Words, joined, numbers, plain, prose, table
from bench.output.names import counted, spaced, words_of
from bench.output.text import interval, significant

if TYPE_CHECKING:
    import pandas as pd

MOST_SENTENCES = 12
_ORDER = (Crossing.FOUND, Crossing.UNDECIDED, Crossing.NEVER)

Record = dict[Any, Any]
"""A row of crossovers.csv; an unknown value is None."""


class Crossovers:
    """The rows of crossovers.csv in words: first crossovers, then what is undecided, then pairs that never cross."""

    def __init__(self, frame: pd.DataFrame) -> None:
        records = frame.astype(object).where(frame.notna(), None).to_dict("records")
        self.records = sorted(records, key=lambda record: _ORDER.index(Crossing(record["status"])))
        settings = settings_among(frame.columns)
        self._differing = [name for name in settings if len({record[name] for record in records} - {0}) > 1]
        who = {(record[f"{side}_implementation"], record[f"{side}_backend"]) for record in records for side in "ab"}
        self._several_backends = len({name for name, _ in who}) < len(who)
        self._several_threads = len({record[f"{side}_threads"] for record in records for side in "ab"}) > 1

    def blocks(self) -> list[Heading | Bullets]:
        """Return sentences below a heading; nothing if nothing was compared."""
        return [Heading("Crossovers"), self.sentences()] if self.records else []

    def sentences(self) -> Bullets:
        """Return a sentence for each pair, the most telling ones if there are many."""
        sentences = [self.sentence(record) for record in self.records]
        if len(sentences) > MOST_SENTENCES:
            more = prose("and {} more: see crossovers.csv", len(sentences) - MOST_SENTENCES)
            sentences = [*sentences[:MOST_SENTENCES], more]
        return Bullets(tuple(sentences))

    def table(self) -> Table:
        """Return every pair that was compared, with the size at which one overtakes the other."""
        under = self._differing
        heads = [Head("workload"), Head("what is known", wraps=True), *([Head("under", wraps=True)] if under else [])]
        heads += [*numbers("crossover", "95 % interval"), Head("measured at")]
        rows = []
        for record in self.records:
            size, ends = record["size"], (record["size_low"], record["size_high"])
            row = [record["workload"], plain(self._known_of(record))]
            row += [self._conditions(record)] if under else []
            row.append(Cell("-" if size is None else significant(size), (size,), "size"))
            row.append(Cell(interval(*ends, significant), ends, "size_low size_high"))
            rows.append([*row, f"{_range(record)}, {counted(record['sizes'], 'size')}"])
        caption = "Every pair that was compared; beyond the sizes measured nothing is known"
        return table("crossovers", caption, heads, rows, CROSSOVERS)

    def sentence(self, record: Record) -> Words:
        """Return what one row says."""
        under = self._conditions(record)
        place = ", ".join([record["workload"], *([under] if under else [])])
        if record["status"] != Crossing.FOUND:
            return prose("{}, {}: {}", place, _range(record), self._known_of(record))
        axis, size = spaced(record["axis"]), significant(record["size"])
        ends = interval(record["size_low"], record["size_high"], significant)
        return prose(f"{{}}: {{}} at {{}} **{size}** [{{}}]", place, self._known_of(record), axis, ends)

    def _known_of(self, record: Record) -> Words:
        """Return who overtakes whom, or who is faster at every size, or that this is not known."""
        below, above = record["faster_below"], record["faster_above"]
        if record["status"] == Crossing.FOUND:
            return prose("{} overtakes {}", self._name(record, above), self._name(record, below))
        if record["status"] == Crossing.NEVER:
            other = "b" if above == "a" else "a"
            return prose("{} is faster than {} at every size", self._name(record, above), self._name(record, other))
        ends = [
            prose("{} is faster at the {} size", self._name(record, side), end)
            for side, end in ((below, "smallest"), (above, "largest"))
            if side
        ]
        first = prose("undecided between {} and {}", self._name(record, "a"), self._name(record, "b"))
        return joined([first, *ends], "; ")

    def _name(self, record: Record, side: str) -> str:
        """Return one contender, with backend and threads where names alone do not tell contenders apart."""
        name = str(record[f"{side}_implementation"])
        name += f" on {record[f'{side}_backend']}" if self._several_backends else ""
        return name + (f" with {counted(int(record[f'{side}_threads']), 'thread')}" if self._several_threads else "")

    def _conditions(self, record: Record) -> str:
        """Return what tells this comparison from others of the same pair; empty if nothing does."""
        return ", ".join(words_of({name: record[name] for name in self._differing}))


def _range(record: Record) -> str:
    return f"{spaced(record['axis'])} {record['smallest']:,} to {record['largest']:,}"
