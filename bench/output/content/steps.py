"""The page of a step: its history on each machine, with the runs behind it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bench import __version__
from bench.analysis.history import History, Series
from bench.analysis.steps import StepHistory
from bench.output.content.history import RunKey, change_table, notes, runs_table
from bench.output.content.passages import passages
from bench.output.document import Block, Bullets, Document, FigureBlock, Link, Section, Strong, Words, prose
from bench.output.figures import about
from bench.output.names import common_words, counted, size_of, span
from bench.output.text import duration, duration_interval, significant
from bench.stats.changepoint import fewest_values


def step_page(
    step: StepHistory, title: str, pages: Mapping[RunKey, str], drawn: Collection[str], links: Sequence[Link]
) -> Document:
    """Return the history of a step.

    Args:
        step: the step.
        title: what its workload is called.
        pages: the page of each run that has one.
        drawn: the figures that there are pictures of: `history-` and the place of a history.
        links: the pages beside it.
    """
    case = step.case
    shared = common_words({name: [value] for name, value in case.conditions.items()})
    several = passages("site.txt", "several_machines", runs=step.times, places=len(step.histories))
    answer = several if len(step.histories) > 1 else _sentence(step.histories[0])
    sections = []
    for place, history in enumerate(step.histories):
        (series,) = history.series
        blocks: list[Block] = list(_sentence(history)) if len(step.histories) > 1 else []
        name = f"history-{place}"
        blocks += [_figure(name, history)] if name in drawn else []
        if series.changes:
            blocks.append(change_table(f"changes-{place}", "Changes", history.series))
        blocks.append(runs_table(f"runs-{place}", ("Its runs",), history.series, pages))
        sections.append(Section(f"machine-{place}", _place(history, series), (*blocks, Bullets(notes(history, True)))))
    return Document(
        title=f"{case.label}, run by run",
        subject=f"{counted(step.times, 'run')} of {case.workload}, {shared}",
        answer=answer[0],
        facts=(("Workload", f"{case.workload}: {title}"), ("Conditions", shared)),
        warnings=(),
        sections=tuple(sections),
        stepbench=__version__,
        links=tuple(links),
    )


def _place(history: History, series: Series) -> str:
    """Return where and by which clock a step was timed."""
    clock = "" if series.clock == "host" else f", by the clock of the {series.clock}"
    return f"{history.machine}{f', {series.gpu}' if series.gpu else ''}{clock}"


def _sentence(history: History) -> tuple[Words, ...]:
    (series,), needed = history.series, fewest_values()
    known = [at.seconds for at in series.measured if at.seconds is not None]
    first, last = known[0], known[-1]
    ends = duration_interval(last.low, last.high)
    change = series.changes[-1] if series.changes else None
    return passages(
        "site.txt",
        "one_machine",
        runs=len(known),
        time=Strong(duration(last.value)),
        interval=f"(95 % interval {ends})" if ends != "-" else "(too few processes for an interval)",
        ratio=significant(last.value / first.value),
        changes=len(series.changes),
        last=change.after.run_id if change else "",
        size=size_of(change) if change else "",
        few=len(known) < needed,
        needed=needed,
    )


def _figure(name: str, history: History) -> FigureBlock:
    told = about("history")
    (series,) = history.series
    values = [at.seconds.value for at in series.measured if at.seconds is not None]
    alt = f"{told.title}: {span(history)}, from {duration(min(values))} to {duration(max(values))}."
    return FigureBlock(name, told.title, alt, prose("{}.", history.machine), (told.reading,), None)
