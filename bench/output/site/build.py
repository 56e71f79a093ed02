"""From a folder of runs to a site: what is read, which pages there are, and which are made anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import bench
from bench.analysis.history import History, RunFiles, histories, in_order
from bench.analysis.runs import PassedOver, runs_below
from bench.analysis.several import MOST, read_several
from bench.analysis.steps import StepHistory, by_step
from bench.data.run import summary_rows
from bench.errors import DataFormatError
from bench.model.case import Case
from bench.output import figures
from bench.output.catalogue import several_figures
from bench.output.content.history import history_json
from bench.output.content.index import Aside, Listed, index, kind_of
from bench.output.content.machines import newest_runs, side_by_side
from bench.output.content.steps import step_page
from bench.output.content.summary import Summary
from bench.output.document import Link
from bench.output.figures import Look, RunData, RunsData, files_of
from bench.output.figures.history import render as draw_history
from bench.output.names import MachineNames
from bench.output.provenance import digest
from bench.output.render import html
from bench.output.report import page as report_page
from bench.output.site import names
from bench.output.site.folder import SiteFolder

_PROGRAM = {".py", ".txt", ".html", ".css"}
"""Files of stepbench that decide what a page looks like."""
_ELSEWHERE = {"history": "the pages beside this one show it for each step: see Steps over time."}
"""Figures that a report on its own has, and why those of a site do not."""


@dataclass(frozen=True)
class SiteOutcome:
    """What a build did."""

    runs: int
    pages: int
    made: int
    """Pages that were not as an earlier build left them."""
    removed: int


def build(runs: Path, folder: Path, tell: Callable[[str], object]) -> SiteOutcome:
    """Build a site of all runs right below a folder; the same files give the same bytes.

    Args:
        runs: the folder that holds the runs.
        folder: where the site is to be: a new or empty folder, or an earlier site.
        tell: called with a line about each page that is made anew, and about each run that is passed over.

    Raises:
        UsageError: there is no run, or a site would not belong there.
        DataFormatError: the folder of the runs cannot be read, or the record of an earlier site is damaged.
        StorageError: the folder holds something else, or a page cannot be written.
    """

    def pass_over(each: PassedOver) -> None:
        if kind_of(each.folder) == "run":
            tell(f"Passed over: {each.reason}")

    site = SiteFolder(folder, runs)
    found, imported, passed_over = runs_below(runs, pass_over)
    summaries = []
    for run in in_order(found)[::-1]:
        try:
            summaries.append((run, Summary(summary_rows(run.summary), run.manifest)))
        except DataFormatError as error:
            passed_over.append(PassedOver(run.folder, f"{run.folder}: {error}"))
            pass_over(passed_over[-1])
    if not summaries:
        raise DataFormatError(f"{runs} holds no run that can be read: restore their files, or name another folder.")
    return _Build(site, tell, summaries, passed_over, len(imported)).all()


class _Build:
    """A site that is being built."""

    def __init__(
        self,
        site: SiteFolder,
        tell: Callable[[str], object],
        summaries: Sequence[tuple[RunFiles, Summary]],
        passed_over: Sequence[PassedOver],
        imported: int,
    ) -> None:
        self._site, self._tell, self._summaries = site, tell, summaries
        self._aside = Aside(passed_over, imported)
        self._histories = histories(run for run, _ in summaries)
        self._steps = by_step(self._histories)
        self._program, self._made = _program(), 0

    def all(self) -> SiteOutcome:
        """Make all pages, and remove those of what is gone."""
        pages = [_page_of(run) for run, _ in self._summaries]
        pages += [names.step_page(step.case) for step in self._steps]
        pages += [names.MACHINES, names.INDEX]
        self._site.begin(pages)
        listed = [self._listed(run, summary) for run, summary in self._summaries]
        for step in self._steps:
            self._step(step, listed)
        self._about_all(listed)
        removed = self._site.finish()
        return SiteOutcome(len(listed), len(pages), self._made, len(removed))

    def _put(self, name: str, sources: Sequence[object], make: Callable[[], str]) -> None:
        """Write a page if any of these sources, or stepbench itself, is not what it was made of."""
        told = json.dumps([self._program, *sources])
        if self._site.put(name, hashlib.sha256(told.encode()).hexdigest(), make):
            self._made += 1
            self._tell(f"wrote {self._site.folder / name}")

    def _listed(self, run: RunFiles, summary: Summary) -> Listed:
        """Make the report of a run; where that cannot be, the list says why."""
        name = _page_of(run)

        def make() -> str:
            return report_page(RunData(run.folder), elsewhere=_ELSEWHERE, links=_links(name))

        try:
            self._put(name, [digest(files_of(run.folder))], make)
        except DataFormatError as error:
            self._tell(f"No report: {error}")
            return Listed(run, summary, "", str(error).replace(str(run.folder), f"results/{run.folder.name}"))
        return Listed(run, summary, name)

    def _step(self, step: StepHistory, listed: Sequence[Listed]) -> None:
        """Make the page of a step."""
        name, workload = names.step_page(step.case), step.case.workload
        pages = {item.key: f"../{item.page}" for item in listed if item.page and item.key in step.runs}
        title = next(item.summary.title(workload) for item in listed if item.key in step.runs)

        def make() -> str:
            pictures = {
                f"history-{place}": html.drawings(partial(_drawn, history))
                for place, history in enumerate(step.histories)
                if len(history.series[0].measured) > 1
            }
            return html.render(step_page(step, title, pages, pictures, _links(name)), pictures)

        self._put(name, [history_json(step.histories), title, list(pages.values())], make)

    def _about_all(self, listed: Sequence[Listed]) -> None:
        """Make the pages about all runs; the list last, since it leads to the others."""
        machines = MachineNames(item.run.machine for item in listed)
        steps = {step.case: names.step_page(step.case) for step in self._steps}
        self._machines(listed, machines, steps)
        document = index(listed, machines, self._histories, steps, self._aside, _links(names.INDEX))
        content = html.render(document, {})
        self._put(names.INDEX, [content], partial(str, content))

    def _machines(self, listed: Sequence[Listed], machines: MachineNames, steps: Mapping[Case, str]) -> None:
        """Make the page of the machines; its figures are of the newest run of each."""
        newest = [item.run.folder.resolve() for item in newest_runs(listed, machines)][:MOST]
        several = read_several(newest) if len(newest) > 1 else None

        def written(pictures: Mapping[str, Mapping[str, bytes]]) -> str:
            document = side_by_side(listed, machines, steps, several, tuple(pictures), _links(names.MACHINES))
            return html.render(document, pictures)

        def make() -> str:
            if several is None or not several.shared:
                return written({})
            data = RunsData(several, several.members[0].folder)
            pictures, _ = figures.of_each(
                several_figures(), lambda name: html.drawings(lambda look: figures.picture(data, name, "svg", look))
            )
            return written(pictures)

        self._put(names.MACHINES, [written({}), digest(several.files) if several else ""], make)


def _drawn(history: History, look: Look) -> bytes:
    return draw_history([history], "svg", look=look)


def _page_of(run: RunFiles) -> str:
    return names.run_page(run.folder.name)


def _links(page: str) -> tuple[Link, ...]:
    """Return the ways from a page to those that every page leads to; to the page itself there is none."""
    top = "../" * page.count("/")
    ways = {"Runs": names.INDEX, "Steps over time": f"{names.INDEX}#steps", "Machines side by side": names.MACHINES}
    return tuple(Link(text, "" if name == page else f"{top}{name}") for text, name in ways.items())


def _program() -> str:
    """Return a digest of what draws and writes pages, so that none of another version is taken for one of this."""
    files = sorted(path for path in Path(bench.__file__).parent.rglob("*") if path.suffix in _PROGRAM)
    return f"{digest(files)} matplotlib {version('matplotlib')}"
