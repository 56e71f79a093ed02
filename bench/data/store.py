"""Writing and reading the files of a run. Nothing that is finished is ever lost, and nothing read is ever executed.

Appending a block is one write; if it fails half-way (a full disk), the file is cut back to what it was. Whole files
are written beside their place and renamed into it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.data import older
from bench.data.cells import disarmed
from bench.data.column import columns_of, sizes_in
from bench.data.crossing import CrossoverRow
from bench.data.foreign import FOREIGN, ForeignRun, told
from bench.data.jsonfile import as_model, json_of
from bench.data.manifest import Manifest
from bench.data.schema import SCHEMA_VERSION, ProcessRow, SampleRow, SummaryRow
from bench.data.tables import has_older_columns, header_of, lacks_columns, read_csv, read_table, version_message
from bench.errors import DataFormatError, StorageError, os_cure

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = "samples.csv"
PROCESSES = "processes.csv"
SUMMARY = "summary.csv"
MANIFEST = "manifest.json"
CROSSOVERS = "crossovers.csv"
FIGURES = "figures"


Row = TypeVar("Row")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(float(value))  # a number of NumPy's own would name its type
    return disarmed(" ".join(str(value).splitlines()))  # one row is one line, whatever a framework's message holds


def encoded(text: str) -> bytes:
    """Encode text as UTF-8; half characters, as broken file names hold them, are spelled out."""
    return text.encode("utf-8", errors="backslashreplace")


def to_csv(row_type: type[Row], rows: Sequence[Row], sizes: Iterable[str] | None = None, header: bool = True) -> str:
    """Return rows as CSV text.

    Args:
        row_type: gives the columns.
        rows: the rows.
        sizes: the columns of sizes; by default those that the rows' cases have.
        header: whether the names of the columns come first.
    """
    cases = [getattr(row, "case", None) for row in rows]
    own = dict.fromkeys(name for case in cases if case is not None for name in case.problem.sizes.columns)
    columns = columns_of(row_type, own if sizes is None else sizes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow([column.name for column in columns])
    writer.writerows([_cell(column.value_in(row)) for column in columns] for row in rows)
    return text.getvalue()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file as a whole: a reader sees the old content or the new, never a part.

    Raises:
        StorageError: it could not be written; the old content is untouched.
    """
    data = encoded(content) if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}): {os_cure(error, 'choose another --out')}."
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)  # it is there if something failed, or on Ctrl-C


def append(path: Path, text: str) -> None:
    """Append a block in one piece, or leave the file as it was.

    Raises:
        StorageError: it cannot be extended.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            data = encoded(text)
            try:
                if os.write(descriptor, data) != len(data):
                    raise OSError(28, "no space left on device")
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        cure = os_cure(error, "look at its disk")
        raise StorageError(f"{path} cannot be extended ({error.strerror}): {cure}, then run again.") from error


def check_empty(folder: Path) -> None:
    """Refuse a folder that holds anything.

    Raises:
        StorageError: it has something in it already, or cannot be read.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "a run" if (folder / MANIFEST).exists() else "something"
            raise StorageError(f"{folder} has {what} in it already: choose another --out.")
    except OSError as error:
        cure = os_cure(error, "choose another --out")
        raise StorageError(f"{folder} cannot be read ({error.strerror}): {cure}.") from error


