"""Mending the files of a run that was killed: what is finished stays, what is half-written goes."""

from __future__ import annotations

import csv
from pathlib import Path

from bench.data.column import columns_of, sizes_in
from bench.data.schema import ProcessRow, SampleRow
from bench.data.store import PROCESSES, SAMPLES, write_atomically
from bench.data.tables import header_of
from bench.errors import DataFormatError


def repair(folder: Path) -> None:
    """Cut torn last lines, and drop samples of the process that was interrupted.

    A process's row is written after its samples, so samples that no row vouches for belong to a process that was
    interrupted; it will be measured again. Files that need nothing are left untouched.

    Raises:
        DataFormatError: a file is gone or empty while the other one holds finished processes: that is no interruption,
            and mending would throw away what is there.
    """
    processes, samples = folder / PROCESSES, folder / SAMPLES
    for path, row in ((processes, ProcessRow), (samples, SampleRow)):
        _cut_torn_line(path, ",".join(column.name for column in columns_of(row, sizes_in(header_of(path)))))
    finished = set(_column(processes, header_of(processes).index("process")))
    which = header_of(samples).index("process")
    found = set(_column(samples, which))
    if len(found - finished) > 1:
        raise DataFormatError(
            f"{processes} lacks the rows of {len(found - finished)} processes that {samples} has samples of: "
            "restore it, or start a new run."
        )
    if found <= finished:
        return
    with samples.open(newline="", encoding="utf-8") as file:
        header, *lines = file.readlines()
    kept = [line for line in lines if next(csv.reader([line]))[which] in finished]
    write_atomically(samples, "".join([header, *kept]))


def _cut_torn_line(path: Path, header: str) -> None:
    """Cut what stands behind the last line break."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataFormatError(f"{path} cannot be read ({error.strerror}): restore it, or start a new run.") from error
    end = content.rfind(b"\n") + 1
    if content[: content.find(b"\n") + 1].strip().decode("utf-8", errors="replace") != header:
        raise DataFormatError(f"{path} does not begin with its columns: restore it, or start a new run.")
    if end < len(content):
        write_atomically(path, content[:end])


def _column(path: Path, index: int) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows, None)
        return [row[index] for row in rows if len(row) > index]
