"""A stored run: its files as frames, read when they are first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.checks import check_owner
from bench.data.column import columns_of
from bench.data.manifest import Manifest
from bench.data.schema import Method, Status, SummaryRow
from bench.data.store import (
    CROSSOVERS,
    PROCESSES,
    SUMMARY,
    read_crossovers,
    read_manifest,
    read_processes,
    read_samples,
    read_summary,
)
from bench.errors import DataFormatError, brief
from bench.model.case import Case, case_columns_among

if TYPE_CHECKING:
    import pandas as pd


class StoredRun:
    """The folder of a run. Each file is read once; one that is damaged or another run's raises DataFormatError then."""

    def __init__(self, folder: str | Path) -> None:
        """Look at a folder; nothing is read yet."""
        self.folder = Path(folder)

    @cached_property
    def manifest(self) -> Manifest:
        """The plan and the circumstances of the run."""
        return read_manifest(self.folder)

    @cached_property
    def processes(self) -> pd.DataFrame:
        """Measuring processes, one a row, with the columns of their cases."""
        return self._own(PROCESSES, read_processes(self.folder))

    @cached_property
    def samples(self) -> pd.DataFrame:
        """Recorded times, one a row; `process` says whose."""
        return read_samples(self.folder)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Results, one row a case and phase."""
        return self._own(SUMMARY, read_summary(self.folder))

    @cached_property
    def crossovers(self) -> pd.DataFrame:
        """Changes of order along a swept size; no rows where nothing was swept."""
        return self._own(CROSSOVERS, read_crossovers(self.folder))

    def _own(self, name: str, rows: pd.DataFrame) -> pd.DataFrame:
        check_owner(self.folder / name, rows, self.manifest)
        return rows

    @cached_property
    def joined(self) -> pd.DataFrame:
        """Samples beside all that processes.csv holds about their processes; of those that finished only."""
        return self.samples.merge(self.processes, on="process", how="inner", validate="many_to_one")


def case_of(row: Mapping[Any, Any]) -> Case:
    """Make the case of a row of processes.csv or summary.csv.

    Raises:
        DataFormatError: a column holds what no case can have.
    """
    try:
        return Case.from_columns(row)
    except (KeyError, ValueError) as error:
        told = f"{brief(row['run_id'])} holds a case that makes no sense: {brief(error)}"
        raise DataFormatError(f"A row of run {told}; restore its files.") from error


def summary_rows(frame: pd.DataFrame) -> list[SummaryRow]:
    """Return the rows of a frame as `SummaryRow`; an empty cell is None again."""
    columns = [column for column in columns_of(SummaryRow) if column.path == (column.name,)]
    found = []
    for record in frame.to_dict("records"):
        values: dict[str, Any] = {}
        for column in columns:
            value = record[column.name]
            unknown = value == "" if column.kind is str else value is None or value != value or str(value) == "<NA>"
            values[column.name] = None if unknown and column.optional else column.kind(value)
        values["status"] = Status(values["status"])
        values["method"] = None if values["method"] is None else Method(values["method"])
        found.append(SummaryRow(case=case_of(record), **values))
    return found


def cases_by_process(processes: pd.DataFrame) -> dict[int, Case]:
    """Look up what each process measured.

    Args:
        processes: a frame with the columns of `ProcessRow`.
    """
    known: dict[tuple[object, ...], Case] = {}
    found = {}
    names = case_columns_among(processes.columns)
    for row in processes[["run_id", "process", *names]].to_dict("records"):
        key = tuple(row[name] for name in names)
        if key not in known:
            known[key] = case_of(row)
        found[int(row["process"])] = known[key]
    return found
