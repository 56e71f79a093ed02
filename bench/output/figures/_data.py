"""What figures are drawn from: the files of a run, each read when a figure first asks for it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.invalid import throttled_rounds
from bench.analysis.whole import whole_steps
from bench.data.schema import CASE_KEY, Manifest
from bench.data.store import (
    CROSSOVERS,
    MANIFEST,
    PROCESSES,
    SAMPLES,
    SUMMARY,
    read_crossovers,
    read_manifest,
    read_processes,
    read_samples,
    read_summary,
)
from bench.errors import DataFormatError
from bench.output.figures._style import headline

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.history import History, RunFiles


class RunData:
    """A run on disk, never a live one. Frames are shared by all figures: do not change them."""

    def __init__(self, folder: Path) -> None:
        """Read manifest and summary.

        Raises:
            DataFormatError: a file is missing, damaged or of another version, or nothing was measured.
        """
        self.folder = folder
        self.manifest: Manifest = read_manifest(folder)
        self.summary: pd.DataFrame = read_summary(folder)
        if not (self.summary["status"] == "ok").any():
            raise DataFormatError(f"{folder} has no case that was measured: there is nothing to draw.")

    @cached_property
    def samples(self) -> pd.DataFrame:
        """Those of finished processes; texts are categories."""
        found = read_samples(self.folder)
        return found[found["process"].isin(self.processes["process"])]

    @cached_property
    def processes(self) -> pd.DataFrame:
        """One row a measuring process."""
        return read_processes(self.folder)

    @cached_property
    def steps(self) -> pd.DataFrame:
        """The whole steps behind the summary's headline rows, case by case in the order in which they were taken.

        Columns: `case` (label of the headline row), `process`, `seconds` an iteration, `flags`, and `counts`: False
        in throttled rounds, which the summary leaves out.
        """
        import pandas as pd

        processes = self.processes
        cases = headline(self.summary)[list(CASE_KEY)].rename_axis("case").reset_index()
        numbers = processes[[*CASE_KEY, "process"]].drop_duplicates("process")
        case_of = numbers.merge(cases, on=list(CASE_KEY)).set_index("process")["case"]
        found = whole_steps(self.samples)
        found = found[found["process"].isin(case_of.index)]
        each = found["seconds"] / found["iterations"].astype(float)
        frame = pd.DataFrame(
            {
                "case": found["process"].map(case_of).to_numpy(dtype=int),
                "round": found["round"].to_numpy(dtype=int),
                "process": found["process"].to_numpy(dtype=int),
                "sample": found["sample"].to_numpy(dtype=int),
                "seconds": each.to_numpy(dtype=float),
                "flags": found["flags"].array,
                "counts": ~found["round"].isin(throttled_rounds(processes)).to_numpy(dtype=bool),
            }
        )
        return frame.sort_values(["case", "round", "process", "sample"], ignore_index=True)

    @cached_property
    def crossovers(self) -> pd.DataFrame:
        """See `CrossoverRow`; no rows for a run that varies no size."""
        return read_crossovers(self.folder)

    @cached_property
    def siblings(self) -> list[RunFiles]:
        """All runs that can be read in the folder that holds this one, itself included."""
        from bench.output.runs import read_runs

        return read_runs(self.folder.resolve().parent)[0]

    @cached_property
    def neighbours(self) -> list[RunFiles]:
        """The `siblings` that ran on the same machine, in the order in which they were measured."""
        from bench.analysis.history import moment
        from bench.machine.identity import machine_of

        here = machine_of(self.manifest.machine)
        found = [run for run in self.siblings if run.machine == here]
        return sorted(found, key=lambda run: (moment(run.manifest.created), run.manifest.run_id))

    @cached_property
    def histories(self) -> tuple[History, ...]:
        """The series of this run's cases over all `neighbours`; no history if there is no such series."""
        from bench.analysis.history import histories

        cases = headline(self.summary)[list(CASE_KEY)]
        runs = [replace(run, summary=run.summary.merge(cases, on=list(CASE_KEY))) for run in self.neighbours]
        own = (self.manifest.run_id, self.manifest.created)
        found = []
        for history in histories(runs):
            held = [each for each in history.series if own in {(at.run_id, at.created) for at in each.measured}]
            found += [replace(history, series=tuple(held))] if held else []
        return tuple(found)

    @property
    def inputs(self) -> list[Path]:
        """The files of the run itself."""
        return [self.folder / name for name in (MANIFEST, SUMMARY, SAMPLES, PROCESSES, CROSSOVERS)]
