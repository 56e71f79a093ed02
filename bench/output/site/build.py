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
from bench.analysis.steps import StepHistory, by_step
from bench.data.run import summary_rows
from bench.data.schema import STEP
from bench.errors import DataFormatError
from bench.output.content.history import RunKey, history_json
from bench.output.content.index import Listed, index, kind_of
from bench.output.content.machines import side_by_side
from bench.output.content.steps import step_page
from bench.output.content.summary import Summary
from bench.output.document import Link
from bench.output.figures import Look, RunData
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
class Built:
    """What a build did."""

    runs: int
    pages: int
    made: int
    """Pages that were not as an earlier build left them."""
    removed: int
    passed_over: Sequence[PassedOver]


def build(runs: Path, folder: Path, tell: Callable[[str], object]) -> Built:
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

    found, passed_over = runs_below(runs, pass_over)
    return _Build(runs, SiteFolder(folder, runs), tell, found, passed_over).all()


class _Build:
    """A site that is being built."""

    def __init__(
        self,
        runs: Path,
        site: SiteFolder,
        tell: Callable[[str], object],
        found: Sequence[RunFiles],
        passed_over: Sequence[PassedOver],
    ) -> None:
        self._name, self._site, self._tell = runs.resolve().name, site, tell
        self._runs, self._passed_over = in_order(found)[::-1], passed_over
        self._program = _program()
        self._histories = histories(found)
        self._steps = by_step(self._histories)
        self._made = 0

    def all(self) -> Built:
        """Make all pages, and remove those of what is gone."""
        pages = [*(_page_of(run) for run in self._runs), *(names.step_page(step.case) for step in self._steps)]
        self._site.begin([names.INDEX, names.MACHINES, *pages])
        listed = [self._listed(run) for run in self._runs]
        for step in self._steps:
            self._step(step, {item.key: f"../{item.page}" for item in listed if item.page})
        self._about_all(listed)
        removed = self._site.finish()
        return Built(len(listed), len(pages) + 2, self._made, len(removed), self._passed_over)

    def _put(self, name: str, sources: Sequence[object], make: Callable[[], str]) -> None:
        """Write a page if any of these sources, or stepbench itself, is not what it was made of."""
        told = json.dumps([self._program, *sources])
        if self._site.put(name, hashlib.sha256(told.encode()).hexdigest(), make):
            self._made += 1
            self._tell(f"wrote {self._site.folder / name}")

    def _listed(self, run: RunFiles) -> Listed:
        """Make the report of a run; where that cannot be, the list says why."""
        summary = Summary(summary_rows(run.summary), run.manifest)
        name = _page_of(run)
        try:
            data = RunData(run.folder)
            make = partial(report_page, data, elsewhere=_ELSEWHERE, links=_links(name))
            self._put(name, [digest(data.inputs)], make)
        except DataFormatError as error:
            self._tell(f"No report: {error}")
            return Listed(run, summary, "", str(error).replace(f"{run.folder}", run.folder.name))
        return Listed(run, summary, name)

    def _step(self, step: StepHistory, pages: Mapping[RunKey, str]) -> None:
        sources = [history_json(step.histories), [[*key, page] for key, page in pages.items()]]
        self._put(names.step_page(step.case), sources, lambda: self._history(step, pages))

    def _history(self, step: StepHistory, pages: Mapping[RunKey, str]) -> str:
        """Return the page of a step."""
        drawn, pictures = {}, {}
        for place, history in enumerate(step.histories):
            if len(history.series[0].measured) > 1:
                drawn[place] = f"history-{place}"
                pictures[drawn[place]] = html.drawings(partial(self._drawn, history))
        newest = next(run.manifest for run in self._runs if step.case.workload in run.manifest.workloads)
        title = newest.workloads[step.case.workload].title
        return html.render(step_page(step, title, pages, drawn, _links(names.step_page(step.case))), pictures)

    def _drawn(self, history: History, look: Look) -> bytes:
        case = history.series[0].case
        words = ["bench", "history", self._name, "-i", case.implementation, "--backend", case.backend]
        return draw_history([history], "svg", STEP, self._runs, words, look)

    def _about_all(self, listed: Sequence[Listed]) -> None:
        """Write the pages about all runs; the list last, since it leads to the others."""
        machines = MachineNames(run.machine for run in self._runs)
        steps = {step.case: names.step_page(step.case) for step in self._steps}
        pages = {
            names.MACHINES: side_by_side(listed, machines, steps, _links(names.MACHINES)),
            names.INDEX: index(listed, machines, self._histories, steps, self._passed_over, _links(names.INDEX)),
        }
        for name, document in pages.items():
            content = html.render(document, {})
            self._put(name, [content], partial(str, content))


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
