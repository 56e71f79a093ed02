"""A search for the first slow commit: its progress, its table, its conclusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.analysis.rule import Verdict
from bench.output.content.passages import passages
from bench.output.content.verdicts import TONES, percentage, shown, slowdown, step_evidence, where
from bench.output.document import Block, Bullets, Cell, Commands, Head, Strong, Table, Words, numbers, prose, table
from bench.output.names import counted
from bench.output.text import interval, one_line
from bench.run.bisect import SEARCH
from bench.run.search import most_measured, most_tests

if TYPE_CHECKING:
    from bench.run.ab import Decided
    from bench.run.bisect import Bisection, CommitVerdict, Search
    from bench.run.revisions import Commit


_PASSED_OVER = (Verdict.INVALID, Verdict.INCONCLUSIVE)


def described(commit: Commit) -> str:
    """Return a commit as one names it to a person."""
    return f"{commit.short} ({commit.date}) {commit.subject}"


def progress_line(search: Search, commit: Commit, found: CommitVerdict | None) -> str:
    """Return a line for the log of a search: which commit is being tested, or what was found of it."""
    if found is None:
        tests = f"Test {len(search.tested) + 1} (about {most_tests(total := len(search.commits))}"
        return one_line(f"{tests} for {counted(total, 'commit')}): {described(commit)}")
    told = "; ".join(f"{case.verdict.name} {shown(step_evidence(case))}" for case in _watched(search, found))
    return one_line(f"{commit.short}: {found.verdict}: {told or 'nothing was compared'}")


def _watched(search: Search, found: CommitVerdict) -> list[Decided]:
    """Return the cases of a commit that are searched for; all of BAD's if none of them is slow."""
    return [case for case in found.cases if not search.watched or case.verdict.name in search.watched]


def search_blocks(found: Bisection) -> list[Block]:
    """Return the commits that were tested, why some were passed over, the conclusion, and what all of it rests on."""
    search = found.search
    order = {commit.name: place for place, commit in enumerate(search.commits)}
    tested = sorted(search.tested, key=lambda each: order[each.commit.name])
    last = search.commits[-1]
    begins = prose("GOOD is {}, BAD is {}; {}.", described(search.good), described(last), _counted(search))
    reasons = [
        prose("{}: {}: {}.", each.commit.short, case.verdict.name, said.rstrip("."))
        for each in tested
        for case in _watched(search, each)
        for said in (case.verdict.verdict in _PASSED_OVER and case.verdict.reason, case.verdict.remark)
        if said
    ]
    blocks: list[Block] = [begins, _table(search, tested)]
    blocks += [Bullets(tuple(reasons))] if reasons else []
    return [*blocks, *_conclusion(found), Bullets(_notes(found))]


def _counted(search: Search) -> str:
    total = counted(len(search.commits), "commit")
    return f"{total} after GOOD, {len(search.tested)} of them tested"


def _table(search: Search, tested: list[CommitVerdict]) -> Table:
    several = len({case.verdict.name for each in tested for case in _watched(search, each)}) > 1
    heads = [Head("commit"), Head("date", spare=3), Head("subject", wraps=True), Head("verdict")]
    heads += [*([Head("case", wraps=True)] if several else []), *numbers("slowdown")]
    heads += [*numbers(f"{percentage(1 - search.criteria.alpha)} bounds", spare=1), *numbers("pairs", spare=2)]
    heads += [Head("slower in", wraps=True)]
    rows = []
    for each in tested:
        for case in _watched(search, each):
            verdict, evidence = case.verdict.verdict, step_evidence(case)
            row: list[Cell | str] = [each.commit.short, each.commit.date, each.commit.subject]
            row += [Cell(verdict, tone=TONES[verdict]), *([case.verdict.name] if several else []), shown(evidence)]
            row += [interval(evidence.low, evidence.high, slowdown) if evidence else "-"]
            rows.append([*row, str(evidence.pairs) if evidence else "-", where(case)])
    return table("commits", (), heads, rows)


def _conclusion(found: Bisection) -> list[Block]:
    """Say which commit it is, or why that is not known."""
    bad = found.search.bad
    if bad is not None and not found.first:
        text = f"BAD is not surely slower than GOOD ({bad.verdict}), so there is no first slow commit to find."
        if bad.verdict is Verdict.INVALID:
            text = f"GOOD and BAD cannot be compared ({bad.verdict}), so there is nothing to search by."
        return [(Strong(text),)]
    blocks: list[Block] = [(Strong(f"The first slow commit is {described(found.first[0])}"),)]
    if len(found.first) > 1:
        among = Bullets(tuple((described(each),) for each in found.first))
        blocks = [(Strong("The first slow commit is one of:"),), among]
    return [*blocks, *_part(found)]


def _part(found: Bisection) -> list[Block]:
    """Say so if BAD is surely slower than the commit that was found is: a later one adds to it."""
    search, first = found.search, found.first[-1]  # of several it is the one that was tested
    by_case = [
        {case.verdict.name: evidence for case in each.cases if (evidence := step_evidence(case))}
        for each in search.tested
        if each.commit in (first, search.commits[-1])
    ]
    for name in sorted(search.watched):
        here, bad = by_case[-1].get(name), by_case[0].get(name)
        if here and bad and here.high is not None and bad.low is not None and here.high < bad.low:
            text = "{} has a part of the slowdown: {} is slower by at most {} there, in BAD by at least {}. Go on with"
            bounds = slowdown(here.high), slowdown(bad.low)
            command = f"bench bisect {first.short} {search.commits[-1].short}"
            return [prose(text, first.short, name, *bounds), Commands((command,))]
    return []


def _notes(found: Bisection) -> tuple[Words, ...]:
    search = found.search
    most = most_measured(len(search.commits))
    untested = {commit.name for commit in found.first} - {each.commit.name for each in search.tested}
    return passages(
        "bisect.txt",
        whole=search.terms.criteria,
        each=search.criteria,
        most=most,
        found=bool(found.first),
        left_out=bool(untested),
        percentage=lambda value: f"{value * 100:.3g}%",
        folder=str(found.folder),
        file=f"{found.folder}/{SEARCH}",
    )


def bisection_json(found: Bisection) -> dict[str, Any]:
    """Return a search for programs: what its file holds, and the first slow commit or those of which it is one."""
    first = [{"name": each.name, "date": each.date, "subject": each.subject} for each in found.first]
    return {"first_slow": first, "folder": str(found.folder), **found.search.model_dump(mode="json")}
