"""What figures are drawn from: the files of a run, read when first asked for, and the meaning of their columns.

All that the figures know about a case's columns, sizes and workloads is in this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.history import History, RunFiles, histories, machine_of, moment
from bench.analysis.invalid import throttled_rounds
from bench.analysis.roofline import compulsory_bytes, gemm_flops
from bench.analysis.whole import whole_steps
from bench.data import store
from bench.data.manifest import Manifest
from bench.data.schema import (
    CASE_KEY,
    HOST,
    SIZES,
    STEP,
    Status,
)
from bench.errors import DataFormatError, NothingToShowError
from bench.model.problem import Dtype, Problem
from bench.model.workload import WORKLOADS
from bench.output.provenance import digest
from bench.output.runs import read_runs
from bench.output.names import VARIANT, common_words, variant_word

DEVICE_CONDITIONS = ("device", "dtype", "threads", "mode", "precision")
"""Columns that cases must share to lie under the same ceilings."""
_KEY = list(CASE_KEY)
_COUNTED = {"batch": "rows", "d_in": "features of an input", "hidden": "units", "d_out": "features of an output"}
_PACKAGES = ("numpy", "torch", "tensorflow")
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
        """Which samples carry each flag that there is."""
        texts = self.steps["flags"].astype("category").cat
        words = [set(text.split()) for text in texts.categories]
        marks = {kind: np.array([kind in each for each in words])[texts.codes] for kind in sorted(set().union(*words))}
        return {kind: marked for kind, marked in marks.items() if marked.any()}

    @cached_property
    def flagged(self) -> NDArray[np.bool_]:
        """Which samples carry any flag."""
        return self.steps["flags"].astype(bool).to_numpy(dtype=bool)


class RunData:
    """A run on disk, never a live one. Frames are shared by all figures: do not change them."""

    def __init__(self, folder: Path) -> None:
        """Read manifest and summary.

        Raises:
            DataFormatError: a file is missing, damaged or of another version, or nothing was measured.
        """
        self.folder = folder
        self._digests: dict[tuple[Path, ...], str] = {}
        self.manifest: Manifest = store.read_manifest(folder)
        self.summary: pd.DataFrame = store.read_summary(folder)
        if not (self.summary["status"] == Status.OK.value).any():
            raise DataFormatError(f"{folder} has no case that was measured: there is nothing to draw.")

    @property
    def inputs(self) -> list[Path]:
        """The files of the run itself."""
        names = (store.MANIFEST, store.SUMMARY, store.SAMPLES, store.PROCESSES, store.CROSSOVERS)
        return [self.folder / name for name in names]

    def digest(self, paths: Sequence[Path]) -> str:
        """Return the digest of files, computed once for all figures."""
        key = tuple(paths)
        if key not in self._digests:
            self._digests[key] = digest(key)
        return self._digests[key]

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The samples of finished processes; texts are categories."""
        found = store.read_samples(self.folder)
        return found[found["process"].isin(self.processes["process"])]

    @cached_property
    def processes(self) -> pd.DataFrame:
        """The measuring processes, one a row."""
        return store.read_processes(self.folder)

    @cached_property
    def crossovers(self) -> pd.DataFrame:
        """The rows of crossovers.csv; none for a run that varies no size."""
        return store.read_crossovers(self.folder)

    @cached_property
    def _cases(self) -> pd.DataFrame:
        """The columns of each case with a headline row, and that row's label as `case`."""
        return headline(self.summary)[_KEY].rename_axis("case").reset_index()

    @cached_property
    def parts(self) -> dict[Any, pd.DataFrame]:
        """The summary's rows of each measured case by the host's clock, by the label of its headline row."""
        rows = self.summary[self.summary["clock"] == HOST].merge(self._cases, on=_KEY)
        return dict(iter(rows.groupby("case")))

    @cached_property
    def steps(self) -> pd.DataFrame:
        """The whole steps behind the summary's headline rows, case by case in the order in which they were taken.

        Columns: `case` (label of the headline row), `process`, `seconds` an iteration, `flags`, and `counts`: False
        in throttled rounds, which the summary leaves out.
        """
        numbers = self.processes[[*_KEY, "process"]].drop_duplicates("process")
        case_of = numbers.merge(self._cases, on=_KEY).set_index("process")["case"]
        found = whole_steps(self.samples)
        found = found[found["process"].isin(case_of.index)]
        frame = found[["round", "process", "sample"]].astype(int)
        frame["case"] = found["process"].map(case_of).astype(int)
        frame["seconds"] = found["seconds"] / found["iterations"].astype(float)
        frame["flags"] = found["flags"]
        frame["counts"] = ~found["round"].isin(throttled_rounds(self.processes))
        return frame.sort_values(["case", "round", "process", "sample"], ignore_index=True)

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
    def siblings(self) -> list[RunFiles]:
        """All readable runs in the folder that holds this one, itself included."""
        return read_runs(self.folder.resolve().parent)[0]

    @cached_property
    def neighbours(self) -> list[RunFiles]:
        """The `siblings` that ran on the same machine, in the order in which they were measured."""
        here = machine_of(self.manifest.machine)
        return in_order(run for run in self.siblings if run.machine == here)

    @cached_property
    def histories(self) -> tuple[History, ...]:
        """The series of this run's cases over all `neighbours`; empty if there is no such series."""
        runs = [replace(run, summary=run.summary.merge(self._cases[_KEY], on=_KEY)) for run in self.neighbours]
        own = (self.manifest.run_id, self.manifest.created)
        found = []
        for history in histories(runs):
            held = [each for each in history.series if own in {(at.run_id, at.created) for at in each.measured}]
            found += [replace(history, series=tuple(held))] if held else []
        return tuple(found)

    @property
    def footer(self) -> str:
        """The machine, versions and the run's id, as the foot of a figure says them."""
        manifest, machine = self.manifest, self.manifest.machine
        versions = {"Python": str(machine.get("python"))}
        versions |= {name: manifest.packages[name] for name in _PACKAGES if name in manifest.packages}
        software = ", ".join(f"{name}{_NO_BREAK}{version}" for name, version in versions.items())
        return (
            f"{machine.get('cpu')}, {machine.get('cpus_usable')}{_NO_BREAK}CPUs; {machine.get('system')}; {software}; "
            f"stepbench{_NO_BREAK}{manifest.stepbench}, run{_NO_BREAK}{manifest.run_id}"
        )

    def asked(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of cases that were asked for, without those that refinement added around crossovers."""
        added = {tuple(item.columns[name] for name in _KEY) for item in self.manifest.cases if item.added}
        return rows[[key not in added for key in rows[_KEY].itertuples(index=False, name=None)]]

    def asked_sizes(self, axis: str) -> Sequence[object]:
        """Return the sizes along an axis that were asked for."""
        return self.manifest.axes.get(axis, [])


def in_order(runs: Iterable[RunFiles]) -> list[RunFiles]:
    """Return runs in the order in which they were measured."""
    return sorted(runs, key=lambda run: (moment(run.manifest.created), run.manifest.run_id))


# Rows of the summary


def headline(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of measured whole steps over the workload's own mix of depths."""
    chosen = (summary["status"] == Status.OK.value) & (summary["phase"] == STEP) & summary["depth"].isna()
    return summary[chosen & (summary["clock"] == HOST) & summary["median_seconds"].notna()]


def contenders(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that stand beside their workload's baseline."""
    return rows[rows["speedup"].notna() & (rows["implementation"] != rows["baseline"])]


def planned_contenders(summary: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return headline rows and rows of failed cases, for each contender that has a speedup somewhere on the axis."""
    failed = summary[(summary["status"] != Status.OK.value) & (summary["phase"] == STEP)]
    rows = pd.concat([headline(summary), failed])
    rows = rows[rows["implementation"] != rows["workload"].map(lambda name: WORKLOADS[name].baseline)]
    rest = [name for name in _KEY if name != axis]
    return rows[rows.groupby(rest)["speedup"].transform("count") > 0]


def along(rows: pd.DataFrame, axis: str | None) -> list[pd.DataFrame]:
    """Return the rows of each contender in the order of an axis of sizes; without an axis, those of each case."""
    fixed = [name for name in ("implementation", "backend", "workload", *SIZES) if name != axis]
    groups: Any = rows.groupby(fixed, sort=False)
    return [inside.sort_values(axis) if axis else inside for _, inside in groups]


def panels(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return titles and rows of panels: by workload in the fixed order, then by what else differs, small to large."""
    differing = [name for name in VARIANT if rows[name].nunique() > 1]
    numbers = [name for name in differing if name in (*SIZES, "threads")]
    found = []
    for workload in WORKLOADS:
        inside = rows[rows["workload"] == workload]
        inside = inside.sort_values(numbers, kind="stable") if numbers else inside
        groups: Any = inside.groupby(["workload", *differing], sort=False)
        for (_, *values), panel in groups:
            found.append((", ".join([workload, *map(variant_word, differing, values)]), panel))
    return found


def varies_sizes(rows: pd.DataFrame) -> bool:
    """Tell whether some size differs between these rows."""
    return any(rows[name].nunique() > 1 for name in SIZES)


def several_backends(rows: pd.DataFrame) -> bool:
    """Tell whether some implementation ran on more than one backend, so that names alone are not enough."""
    return bool(rows.groupby("implementation")["backend"].nunique().max() > 1)


def is_baseline(implementation: str) -> bool:
    """Tell whether speedups of some workload are over this implementation."""
    return any(workload.baseline == implementation for workload in WORKLOADS.values())


# Words and work of a case


def problem_line(rows: pd.DataFrame) -> str:
    """Return sizes, number format, threads and mode in words, as far as all rows share them."""
    return common_words({name: set(rows[name]) for name in VARIANT})


def facts(row: pd.Series[Any], rows: pd.DataFrame) -> list[str]:
    """Return in words what tells a case apart from the others, beside its implementation."""
    workload = [str(row["workload"])] if rows["workload"].nunique() > 1 else []
    return [
        str(row["backend"]),
        *workload,
        *(variant_word(each, row[each]) for each in VARIANT if rows[each].nunique() > 1),
    ]


def size_label(axis: str, how: str = ", log scale") -> str:
    """Return what an axis of sizes is called, with what it counts."""
    return f"{size_word(axis)} ({_COUNTED[axis]}{how})"


def size_word(axis: str) -> str:
    """Return the name of a size as people write it."""
    return axis.replace("_", "-")


def step_work(case: Mapping[Any, Any]) -> tuple[float, float]:
    """Return the operations in the matrix products of a case's step, and the bytes that it must move."""
    problem = Problem(dtype=Dtype(case["dtype"]), **{name: int(case[name]) for name in SIZES})
    workload = WORKLOADS[case["workload"]]
    return gemm_flops(workload, problem, STEP) or 0.0, compulsory_bytes(workload, problem, STEP)
