"""What is looked at before a table is believed: its cells and intervals, that no row stands twice, whose rows they are.

The order of rows is that of the lines of the file, of which the first holds the names of the columns.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from bench.data.column import Column
from bench.data.crossing import CrossoverRow
from bench.data.manifest import Manifest
from bench.data.schema import Method, ProcessRow, SummaryRow
from bench.errors import DataFormatError, brief, quoted
from bench.model.case import case_columns_among

if TYPE_CHECKING:
    import pandas as pd

LONGEST_LINE = 1 << 20
"""Bytes: far more than any row of stepbench has."""
_ROUNDING = 1e-9
"""What the ends of an interval may be wrong by, as a share."""
_LARGEST = {int: 2**63 - 1, float: np.inf}
_CURE = "restore the file or choose another run."


def damaged(path: Path, line: int, what: str) -> DataFormatError:
    """Make the error for a line of a table, counted from 1."""
    return DataFormatError(f"{path} is damaged: line {line} {what}; {_CURE}")


def check_lines(path: Path, file: BinaryIO, fields: int) -> None:
    """Refuse a line with too few or too many fields, which pandas would fill up, or one that is endless.

    Raises:
        DataFormatError: the first such line.
    """
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
        if len(line) == LONGEST_LINE:
            raise damaged(path, number, f"is longer than {LONGEST_LINE >> 20} MiB")
        found = len(_cells(path, number, line)) if b'"' in line else line.count(b",") + 1
        if found != fields:
            raise damaged(path, number, f"has {found} fields, not {fields}")


def _cells(path: Path, number: int, line: bytes) -> list[str]:
    text = line.decode("utf-8", errors="replace").rstrip("\r\n")
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))  # a comma may stand inside quotes
    except csv.Error as error:
        raise damaged(path, number, f"cannot be read ({error})") from error


def check_cells(path: Path, file: BinaryIO, columns: Sequence[Column]) -> None:
    """Refuse the first cell that is not of its column's kind.

    Raises:
        DataFormatError: there is one.
    """
    file.readline()
    for number, line in enumerate(file, start=2):
        for column, text in zip(columns, _cells(path, number, line), strict=True):
            if not _is_a(column.kind, text):
                kinds = {int: "whole number", float: "number", bool: "truth value"}
                raise damaged(path, number, f"has {quoted(text)} as {column.name}, which is no {kinds[column.kind]}")


def _is_a(kind: type, text: str) -> bool:
    if kind is str or not text:
        return True
    if kind is bool:
        return text in ("true", "false")
    try:
        return bool(abs(kind(text)) <= _LARGEST[kind])
    except ValueError:
        return False


def check_values(path: Path, frame: pd.DataFrame, columns: Iterable[Column]) -> None:
    """Refuse the first cell that its column cannot hold, and the first interval that does not hold its estimate.

    An end that rounding has put on the wrong side of its estimate is set upon it.

    Raises:
        DataFormatError: there is one.
    """
    # By differences of two measurements, which may come out the wrong way round.
    free = (frame["method"] == Method.BATCHED.value).to_numpy(dtype=bool) if "method" in frame else False
    for column in columns:
        found = frame[column.name]
        if column.kind in (int, float):
            numbers = found.to_numpy(dtype=float, na_value=np.nan)
            odd = (numbers > column.most) | (numbers < column.least)
            odd &= ~(free & (column.kind is float) & np.isfinite(numbers))
            why = f"which is not {_range(column)}"
        elif column.pattern:
            odd, why = ~found.str.fullmatch(column.pattern).to_numpy(dtype=bool), "which makes no sense"
        elif column.values:
            known = [*column.values, ""] if column.optional else column.values
            odd, why = ~found.isin(known).to_numpy(dtype=bool), "which is none of its values"
        else:
            continue
        if odd.any():
            place = int(odd.argmax())
            raise damaged(path, place + 2, f"has {quoted(found.iloc[place])} as {column.name}, {why}")
    for low, value, high in _intervals(list(frame.columns)):
        ends = frame[[low, value, high]].to_numpy(dtype=float, na_value=np.nan)
        width = _ROUNDING * np.abs(ends[:, 1])
        odd = (ends[:, 0] > ends[:, 1] + width) | (ends[:, 1] > ends[:, 2] + width) | (ends[:, 0] > ends[:, 2])
        odd |= np.isnan(ends[:, 0]) != np.isnan(ends[:, 2])
        if odd.any():
            place = int(odd.argmax())
            told = ", ".join(f"{name} {quoted(frame[name].iloc[place])}" for name in (low, value, high))
            raise damaged(path, place + 2, f"holds an interval that makes no sense: {told}")
        for name, beyond in ((low, ends[:, 0] > ends[:, 1]), (high, ends[:, 1] > ends[:, 2])):
            if beyond.any():
                frame.loc[beyond, name] = frame.loc[beyond, value]


def _range(column: Column) -> str:
    if column.kind is float and column.least > 0:
        return "positive and finite"
    least = f"at least {column.least:.0f}"
    if column.kind is int and column.most < 2**63:
        return f"from {column.least:.0f} to {column.most:.0f}"
    return least if column.kind is int or column.most == np.inf else f"finite and {least}"


def _intervals(names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for low in names:
        if low.endswith("_low"):
            yield low, low.removesuffix("_low"), f"{low.removesuffix('_low')}_high"
    if "low_seconds" in names:
        yield "low_seconds", "median_seconds", "high_seconds"


def check_keys(path: Path, frame: pd.DataFrame, row_type: type) -> None:
    """Refuse a row that says again what another one says.

    Raises:
        DataFormatError: there is one.
    """
    names = list(frame.columns)
    if row_type is ProcessRow:
        key = ["process"]
    elif row_type is SummaryRow:
        key = [*case_columns_among(names), "phase", "method", "clock", "variant"]
    elif row_type is CrossoverRow:
        key = [name for name in names[: names.index("crossing") + 1] if name != "status"]
    else:
        return
    odd = frame.duplicated(key).to_numpy(dtype=bool)
    if odd.any():
        place = int(odd.argmax())
        groups = frame.groupby(key, dropna=False, observed=True, sort=False).ngroup().to_numpy()
        first = int((groups == groups[place]).argmax())
        raise damaged(path, place + 2, f"is about the same as line {first + 2}, and only one of them can count")


def check_owner(path: Path, frame: pd.DataFrame, manifest: Manifest) -> None:
    """Refuse rows of another run, and of cases that are not in the run's plan.

    Raises:
        DataFormatError: there is one.
    """
    odd = (frame["run_id"] != manifest.run_id).to_numpy(dtype=bool)
    if odd.any():
        place = int(odd.argmax())
        other, own = quoted(frame["run_id"].iloc[place]), quoted(manifest.run_id)
        raise damaged(path, place + 2, f"is of run {other}, not of {own}")
    if "implementation" not in frame:
        return
    names = case_columns_among(frame.columns)
    planned = {tuple(item.columns.get(name, 0) for name in names) for item in manifest.cases}
    for place, case in enumerate(frame[names].itertuples(index=False, name=None)):
        if case not in planned:
            raise damaged(path, place + 2, f"is of a case that is not in the run's plan: {brief(case)}")
