"""Names for people: of the conditions of a case, sizes, revisions, the series of a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from bench.machine.identity import Machine, distinct
from bench.model.case import CONDITIONS, Case, differing, settings_among
from bench.model.columns import SIZE_PREFIX
from bench.output.text import significant

if TYPE_CHECKING:
    from bench.analysis.history import Change, History, Series
    from bench.data.foreign import AnyCase

Named = TypeVar("Named", bound="AnyCase")
_USUAL = {column.name: str(column.usual) for column in CONDITIONS if column.usual is not None}
_AS_IT_IS = ("dtype", "mode")
_REVISION = 7


def counted(count: object, thing: str, many: str = "") -> str:
    """Return a number with its noun: `1 process`, `2,000 processes`."""
    number = f"{count:,}" if isinstance(count, int) else str(count)
    return f"{number} {thing if number == '1' else many or f'{thing}s'}"


def from_to(values: Iterable[int]) -> str:
    """Return the smallest and the largest of some counts, in words."""
    known = sorted(set(values))
    return f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"


def common_words(values: Mapping[str, Collection[object]]) -> str:
    """Return what all cases have in common, in words; the usual goes without saying.

    Args:
        values: the distinct values of each column of sizes and conditions.
    """
    only = {name: next(iter(values[name])) for name in settings_among(values) if len(values[name]) == 1}
    return ", ".join(words_of({name: value for name, value in only.items() if str(value) != _USUAL.get(name)}))


def words_of(values: Mapping[str, object]) -> list[str]:
    """Return the values of columns of sizes and conditions in words; a size that a workload does not have has none."""
    return [variant_word(name, value) for name, value in values.items() if value]


def variant_word(name: str, value: object) -> str:
    """Return the value of a size or condition in words."""
    if name == "threads":
        return counted(value, "CPU thread")
    if name == "precision":
        return f"{value} precision"
    return str(value) if name in _AS_IT_IS else f"{spaced(name)} {value}"


def case_names(cases: Iterable[Named]) -> dict[Named, str]:
    """Return what cases are called; sizes, threads and other conditions only where the cases hold several of them."""
    known = list(cases)
    apart = differing(case for case in known if isinstance(case, Case))
    words = {case: words_of({name: case.columns.get(name) for name in apart}) for case in known}
    return {case: ", ".join([case.label, case.workload, *words[case]]) for case in known}


def spaced(name: str) -> str:
    """Return a column's name as people write it."""
    return name.removeprefix(SIZE_PREFIX).replace("_", "-")


def short(revision: str | None) -> str:
    """Return a revision as people quote it, marked with + if files differed from it."""
    if revision is None:
        return "no revision"
    return revision[:_REVISION] + ("+" if revision.endswith("-dirty") else "")


def day(created: str) -> str:
    """Return the date and minute of a run."""
    return created[:16].replace("T", " ")


class MachineNames:
    """What machines are called beside each other: in a few words, numbered where these are the same."""

    def __init__(self, machines: Iterable[Machine]) -> None:
        """Take all machines of some runs; what is known of one twice counts once."""
        self._known = distinct(machines)
        words, count = [str(machine) for machine in self._known], Counter[str]()
        self.names: list[str] = []
        """One for each machine."""
        for name in words:
            count[name] += 1
            self.names.append(f"{name} ({count[name]})" if words.count(name) > 1 else name)

    def place(self, machine: Machine) -> int:
        """Return the place of a machine among the names."""
        return self._known.index(machine)

    def of(self, machine: Machine) -> str:
        """Return the name of a machine."""
        return self.names[self.place(machine)]


def span(history: History) -> str:
    """Return how many runs there are, and from when to when."""
    first, last = day(history.runs[0].created), day(history.runs[-1].created)
    when = first if len(history.runs) == 1 else f"{first} to {last}"
    return f"{counted(len(history.runs), 'run')}, {when} UTC"


def makers(history: History) -> str:
    """Return which other tools measured a history, by which versions; empty if stepbench did."""

    found = dict.fromkeys(filter(None, (getattr(run, "measured_by", "") for run in history.runs)))
    return f"measured by {', '.join(found)}" if found else ""


def facts(series: Series) -> dict[str, Any]:
    """Return what names a series: the case's columns, its clock and its GPU; of a foreign case what is known."""
    clock = {"clock": series.clock, "gpu": series.gpu} if series.clock else {}
    return {**series.case.columns, **clock}


def telling(series: Sequence[Series]) -> list[str]:
    """Return the columns that tell these series apart, beside implementation and backend; of ours only."""
    rows = [facts(item) for item in series if item.clock]
    names = [*settings_among(dict.fromkeys(name for row in rows for name in row)), "clock", "gpu"]
    return [name for name in names if len({row.get(name) for row in rows}) > 1]


def told(series: Series, names: Iterable[str]) -> list[str]:
    """Return what a series has in these columns, in words; a size that its workload does not have is left out."""
    known = facts(series)
    return [f"{name} {known[name]}" for name in names if name in known]


def size_of(change: Change) -> str:
    """Return by how much a change made the step longer or shorter."""
    if not change.shifts:
        return "scatter"
    return f"{'+' if change.ratio.value >= 1 else '-'}{significant(abs(change.ratio.value - 1) * 100, 2)} %"
