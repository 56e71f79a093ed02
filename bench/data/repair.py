"""Mending the files of a run that was killed: what is finished stays, what is half-written goes."""

from __future__ import annotations

from pathlib import Path

from bench.data.column import columns_of, sizes_in
from bench.data.files import opened
from bench.data.schema import ProcessRow, SampleRow
from bench.data.store import PROCESSES, SAMPLES, write_atomically
from bench.data.tables import header_of, read_table
from bench.errors import DataFormatError


def repair(folder: Path) -> None:
    """Cut torn last lines, and drop samples of the process that was interrupted.

    A process's row is written after its samples, so samples that no row vouches for belong to a process that was
    interrupted; it will be measured again. Files that need nothing are left untouched, and nothing is written before
    what it will hold was found to be in order.

    Raises:
        DataFormatError: a file is damaged, gone or empty while the other one holds finished processes: that is no
            interruption, and mending would throw away what is there.
    """
    processes, samples = folder / PROCESSES, folder / SAMPLES
    before = {path: _content(path, row) for path, row in ((processes, ProcessRow), (samples, SampleRow))}
    now = {path: content[: content.rfind(b"\n") + 1] for path, content in before.items()}
    finished = set(read_table(processes, ProcessRow, content=now[processes])["process"])
    found = read_table(samples, SampleRow, "category", now[samples])["process"]
    unknown = ~found.isin(finished)
    if (several := found[unknown].nunique()) > 1:
        raise DataFormatError(
            f"{processes} lacks the rows of {several} processes that {samples} has samples of: "
            "restore it, or start a new run."
        )
    if several:
        header, *lines = now[samples].splitlines(keepends=True)
        now[samples] = b"".join([header, *(line for line, lost in zip(lines, unknown, strict=True) if not lost)])
    for path, content in now.items():
        if content != before[path]:
            write_atomically(path, content)


def _content(path: Path, row: type) -> bytes:
    """Read a table that begins with its columns and may break off."""
    try:
        with opened(path) as file:
            content = file.read()
    except OSError as error:
        raise DataFormatError(f"{path} cannot be read ({error.strerror}): restore it, or start a new run.") from error
    header = ",".join(column.name for column in columns_of(row, dict.fromkeys(sizes_in(header_of(path)))))
    if content[: content.find(b"\n") + 1].strip().decode("utf-8", errors="replace") != header:
        raise DataFormatError(f"{path} does not begin with its columns: restore it, or start a new run.")
    return content
