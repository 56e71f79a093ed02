"""The sources of figures: the files of a run, read when first asked for, and the meaning of their columns.

All that the figures know about a case's columns, sizes and workloads is in this file and in `_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.baseline import check_baseline
from bench.analysis.history import History, RunFiles, histories, in_order
from bench.analysis.invalid import throttled_rounds
from bench.analysis.ladder import Ladder, ladders
from bench.analysis.packages import backends_in, packages_of
from bench.analysis.profile import Profiles, profiles
from bench.analysis.runs import read_runs
from bench.analysis.spreading import Spreading, spreadings
from bench.analysis.summarise import summarise
from bench.analysis.whole import is_whole
from bench.data.column import sizes_in
from bench.data.run import StoredRun, case_of, summary_rows
from bench.data.schema import HOST, STEP, Status, SummaryRow
from bench.data.store import CROSSOVERS, MANIFEST, PROCESSES, SAMPLES, SUMMARY
from bench.data.tables import table_of
from bench.errors import DataFormatError, NothingToShowError, UsageError
from bench.machine.identity import machine_of
from bench.model.case import CONDITIONS, case_columns_among
from bench.output.figures._cast import Cast, Choice
from bench.output.figures._rows import left_out
from bench.output.names import counted
from bench.output.provenance import digest

DEVICE_CONDITIONS = ("device", *(column.name for column in CONDITIONS))
"""Columns that cases must share to lie under the same ceilings."""
_NO_BREAK = "\u00a0"


@dataclass(frozen=True, eq=False)
class TimedCase:
    """A measured case with its samples, in the order in which they were taken."""

    row: pd.Series[Any]
    """Its headline row of the summary."""
    steps: pd.DataFrame
    """Its rows of `RunData.steps`."""

    @property
    def median(self) -> float:
        """The median in the summary, in seconds."""
        return float(self.row["median_seconds"])

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """The time of each sample."""
        return self.steps["seconds"].to_numpy(dtype=float)

    @cached_property
    def process(self) -> NDArray[np.int64]:
        """The number of each sample's process within the case, from 0."""
        process = self.steps["process"].to_numpy(dtype=int)
        return np.cumsum(np.diff(process, prepend=process[0]) != 0)

    @cached_property
    def medians(self) -> NDArray[np.float64]:
        """The median of each process, from the shortest to the longest."""
        return np.sort(self.steps.groupby("process")["seconds"].median().to_numpy(dtype=float))

    @cached_property
    def flags(self) -> dict[str, NDArray[np.bool_]]:
        """Marks of the samples that carry each flag that there is."""
        texts = self.steps["flags"].astype("category").cat
        words = [set(text.split()) for text in texts.categories]
        marks = {kind: np.array([kind in each for each in words])[texts.codes] for kind in sorted(set().union(*words))}
        return {kind: marked for kind, marked in marks.items() if marked.any()}

    @cached_property
    def flagged(self) -> NDArray[np.bool_]:
        """Marks of the samples that carry any flag."""
        return self.steps["flags"].astype(bool).to_numpy(dtype=bool)


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the files of a run that all about it is drawn and written from."""
    return tuple(folder / name for name in (MANIFEST, SUMMARY, SAMPLES, PROCESSES, CROSSOVERS))


class RunData(StoredRun):
    """A run on disk, never a live one. Frames are shared by all figures: do not change them."""

    def __init__(self, folder: Path, baseline: str = "", choice: Choice | None = None) -> None:
        """Read manifest and summary.

        Args:
            folder: the run's folder.
            baseline: what speedups are to be over, if not what they were when it was measured.
            choice: which implementations are shown, in which order and under which names; by default all as they are.

        Raises:
            DataFormatError: a file is missing, damaged or of another version, or nothing was measured.
            UsageError: no measured case is that baseline, or the choice does not fit the run.
            NothingToShowError: another baseline needs the samples, which were not kept.
        """
        super().__init__(folder)
        self.digest = cache(digest)  # computed once for all figures
        self.choice = choice or Choice()
        _ = self.manifest
        if not (self.summary["status"] == Status.OK.value).any():
            raise DataFormatError(f"{folder} has no case that was measured: there is nothing to draw.")
        self.choice.check(self.summary["implementation"].unique().tolist())
        self.cast = self._cast()  # before anything is left out, so that colours do not depend on it
        """What its contenders are called and look like."""
        self.options = [*(["--baseline", baseline] if baseline else []), *self.choice.options]
        """Options of the commands that show it so."""
        if baseline:
            check_baseline(baseline, [case_of(row) for row in self.headline.to_dict("records")])
            self.manifest = self.manifest.model_copy(update={"baseline": baseline})
            rows = summarise(self.manifest, self.samples, self.processes)
            self.summary = table_of(SummaryRow, rows, sizes_in(self.summary.columns))
            del self.headline  # it is of the other baseline
        self._every = self.summary
        if self.choice.only:
            self.summary = self.summary[self.summary["implementation"].isin(self.choice.only)]
            self.__dict__.pop("headline", None)
            if not len(self.headline):
                raise UsageError(f"--only {','.join(self.choice.only)}: none of its cases was measured; name others.")

    def _cast(self) -> Cast:
        """Give numbers to what was measured in the order of the summary, and after it what was not."""
        rows = self.summary.assign(lacks=self.summary["status"] != Status.OK.value).sort_values("lacks", kind="stable")
        pairs = rows[["implementation", "backend"]].astype(str).itertuples(index=False, name=None)
        measured = rows[rows["implementation"] == rows["baseline"]]["implementation"].unique()
        return Cast.of(pairs, measured, self.choice.renamed)

    @property
    def words(self) -> list[str]:
        """The run, as a command names it; a moved folder gives the same."""
        return [f"results/{self.run_id}"]

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.manifest.run_id

    @property
    def measured_by(self) -> list[str]:
        """The command that measured it."""
        return self.manifest.command

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files of the run itself."""
        return files_of(self.folder)

    @property
    def has_samples(self) -> bool:
        """Whether its samples were kept; the summary stands without them."""
        return (self.folder / SAMPLES).exists()

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The samples of finished processes; texts are categories.

        Raises:
            NothingToShowError: they were not kept.
        """
        if not self.has_samples:
            raise NothingToShowError(f"{self.folder / SAMPLES}, the single samples, is not there: restore the file.")
        found = StoredRun(self.folder).samples
        return found[found["process"].isin(self.processes["process"])]

    @property
    def _key(self) -> list[str]:
        """The columns that tell two of its cases apart."""
        return case_columns_among(self.summary.columns)

    @cached_property
    def headline(self) -> pd.DataFrame:
        """The summary's rows of measured whole steps over the workload's own mix of variants."""
        rows = self.summary
        rows = rows[is_whole(rows) & (rows["status"] == Status.OK.value) & rows["median_seconds"].notna()]
        places = rows["implementation"].map({name: place for place, name in enumerate(self.choice.order)})
        return rows.loc[places.sort_values(kind="stable").index] if self.choice.order else rows

    @cached_property
    def _cases(self) -> pd.DataFrame:
        """The columns of each case with a headline row, and that row's label as `case`."""
        return self.headline[self._key].rename_axis("case").reset_index()

    @cached_property
    def parts(self) -> dict[Any, pd.DataFrame]:
        """The summary's rows of each measured case by the host's clock, by the label of its headline row."""
        rows = self.summary[self.summary["clock"] == HOST].merge(self._cases, on=self._key)
        return dict(iter(rows.groupby("case")))

    @cached_property
    def steps(self) -> pd.DataFrame:
        """The whole steps behind the summary's headline rows, case by case in the order in which they were taken.

        Columns: `case` (label of the headline row), `process`, `seconds` an iteration, `flags`, and `counts`: False
        in throttled rounds, which the summary leaves out.
        """
        key = self._key
        cases = self.processes[["process", "round", *key]].merge(self._cases, on=key)[["process", "round", "case"]]
        found = self.samples[is_whole(self.samples)].merge(cases, on="process")
        frame = found[["process", "turn", "round", "case"]].astype(int)
        frame["seconds"] = found["seconds"] / found["iterations"].astype(float)
        frame["flags"] = found["flags"]
        frame["counts"] = ~frame["round"].isin(throttled_rounds(self.processes))
        return frame.sort_values(["case", "round", "process", "turn"], ignore_index=True)

    def timed(self, rows: pd.DataFrame, counting: bool = False) -> list[TimedCase]:
        """Return the cases of these headline rows whose samples show a time; if counting, without throttled rounds.

        Raises:
            NothingToShowError: there is no such case.
        """
        steps = self.steps[self.steps["counts"]] if counting else self.steps
        groups: dict[Any, pd.DataFrame] = dict(iter(steps.groupby("case")))
        cases = [TimedCase(row, groups[label]) for label, row in rows.iterrows() if label in groups]
        found = [case for case in cases if (case.steps["seconds"] > 0).any()]
        if not found:
            raise NothingToShowError("samples.csv holds no whole step of its cases: restore the file or measure anew.")
        return found

    @cached_property
    def neighbours(self) -> list[RunFiles]:
        """The runs in the folder that holds this one and of its machine, itself included, as they were measured."""
        here, (runs, _) = machine_of(self.manifest.machine), read_runs(self.folder.resolve().parent)
        return in_order(run for run in runs if run.machine == here)

    @cached_property
    def histories(self) -> tuple[History, ...]:
        """The series of this run's cases that were measured more than once among the `neighbours`."""
        runs, found, own = [], [], (self.manifest.run_id, self.manifest.created)
        for run in self.neighbours:
            lacking = {name: 0 for name in self._key if name not in run.summary}  # a size of 0 is none
            rows = run.summary.assign(**lacking).merge(self._cases[self._key], on=self._key)
            runs.append(replace(run, summary=rows))
        for history in histories(runs):
            held = [each for each in history.series if own in {(at.run_id, at.created) for at in each.measured}]
            held = [each for each in held if len(each.measured) > 1]
            found += [replace(history, series=tuple(held))] if held else []
        return tuple(found)

    @cached_property
    def ladders(self) -> list[Ladder]:
        """The ladders of its workloads and sizes."""
        return ladders(self.manifest, summary_rows(self.summary), self.samples, self.processes)

    @cached_property
    def spreadings(self) -> list[Spreading]:
        """Its steps over several numbers of devices."""
        return spreadings(self.manifest, summary_rows(self.summary), self.samples, self.processes)

    @cached_property
    def profiles(self) -> Profiles:
        """Its contenders over all of its problems."""
        return profiles(self.manifest, summary_rows(self.summary), self.samples, self.processes)

    @property
    def planned(self) -> pd.DataFrame:
        """The headline rows, and a row of each case that has none because it was wrong, failed or did not run."""
        failed = self.summary[(self.summary["status"] != Status.OK.value) & (self.summary["phase"] == STEP)]
        return pd.concat([self.headline, failed])

    def by_time(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return headline rows in the order in which bars stand: as the author asked, then from the fastest on."""
        last = len(self.choice.order)
        places = rows["implementation"].map({name: place for place, name in enumerate(self.choice.order)}).fillna(last)
        return rows.loc[rows.assign(place=places).sort_values(["place", "median_seconds"], kind="stable").index]

    def left_out(self, shown: pd.DataFrame, lacking: str = "") -> str:
        """Return in words which cases a figure does not show and why, counted and named; empty if there are none.

        Args:
            shown: the rows of the summary that the figure can show, also those for which it has no room.
            lacking: why it cannot show other cases that were measured, such as "without a speedup".
        """
        parts = left_out(self.planned, shown, lacking, self.cast)
        if self.choice.only:
            hidden = set(self._every[self._every["phase"] == STEP]["implementation"]) - set(self.choice.only)
            parts += [f"{counted(len(hidden), 'implementation')} left out by --only"] if hidden else []
        return f"Not shown: {'; '.join(parts)}." if parts else ""

    def foot(self, shown: pd.DataFrame, lacking: str = "") -> str:
        """Return the foot of a figure of these rows: what it does not show, and where its numbers come from.

        Args:
            shown: see `left_out`.
            lacking: see there.
        """
        return "\n".join(filter(None, [self.left_out(shown, lacking), self.source]))

    @property
    def source(self) -> str:
        """The machine, versions and the run's id, as the foot of a figure says them."""
        manifest, machine = self.manifest, self.manifest.machine
        versions = {"Python": str(machine.get("python"))}
        deciding = [name for backend in backends_in(manifest) for name in packages_of(manifest, backend)]
        versions |= {name: manifest.packages[name] for name in deciding if name in manifest.packages}
        cpus = counted(machine.get("cpus_usable"), "CPU").replace(" ", _NO_BREAK)
        software = ", ".join(f"{name}{_NO_BREAK}{version}" for name, version in versions.items())
        return (
            f"{machine.get('cpu')}, {cpus}; {machine.get('system')}; {software}; "
            f"stepbench{_NO_BREAK}{manifest.stepbench}, run{_NO_BREAK}{manifest.run_id}"
        )

    def asked(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of cases that were asked for, without those that refinement added around crossovers."""
        key = self._key
        added = {tuple(item.columns.get(name, 0) for name in key) for item in self.manifest.cases if item.added}
        return rows[[each not in added for each in rows[key].itertuples(index=False, name=None)]]

    def asked_sizes(self, axis: str) -> Sequence[object]:
        """Return the sizes along an axis that were asked for."""
        return self.manifest.axes.get(axis, [])