def make_empty(folder: Path) -> None:
    """Make a folder that holds nothing yet.

    Raises:
        StorageError: it has something in it already, or cannot be made.
    """
    check_empty(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cure = os_cure(error, "choose another --out")
        raise StorageError(f"{folder} cannot be made ({error.strerror}): {cure}.") from error


def write_foreign(folder: Path, run: ForeignRun) -> None:
    """Write what another tool measured into a folder of its own.

    Raises:
        StorageError: it holds something already or cannot be written.
    """
    with new_folder(folder):
        write_atomically(folder / FOREIGN, run.model_dump_json(indent=2) + "\n")


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder that holds nothing yet; if what it begins with cannot be written, it is as it was before.

    Raises:
        StorageError: it has something in it already, or cannot be made.
    """
    there = folder.exists()
    make_empty(folder)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for file in folder.iterdir():
                file.unlink()
            if not there:
                folder.rmdir()
        raise


class RunStore:
    """The folder of one run that is being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def _sizes(self) -> tuple[str, ...]:
        """The columns of sizes that the run's files have."""
        return sizes_in(header_of(self.folder / PROCESSES))

    @classmethod
    def create(cls, folder: Path, manifest: Manifest) -> RunStore:
        """Make the folder of a new run.

        Raises:
            StorageError: the folder has something in it already, or cannot be written.
        """
        store = cls(folder)
        with new_folder(folder):
            write_atomically(folder / SAMPLES, to_csv(SampleRow, ()))
            write_atomically(folder / PROCESSES, to_csv(ProcessRow, (), manifest.size_columns))
            store.write_manifest(manifest)
        return store

    def append(self, samples: Sequence[SampleRow], process: ProcessRow) -> None:
        """Put one finished process on disk: its samples, then the row that says that they are complete."""
        if samples:
            append(self.folder / SAMPLES, to_csv(SampleRow, samples, header=False))
        append(self.folder / PROCESSES, to_csv(ProcessRow, (process,), self._sizes, header=False))

    def write_summary(self, rows: Sequence[SummaryRow]) -> None:
        """Replace summary.csv."""
        write_atomically(self.folder / SUMMARY, to_csv(SummaryRow, rows, self._sizes))

    def write_crossovers(self, rows: Sequence[CrossoverRow]) -> None:
        """Replace crossovers.csv; a run that varies no size has none."""
        if rows:
            write_atomically(self.folder / CROSSOVERS, to_csv(CrossoverRow, rows, self._sizes))

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace manifest.json."""
        write_atomically(self.folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run.

    Raises:
        DataFormatError: the folder holds no run, or its manifest is of another version or damaged.
    """
    path = folder / MANIFEST
    try:
        raw = json_of(path)
    except OSError as error:
        why = told(folder) or f" ({MANIFEST}: {error.strerror})"
        raise DataFormatError(f"{folder} is not the folder of a run{why}: name one below results/.") from error
    if not isinstance(raw, dict):
        raise DataFormatError(f"{path} is not the manifest of a run: it holds no object.")
    if raw.get("schema_version") == older.VERSION:
        try:
            raw = older.manifest(raw)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise DataFormatError(f"{path} is damaged: it is no manifest of version {older.VERSION}.") from error
    if raw.get("schema_version") != SCHEMA_VERSION:
        raise DataFormatError(version_message(path, raw.get("schema_version")))
    return as_model(Manifest, raw, path)


def read_samples(folder: Path) -> pd.DataFrame:
    """Read samples.csv of a run; see `SampleRow` for its columns.

    Texts are categories, so that a million rows take a tenth of a gigabyte: group by them with `observed=True`.

    Raises:
        DataFormatError: the file is missing or damaged.
    """
    return read_table(folder / SAMPLES, SampleRow, text="category")


def read_processes(folder: Path) -> pd.DataFrame:
    """Read processes.csv of a run; see `ProcessRow` for its columns.

    Raises:
        DataFormatError: the file is missing or damaged.
    """
    found = read_table(folder / PROCESSES, ProcessRow)
    if has_older_columns(folder / PROCESSES) and (folder / SAMPLES).exists():  # names stood there
        samples = read_csv(folder / SAMPLES, older.columns(SAMPLES), older.VERSION, "category")
        names = samples.drop_duplicates("process").set_index("process")["device_name"].astype(object)
        found["device_name"] = found["process"].map(names).fillna("").astype(str)
    return found


def read_summary(folder: Path) -> pd.DataFrame:
    """Read summary.csv of a run; see `SummaryRow` for its columns.

    Raises:
        DataFormatError: the file is missing or damaged.
    """
    return read_table(folder / SUMMARY, SummaryRow)


def read_crossovers(folder: Path) -> pd.DataFrame:
    """Read crossovers.csv of a run; see `CrossoverRow` for its columns; no rows if there is no such file.

    Raises:
        DataFormatError: the file is damaged.
    """
    import pandas as pd

    if not (folder / CROSSOVERS).exists():
        return pd.DataFrame(columns=[column.name for column in columns_of(CrossoverRow)])
    return read_table(folder / CROSSOVERS, CrossoverRow)


def is_older(folder: Path) -> bool:
    """Say whether a run was written when files had other columns; it can be read and not be continued."""
    return has_older_columns(folder / PROCESSES) or lacks_columns(folder / PROCESSES, ProcessRow)
