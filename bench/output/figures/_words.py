"""Words for rungs and entrants, which a figure and its table share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.ladder import CLIMBED, Kind, Ladder, Rung
from bench.analysis.profile import Entrant, Profile, Profiles
from bench.model.case import differing
from bench.output.names import counted, variant_word, words_of
from bench.output.text import factor, factor_interval


def ladder_titles(found: Sequence[Ladder]) -> list[tuple[str, Ladder]]:
    """Return the title of each ladder: its workload, and what tells it from the others."""
    firsts = [each.rungs[0].case for each in found]
    names = [name for name in differing(firsts) if name not in CLIMBED and name != "mode"]
    several = len({each.mode for each in found}) > 1
    titles = []
    for each, case in zip(found, firsts, strict=True):
        values = {name: case.conditions.get(name) for name in names} | ({"mode": each.mode} if several else {})
        titles.append(", ".join([each.workload, *words_of(values)]))
    return list(zip(titles, found, strict=True))


def rung_words(rung: Rung, ladder: Ladder) -> str:
    """Return what a rung changes."""
    case = rung.case
    before = ladder.rungs[rung.before or 0].case
    threads = "threads" in differing(each.case for each in ladder.rungs)
    if rung.kind is Kind.FASTEST:
        changed = words_of({name: case.columns[name] for name in differing([before, case]) if name != "mode"})
        return ", ".join(["fastest", *([case.backend] if case.backend != before.backend else []), *changed])
    return {
        Kind.FIRST: "baseline" + (f", {counted(case.threads, 'thread')}" if threads else ""),
        Kind.PROGRAM: case.framework if case.framework != before.framework else "another program",
        Kind.THREADS: variant_word("threads", case.threads),
        Kind.COMPILED: "compiled" if case.framework == before.framework else f"{case.framework}, compiled",
        Kind.PRECISION: variant_word("precision", case.precision),
        Kind.DEVICE: f"on {case.device}",
        Kind.OWN: f"written for {case.device}",
    }[rung.kind]


def entrant_names(found: Profiles, called: Callable[[str], str] = str) -> dict[Entrant, str]:
    """Return what each contender is called; conditions and backends are told only where they are needed.

    Args:
        found: all of them.
        called: gives what an implementation is called.
    """
    entrants = [each.entrant for each in found.profiles]
    backends: dict[str, set[str]] = {}
    for each in entrants:
        backends.setdefault(each.implementation, set()).add(each.backend)
    settings = [dict(each.conditions) for each in entrants]
    apart = [name for name in settings[0] if len({each[name] for each in settings}) > 1]
    names = {}
    for each, values in zip(entrants, settings, strict=True):
        compiled = ["compiled"] if each.compiles else []
        told = f" ({each.backend})" if each.implementation and len(backends[each.implementation]) > 1 else ""
        words = words_of({name: values[name] for name in apart})
        names[each] = ", ".join([f"{called(each.implementation)}{told}" or each.backend, *compiled, *words])
    return names


def mean_words(profile: Profile) -> str:
    """Return the geometric mean of the speedups, with what is known of it."""
    over = profile.speedup
    if over is None:
        return "speedup unknown"
    known = len(profile.ratios) - profile.lacking
    some = f" in {profile.compared} of them" if profile.compared < known else ""
    if profile.is_baseline:
        return "the baseline"
    if over.low is None or over.high is None:
        return factor(over.value) + some
    return f"{factor(over.value)} [{factor_interval(over.low, over.high)}]{some}"


def solved_words(profile: Profile) -> str:
    """Return how many of the problems a contender has a time for."""
    return f"{len(profile.ratios) - profile.lacking} of {len(profile.ratios)}"
