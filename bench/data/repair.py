"""Mending the files of a run that was killed: what is finished stays, what is half-written goes."""

from __future__ import annotations

import csv
from pathlib import Path

from bench.data.schema import ProcessRow, SampleRow, columns_of
from bench.data.store import PROCESSES, SAMPLES, to_csv, write_atomically


def repair(folder: Path) -> None:
    """Cut torn last lines, and drop samples of processes that have no row in processes.csv.

    A process's row is written after its samples, so samples without it belong to a process that was interrupted; it
    will be measured again. Files that need nothing are left untouched.
    """
    for name in (PROCESSES, SAMPLES):
        _cut_torn_line(folder / name)
    finished = _column(folder / PROCESSES, _index(ProcessRow, "process"))
    which = _index(SampleRow, "process")
    path = folder / SAMPLES
    if not path.exists() or set(_column(path, which)) <= set(finished):
        return
    known = set(finished)
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = file.readlines()
    kept = [line for line in lines if next(csv.reader([line]))[which] in known]
    write_atomically(path, "".join([header, *kept]))


def _cut_torn_line(path: Path) -> None:
    """Cut what stands behind the last line break; a file without one gets its header anew."""
    row = ProcessRow if path.name == PROCESSES else SampleRow
    content = path.read_bytes() if path.exists() else b""
    end = content.rfind(b"\n") + 1
    if end == 0:
        write_atomically(path, to_csv(row, ()))
    elif end < len(content):
        write_atomically(path, content[:end])


def _index(row: type[SampleRow] | type[ProcessRow], name: str) -> int:
    return [column.name for column in columns_of(row)].index(name)


def _column(path: Path, index: int) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows, None)
        return [row[index] for row in rows if len(row) > index]
