"""What people call things: the conditions of a case, sizes, revisions, the series of a history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.data.schema import CASE_KEY
from bench.model.problem import SIZES
from bench.output.text import significant

if TYPE_CHECKING:
    from bench.analysis.history import Change, History, Series
    from bench.analysis.stored import CaseKey

VARIANT = ("dtype", *SIZES, "threads", "mode", "precision")
"""The columns of a case that stand in a heading where a run holds several values of them."""
_TELLING = (*VARIANT, "clock", "gpu")
_REVISION = 7


def counted(count: int, thing: str, many: str = "") -> str:
    """Return a number with its noun: `1 process`, `2 processes`."""
    return f"{count} {thing if count == 1 else many or f'{thing}s'}"


def from_to(values: Iterable[int]) -> str:
    """Return the smallest and the largest of some counts, in words."""
    known = sorted(set(values))
    return f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"


def common_words(values: Mapping[str, Collection[object]]) -> str:
    """Return what all cases have in common, in words.

    Args:
        values: the distinct values of each column of `VARIANT`.
    """
    only = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
    words = {name: variant_word(name, value) for name, value in only.items()}
    if {"d_in", "hidden", "d_out"} <= only.keys():
        words["d_in"] = f"{only['d_in']}-{only['hidden']}-{only['d_out']}"
        del words["hidden"], words["d_out"]
    if only.get("mode") == "resident-warm":  # the usual goes without saying
        del words["mode"]
    if only.get("precision") == "full":
        del words["precision"]
    order = (*SIZES, *(name for name in VARIANT if name not in SIZES))
    return ", ".join(words[name] for name in order if name in words)


def variant_word(name: str, value: object) -> str:
    """Return one value of one of the columns of `VARIANT`, in words."""
    if name == "threads":
        return f"{value} CPU thread{'' if value == 1 else 's'}"
    if name == "precision":
        return f"{value} precision"
    return str(value) if name in ("dtype", "mode") else f"{spaced(name)} {value}"


def case_names(keys: Iterable[CaseKey]) -> dict[CaseKey, str]:
    """Return what cases are called; sizes, threads and other conditions only where the cases hold several of them."""
    cases = {key: dict(zip(CASE_KEY, key, strict=True)) for key in keys}
    differing = [column for column in VARIANT if len({case[column] for case in cases.values()}) > 1]
    names = {}
    for key, case in cases.items():
        words = [f"{case['implementation']} on {case['backend']}", str(case["workload"])]
        names[key] = ", ".join([*words, *(variant_word(column, case[column]) for column in differing)])
    return names


def spaced(name: str) -> str:
    """Return a column's name as people write it."""
    return name.replace("_", "-")


def short(revision: str | None) -> str:
    """Return a revision as people quote it, marked with + if files differed from it."""
    if revision is None:
        return "no revision"
    return revision[:_REVISION] + ("+" if revision.endswith("-dirty") else "")


def day(created: str) -> str:
    """Return the date and minute of a run."""
    return created[:16].replace("T", " ")


def span(history: History) -> str:
    """Return how many runs there are, and from when to when."""
    first, last = day(history.runs[0].created), day(history.runs[-1].created)
    when = first if len(history.runs) == 1 else f"{first} to {last}"
    return f"{counted(len(history.runs), 'run')}, {when} UTC"


def facts(series: Series) -> dict[str, Any]:
    """Return what names a series: the case's columns, its clock and its GPU."""
    return {**series.columns, "clock": series.clock, "gpu": series.gpu}


def telling(series: Sequence[Series]) -> list[str]:
    """Return the columns that tell these series apart, beside implementation and backend."""
    return [name for name in _TELLING if len({facts(item)[name] for item in series}) > 1]


def size_of(change: Change) -> str:
    """Return by how much a change made the step longer or shorter."""
    if not change.shifts:
        return "scatter"
    return f"{'+' if change.ratio.value >= 1 else '-'}{significant(abs(change.ratio.value - 1) * 100, 2)} %"
