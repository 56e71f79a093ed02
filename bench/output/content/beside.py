"""Runs side by side: machines, versions or dates, the times and the speedups of each case, and never a verdict.

The terminal shows it for `bench compare --across`; `bench report A B ...` makes a page of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from bench.analysis.compare import SideBySide
from bench.analysis.several import Member, Seen, Several, fact_names
from bench.analysis.stored import untried
from bench.data.foreign import AnyCase
from bench.data.schema import Status
from bench.errors import NothingRanError
from bench.output.content.compare import factor_words, with_columns
from bench.output.content.passages import passages
from bench.output.document import Block, Bullets, Cell, Head, Line, Table, Words, grouped, numbers, prose, table
from bench.output.names import case_names
from bench.output.text import duration, duration_interval, factor, factor_interval, interval
from bench.stats.estimates import Estimate

_DIFFERS = "What differs"


@dataclass(frozen=True, eq=False)
class Beside:
    """Several runs with all that is said of them."""

    several: Several

    @cached_property
    def names(self) -> dict[AnyCase, str]:
        """What the cases are called, those that no run has a time of included."""
        only = self.several.only
        every = dict.fromkeys(case for member in self.several.members for case in member.seen)
        return case_names(case for case in every if not only or case.implementation in only)

    @cached_property
    def rows(self) -> dict[str, dict[AnyCase, SideBySide]]:
        """Each case beside that of the first run, by the letter of the other run and by case."""
        others = self.several.members[1:]
        return {each.letter: {row.case: row for row in self.several.over_first(each, self.names)} for each in others}

    def left_out(self, member: Member) -> dict[str, str]:
        """Return the names of cases that neither the first run nor another measured, with the reason."""
        first, times = self.several.members[0].times, member.times
        found = {self.names[case]: untried(first.get(case), times.get(case)) for case in self.names}
        return {name: reason for name, reason in found.items() if reason}

    def check(self) -> None:
        """Refuse runs of which no two have a case in common.

        Raises:
            NothingRanError: it is so.
        """
        if not self.several.shared:
            raise NothingRanError(
                "The runs share no case that was measured: choose runs of the same implementations, sizes, threads and "
                "modes."
            )

    # What is shown

    def blocks(self) -> list[Block]:
        """Return all of it for a terminal."""
        return [
            machines_table(self.several, only=_DIFFERS),
            self.times(),
            Bullets((*self.legend(), self.why(), *self.notes())),
        ]

    def times(self, name: str = "compare") -> Table:
        """Return the time and the speedup of each case in each run."""
        heads: list[Head | str] = [Head("case", wraps=True), Head("run"), Head("step", True, unit="s")]
        heads += [Head("95 % interval", True, unit="s", spare=2), *numbers("speedup")]
        heads += [*numbers("its 95 % interval", spare=1), *numbers("over A", "95 % interval")]
        heads += [Head("note", wraps=True)]
        lines = [line for case in self.names for line in self._lines(case)]
        kept = heads if any(line[-1] for line in lines) else heads[:-1]
        caption = prose("Each case in each run; a speedup is over the baseline of its own run, over 1 is faster")
        return table(name, caption, kept, [line[: len(kept)] for line in lines])

    def _lines(self, case: AnyCase) -> list[Line]:
        if not any(case in rows for rows in self.rows.values()):
            return []
        lines: list[Line] = []
        for member in self.several.members:
            seen, row = self.several.at(member, case), self.rows.get(member.letter, {}).get(case)
            ratio = row.ratio if row else None
            cells = [_cell(seen.seconds, duration), _ends(seen.seconds, duration_interval)]
            cells += [_cell(seen.speedup, factor), _ends(seen.speedup, factor_interval)]
            cells += [_cell(ratio, "{:.3f}".format), _ends(ratio, _three)]
            lines.append(["" if lines else self.names[case], member.letter, *cells, _why(seen)])
        return lines

    def legend(self) -> list[Words]:
        """Return which run each letter stands for."""
        return [
            prose("{}: {}, run {}{}.", each.letter, each.label, each.run_id, _by(each)) for each in self.several.members
        ]

    def why(self) -> Words:
        """Return why nothing is judged here."""
        others = self.several.members[1:]
        letters = [each.letter for each in others if self.several.forbidding(each)]
        foreign = any(each.measured_by for each in self.several.members)
        (text,) = passages("beside.txt", "why", letters=letters, foreign=foreign)
        return text

    def notes(self) -> list[Words]:
        """Return what else a reader must know: what moved together, what differs, what could not be compared."""
        found: list[Words] = []
        for member in self.several.members[1:]:
            of = f"{member.letter}: " if len(self.several.members) > 2 else ""
            moved = self.several.factor(member, list(self.rows[member.letter].values()))
            found += passages("verdicts.txt", "moved", factor=factor_words(moved), of=of)
            for name, reason in self.left_out(member).items():
                found.append(prose("{}not compared: {}: {}.", of, name, reason))
            for item in self.several.differing(member):
                found.append(prose("The runs differ in {} (A / {}).", item, member.letter))
        return found

    def json(self) -> dict[str, Any]:
        """Return for programs what `blocks` says; ratios are over the first run."""
        return {
            "verdict": None,
            "runs": [self._run_json(each) for each in self.several.members],
            "others": [
                {
                    "run": each.letter,
                    "label": each.label,
                    "differences": self.several.differing(each),
                    "common_factor": self.several.factor(each, list(self.rows[each.letter].values())),
                    "cases": [with_columns(row) for row in self.rows[each.letter].values()],
                    "not_compared": self.left_out(each),
                }
                for each in self.several.members[1:]
            ],
        }

    def _run_json(self, member: Member) -> dict[str, Any]:
        speedups = [
            {"columns": case.columns, "baseline": seen.baseline, **asdict(seen.speedup)}
            for case in self.names
            if (seen := self.several.at(member, case)).speedup is not None
        ]
        return {
            "run": member.letter,
            "run_id": member.run_id,
            "label": member.label,
            "measured_by": member.measured_by or None,
            "facts": dict(member.facts),
            "speedups": speedups,
        }


def _by(member: Member) -> str:
    return f", measured by {member.measured_by}" if member.measured_by else ""


def _why(seen: Seen) -> str:
    """Return why a run has no time of a case; empty if it has one."""
    if seen.seconds is not None or seen.status is Status.SKIPPED:
        return seen.reason
    return f"{seen.status}: {seen.reason}"


def _cell(found: Estimate | None, text: Callable[[float], str]) -> Cell:
    return Cell("-") if found is None else Cell(text(found.value), (found.value,))


def _ends(found: Estimate | None, text: Callable[[float | None, float | None], str]) -> Cell:
    return Cell("-") if found is None else Cell(text(found.low, found.high), (found.low, found.high))


def _three(low: float | None, high: float | None) -> str:
    return interval(low, high, "{:.3f}".format)


def machines_table(several: Several, name: str = "machines", only: str = "") -> Table:
    """Return the facts of each run's machine, versions and dates: first what differs, then what all have in common.

    Args:
        several: the runs.
        name: the table's.
        only: the title of the one group that is shown.
    """
    groups: dict[str, list[Line]] = {_DIFFERS: [], "The same in all": []}
    for fact in fact_names(several.members):
        values = [member.facts.get(fact, "-") for member in several.members]
        groups[_DIFFERS if len(set(values)) > 1 else "The same in all"].append([fact, *values])
    heads = [Head("what"), *(Head(member.letter, wraps=True) for member in several.members)]
    shown = [item for item in groups.items() if item[1] and item[0] in (only or groups)]
    caption = "" if only else "Machine, software and time of each run; - where it does not say"
    return grouped(name, caption, heads, shown)
