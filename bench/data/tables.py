"""Reading CSV files with checks: a damaged one is an error that names the line, never a wrong number."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, BinaryIO

from bench.data import older
from bench.data.cells import originals
from bench.data.checks import LONGEST_LINE, check_cells, check_keys, check_lines, check_values, damaged
from bench.data.column import Column, columns_of, sizes_in
from bench.data.files import opened
from bench.data.schema import SCHEMA_VERSION
from bench.errors import DataFormatError, brief

if TYPE_CHECKING:
    import pandas as pd

_PANDAS_TYPES = {int: "Int64", float: "float64", bool: "boolean"}


def version_message(path: Path, found: object) -> str:
    """Say which versions can be read, and the cure for another one."""
    return (
        f"{path} has schema version {brief(found, 20)}, and this stepbench reads versions {older.VERSION} and "
        f"{SCHEMA_VERSION}: read it with the stepbench that wrote it."
    )


def header_of(path: Path) -> list[str]:
    """Read the names of the columns that a file has; none if it cannot be read."""
    try:
        with opened(path) as file:
            return _names(file)
    except OSError:
        return []


def _names(file: BinaryIO) -> list[str]:
    return file.readline(LONGEST_LINE).decode("utf-8", errors="replace").rstrip("\r\n").split(",")


def has_older_columns(path: Path) -> bool:
    """Say whether the header of a file is that of the version before."""
    return header_of(path) == [column.name for column in older.columns(path.name)]


def lacks_columns(path: Path, row_type: type) -> bool:
    """Say whether a file is of the present version, from before some columns joined it."""
    names = header_of(path)
    added = {column.name for column in columns_of(row_type) if column.added}
    return not has_older_columns(path) and not added <= set(names)


def read_table(path: Path, row_type: type, text: str = "str", content: bytes | None = None) -> pd.DataFrame:
    """Read a CSV file whose columns are those of a row class, or were so in the version before.

    A size that the workload of a row does not have is 0 in the frame, so that rows can be grouped by sizes.

    Args:
        path: the file.
        row_type: gives the columns.
        text: what pandas keeps texts as: `str` or `category`.
        content: what the file is about to hold, if it is not what it holds.

    Raises:
        DataFormatError: the file is missing, damaged or of another version.
    """
    if has_older_columns(path):
        columns = columns_of(row_type, older.SIZES)
        frame = older.frame(read_csv(path, older.columns(path.name), older.VERSION, text, content), columns)
    else:
        names = header_of(path)
        columns = columns_of(row_type, dict.fromkeys(sizes_in(names)))
        had = tuple(column for column in columns if column.name in names or not column.added)
        frame = read_csv(path, had, SCHEMA_VERSION, text, content)
        if len(had) < len(columns):
            frame = frame.reindex(columns=[column.name for column in columns])
            frame = frame.assign(**{item.name: "" for item in columns if item not in had and item.kind is str})
    check_values(path, frame, columns)
    for size in sizes_in(frame.columns):
        frame[size] = frame[size].fillna(0)
    check_keys(path, frame, row_type)
    return frame


def read_csv(
    path: Path, columns: tuple[Column, ...], version: int, text: str, content: bytes | None = None
) -> pd.DataFrame:
    """Read a CSV file that has exactly these columns.

    Raises:
        DataFormatError: it has others, or a cell that is not of its column's kind.
    """
    import pandas as pd

    options: dict[str, Any] = {
        "dtype": {column.name: _PANDAS_TYPES.get(column.kind, text) for column in columns},
        "keep_default_na": False,
        "na_values": {column.name: [""] for column in columns if column.kind is not str},
        "true_values": ["true"],
        "false_values": ["false"],
    }
    with _opened(path) if content is None else io.BytesIO(content) as file:
        _check_shape(path, file, columns)
        try:
            with warnings.catch_warnings(action="error", category=RuntimeWarning):
                frame: pd.DataFrame = pd.read_csv(_rewound(file), **options)
        except (ValueError, TypeError, OverflowError, RuntimeWarning, pd.errors.ParserError) as error:
            check_cells(path, _rewound(file), columns)
            raise DataFormatError(f"{path} is damaged ({brief(error)}): restore the file.") from error
    for column in columns:
        if not column.optional and column.kind is not str and frame[column.name].isna().any():
            raise damaged(path, int(frame[column.name].isna().to_numpy().argmax()) + 2, f"has no {column.name}")
        if column.kind is str:
            frame[column.name] = originals(frame[column.name])
    versions = set(frame["schema_version"].unique()) - {version} if "schema_version" in frame else set()
    if versions:
        raise DataFormatError(version_message(path, versions.pop()))
    return frame


def _opened(path: Path) -> BinaryIO:
    """Open a file of a run.

    Raises:
        DataFormatError: it cannot be opened.
    """
    try:
        return opened(path)
    except OSError as error:
        cure = "is its folder that of a run?"
        if (
            isinstance(error, FileNotFoundError)
            and path.name == "summary.csv"
            and (path.parent / "manifest.json").exists()
        ):
            cure = f"the run is unfinished, so finish it with `bench run --resume {quote(str(path.parent))}`."
        raise DataFormatError(f"{path} cannot be read ({error.strerror}): {cure}") from error


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def table_of(row_type: type, rows: Sequence[object], sizes: Iterable[str]) -> pd.DataFrame:
    """Put rows into the frame that `read_table` would give of their file."""
    import pandas as pd

    def cell(column: Column, value: Any) -> Any:
        return value if column.kind is not str else "" if value is None else str(value)

    columns = columns_of(row_type, sizes)
    frame = pd.DataFrame({each.name: [cell(each, each.value_in(row)) for row in rows] for each in columns})
    frame = frame.astype({column.name: _PANDAS_TYPES.get(column.kind, "str") for column in columns})
    return frame.fillna(dict.fromkeys(sizes_in(frame.columns), 0))


def _check_shape(path: Path, file: BinaryIO, columns: tuple[Column, ...]) -> None:
    """Refuse what is not a complete CSV file with exactly these columns."""
    found, expected = _names(file), [column.name for column in columns]
    if found != expected:
        if found[0] in (expected[0], "schema_version") and all(map(str.isprintable, found)):
            odd = sorted(set(found) ^ set(expected)) or ["their order"]
            raise DataFormatError(f"{path} is of another version: its columns differ in {brief(', '.join(odd))}.")
        raise DataFormatError(f"{path} is not a {path.name} of stepbench: its first line does not name the columns.")
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        raise DataFormatError(f"{path} is cut off: its last line is incomplete; restore the file or run again.")
    check_lines(path, _rewound(file), len(expected))
