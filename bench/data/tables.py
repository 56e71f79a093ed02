"""Reading CSV files with checks: a damaged one is an error that names the line, never a wrong number."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data import older
from bench.data.cells import originals
from bench.data.column import Column, columns_of, sizes_in
from bench.data.schema import SCHEMA_VERSION
from bench.errors import DataFormatError

if TYPE_CHECKING:
    import pandas as pd

_PANDAS_TYPES = {int: "Int64", float: "float64", bool: "boolean"}


def version_message(path: Path, found: object) -> str:
    """Say which versions can be read, and the cure for another one."""
    return (
        f"{path} has schema version {found}, and this stepbench reads versions {older.VERSION} and {SCHEMA_VERSION}: "
        "read it with the stepbench that wrote it."
    )


def header_of(path: Path) -> list[str]:
    """Read the names of the columns that a file has; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.readline().decode("utf-8", errors="replace").rstrip("\r\n").split(",")
    except OSError:
        return []


def has_older_columns(path: Path) -> bool:
    """Say whether the header of a file is that of the version before."""
    return header_of(path) == [column.name for column in older.columns(path.name)]


def lacks_columns(path: Path, row_type: type) -> bool:
    """Say whether a file is of the present version, from before some columns joined it."""
    names = header_of(path)
    added = {column.name for column in columns_of(row_type) if column.added}
    return not has_older_columns(path) and not added <= set(names)


def read_table(path: Path, row_type: type, text: str = "str") -> pd.DataFrame:
    """Read a CSV file whose columns are those of a row class, or were so in the version before.

    A size that the workload of a row does not have is 0 in the frame, so that rows can be grouped by sizes.

    Args:
        path: the file.
        row_type: gives the columns.
        text: what pandas keeps texts as: `str` or `category`.

    Raises:
        DataFormatError: the file is missing, damaged or of another version.
    """
    if has_older_columns(path):
        before = older.columns(path.name)
        frame = older.frame(read_csv(path, before, older.VERSION, text), columns_of(row_type, older.SIZES))
    else:
        names = header_of(path)
        columns = columns_of(row_type, sizes_in(names))
        had = tuple(column for column in columns if column.name in names or not column.added)
        frame = read_csv(path, had, SCHEMA_VERSION, text)
        if len(had) < len(columns):
            frame = frame.reindex(columns=[column.name for column in columns])
            frame = frame.assign(**{item.name: "" for item in columns if item not in had and item.kind is str})
    for size in sizes_in(frame.columns):
        if (frame[size] < 1).any():
            raise DataFormatError(f"{path} is damaged: {size} is less than 1; restore the file.")
        frame[size] = frame[size].fillna(0)
    return frame


def read_csv(path: Path, columns: tuple[Column, ...], version: int, text: str) -> pd.DataFrame:
    """Read a CSV file that has exactly these columns.

    Raises:
        DataFormatError: it has others, or a cell that its column cannot hold.
    """
    import pandas as pd

    _check_shape(path, columns)
    options: dict[str, Any] = {
        "keep_default_na": False,
        "na_values": {column.name: [""] for column in columns if column.kind is not str},
        "true_values": ["true"],
        "false_values": ["false"],
    }
    try:
        with path.open("rb") as file:  # pandas would take `http:x` for an address, and `~` for another folder
            frame: pd.DataFrame = pd.read_csv(
                file, dtype={column.name: _PANDAS_TYPES.get(column.kind, text) for column in columns}, **options
            )
    except (ValueError, TypeError, OverflowError, pd.errors.ParserError) as error:
        detail = " ".join(str(error).split())
        raise DataFormatError(f"{path} is damaged: {detail}; restore the file or choose another run.") from error
    for column in columns:
        if not column.optional and column.kind is not str and frame[column.name].isna().any():
            line = int(frame[column.name].isna().to_numpy().argmax()) + 2
            raise DataFormatError(f"{path} is damaged: line {line} has no {column.name}.")
    for column in columns:
        if column.kind is str:
            frame[column.name] = originals(frame[column.name])
    versions = set(frame["schema_version"].unique()) - {version} if "schema_version" in frame else set()
    if versions:
        raise DataFormatError(version_message(path, versions.pop()))
    for column in columns:
        odd = set(frame[column.name].unique()) - {*column.values, ""} if column.values else set()
        if odd:
            raise DataFormatError(f"{path} is damaged: {column.name} is {odd.pop()!r}, which is none of its values.")
    return frame


def table_of(row_type: type, rows: Sequence[object], sizes: Iterable[str]) -> pd.DataFrame:
    """Put rows into the frame that `read_table` would give of their file."""
    import pandas as pd

    def cell(column: Column, value: Any) -> Any:
        return value if column.kind is not str else "" if value is None else str(value)

    columns = columns_of(row_type, sizes)
    frame = pd.DataFrame({each.name: [cell(each, each.value_in(row)) for row in rows] for each in columns})
    frame = frame.astype({column.name: _PANDAS_TYPES.get(column.kind, "str") for column in columns})
    return frame.fillna(dict.fromkeys(sizes_in(frame.columns), 0))


def _check_shape(path: Path, columns: tuple[Column, ...]) -> None:
    """Refuse what is not a complete CSV file with exactly these columns."""
    try:
        with path.open("rb") as file:
            header = file.readline()
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 1))
            last = file.read(1)
    except OSError as error:
        cure = "is its folder that of a run?"
        if path.name == "summary.csv" and (path.parent / "manifest.json").exists():
            cure = f"the run is unfinished, so finish it with `bench run --resume {path.parent}`."
        raise DataFormatError(f"{path} cannot be read ({error.strerror}): {cure}") from error
    expected = [column.name for column in columns]
    found = header.decode("utf-8", errors="replace").rstrip("\r\n").split(",")
    if found != expected:
        if found[0] == expected[0] or found[0] == "schema_version":
            odd = sorted(set(found) ^ set(expected)) or ["their order"]
            raise DataFormatError(f"{path} is of another version: its columns differ in {', '.join(odd)}.")
        raise DataFormatError(f"{path} is not a {path.name} of stepbench: its first line does not name the columns.")
    if last != b"\n":
        raise DataFormatError(f"{path} is cut off: its last line is incomplete; restore the file or run again.")
    _check_fields(path, len(expected))


def _check_fields(path: Path, expected: int) -> None:
    """Refuse a line with too few or too many fields: pandas would fill the missing ones with unknowns."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            found = line.count(b",") + 1
            if found != expected and b'"' in line:  # a comma may stand inside quotes
                found = len(next(csv.reader([line.decode("utf-8", errors="replace")])))
            if found != expected:
                raise DataFormatError(f"{path} is damaged: line {number} has {found} fields, not {expected}.")
