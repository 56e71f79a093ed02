"""The report of several runs: what stands side by side, as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench import __version__
from bench.analysis.several import Member, Several
from bench.errors import NothingRanError
from bench.output import figures
from bench.output.content.beside import Beside, machines_table
from bench.output.content.passages import passages
from bench.output.document import (
    Block,
    Bullets,
    Code,
    Commands,
    Document,
    FigureBlock,
    Heading,
    Section,
    Strong,
    Words,
    prose,
    ticked,
)
from bench.output.figures import RunsData
from bench.output.names import counted, day
from bench.output.provenance import as_command
from bench.output.text import duration, factor


def build(data: RunsData, drawn: Sequence[str], left_out: Mapping[str, str]) -> Document:
    """Return all that a report of several runs says.

    Args:
        data: the runs.
        drawn: the figures that the format has pictures of, in their order.
        left_out: the others, and why.

    Raises:
        NothingRanError: no run has a time.
    """
    several, beside = data.several, Beside(data.several)
    if not several.cases:
        raise NothingRanError("No run has a time of any case: there is nothing to set side by side.")
    shown: list[Block] = [figure(name, several) for name in drawn]
    if left_out:
        lacking = [(Code(name), ": ", *ticked(reason)) for name, reason in left_out.items()]
        shown += [Heading("Not drawn"), Bullets(tuple(lacking))]
    alone = _alone(beside)
    times: list[Block] = [beside.times("times"), *([Bullets(alone)] if alone else [])]
    machines: list[Block] = [machines_table(several), Bullets(tuple(beside.notes()))]
    again = Commands((as_command(["bench", "report", *data.words]),))
    return Document(
        title="How fast is one training step, run beside run?",
        subject=f"runs {data.run_id}",
        answer=_answer(beside),
        facts=tuple((f"Run {each.letter}", f"{each.label} ({_which(each)})") for each in several.members),
        warnings=(beside.why(), *_warnings(several)),
        sections=(
            Section("figures", "Figures", tuple(shown)),
            Section("times", "Times and speedups side by side", tuple(times)),
            Section("machines", "The machines, and what differs", tuple(machines)),
            Section("again", "Do it again", (again,)),
        ),
        stepbench=__version__,
    )


def _which(member: Member) -> str:
    return f"{member.run_id}, {day(member.created)} UTC"


def figure(name: str, several: Several) -> FigureBlock:
    """Return a figure of several runs with its words."""
    about = figures.about(name)
    runs = "; ".join(each.told for each in several.members)
    cases = counted(len(several.shared or several.cases), "case")
    alt = f"{about.title}: {cases} in {len(several.members)} runs ({runs})."
    return FigureBlock(name, about.title, alt, prose("Runs: {}.", runs), (about.reading,), None)


def _answer(beside: Beside) -> Words:
    """Return the largest speedup that two runs have of one case, or the fastest step, in one sentence."""
    several = beside.several
    known = [
        (seen.speedup.value, member, case)
        for case in several.shared or several.cases
        for member in several.having(case)
        if (seen := several.at(member, case)).speedup is not None
    ]
    if known:
        _, best, case = max(known, key=lambda item: item[0])
        own = several.at(best, case)
        speedups = [(each, several.at(each, case).speedup) for each in several.having(case) if each is not best]
        (text,) = passages(
            "beside.txt",
            "speedup",
            name=beside.names[case],
            speedup=Strong(factor(own.speedup.value if own.speedup else None)),
            over=own.baseline,
            run=best.told,
            others=[f"{factor(found.value)} in {each.told}" for each, found in speedups if found],
        )
        return text
    times = [
        (seconds.value, each.told, beside.names[case])
        for case in several.shared or several.cases
        for each in several.having(case)
        if (seconds := several.at(each, case).seconds)
    ]
    fastest, run, name = min(times)
    told = "There is no speedup; the fastest step is that of {} with {} in {}."
    return prose(told, name, Strong(duration(fastest)), run)


def _warnings(several: Several) -> list[Words]:
    """Return what must be known before a number of several runs is quoted."""
    over = {seen.baseline for each in several.members for seen in each.seen.values() if seen.speedup is not None}
    found = passages("beside.txt", "baselines", baselines=sorted(over)) if len(over) > 1 else ()
    foreign = [f"{each.letter} by {each.measured_by}" for each in several.members if each.measured_by]
    return [*found, *(passages("beside.txt", "foreign", runs=foreign) if foreign else ())]


def _alone(beside: Beside) -> tuple[Words, ...]:
    """Return the cases of which one run alone has a time."""
    found: dict[str, list[str]] = {}
    for case in beside.several.cases:
        having = beside.several.having(case)
        if len(having) == 1:
            found.setdefault(having[0].letter, []).append(beside.names[case])
    return tuple(prose("In {} only: {}.", letter, "; ".join(names)) for letter, names in found.items())
