"""Tables of ladders and of performance profiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.analysis.ladder import Ladder
from bench.analysis.profile import Profiles
from bench.output.document import Cell, Head, Line, Table, Words, grouped, numbers, table
from bench.output.figures._words import entrant_names, ladder_titles, mean_words, rung_words, solved_words
from bench.output.text import duration, factor, factor_interval, share
from bench.stats.estimates import Estimate

_FACTORS = (1.0, 1.1, 1.5, 2.0)


def ladder_table(name: str, caption: Words, ladders: Sequence[Ladder]) -> Table:
    """Return a table with a row a rung; a rung that is slower than the one that it builds on says so."""
    heads = [Head("change", wraps=True), Head("implementation", wraps=True), Head("backend")]
    heads += [Head("step", right=True, unit="s"), *numbers("over the rung before", "its 95 % interval")]
    heads += numbers("over the first", "its 95 % interval")
    return grouped(name, caption, heads, ((title, _rungs(ladder)) for title, ladder in ladder_titles(ladders)))


def _rungs(ladder: Ladder) -> Iterable[Line]:
    for rung in ladder.rungs:
        case, seconds = rung.case, rung.seconds.value
        words = rung_words(rung, ladder) + (": slower" if rung.slower else "")
        line: list[Cell | str] = [words, case.implementation, case.backend, Cell(duration(seconds), (seconds,))]
        if rung.before is None:
            yield [*line, "", "", "", ""]
        else:
            yield [*line, *_factor(rung.over_before), *_factor(rung.over_first)]


def _factor(over: Estimate) -> list[Cell]:
    ends = over.low, over.high
    return [Cell(factor(over.value), (over.value,)), Cell(factor_interval(*ends), ends)]


def profile_table(name: str, caption: Words, found: Profiles) -> Table:
    """Return a table with a row a contender: how often it is close to the fastest, and its mean speedup."""
    heads = [Head("contender", wraps=True), *numbers("problems", "fastest")]
    heads += numbers(*(f"within {value:g}x" for value in _FACTORS[1:]), "geometric mean of speedups")
    names = entrant_names(found)
    rows: list[Line] = []
    for each in found.profiles:
        shares = [Cell(share(each.share(value)), (each.share(value),)) for value in _FACTORS]
        over = each.speedup
        raw = () if over is None else (over.value, over.low, over.high)
        rows.append([names[each.entrant], solved_words(each), *shares, Cell(mean_words(each), raw)])
    return table(name, caption, heads, rows)
