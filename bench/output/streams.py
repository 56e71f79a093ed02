"""Standard output and standard error: what may go wrong there, and every line that is no table, told once.

A reader that hangs up, a full disk and a closed descriptor end no measurement: what is written goes nowhere from then
on, and the command's exit status says in the end that its output was lost.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

import click

from bench.errors import visible
from bench.output.text import spoken

_LONGEST_WORD = 160
_KEPT = 100, 30
"""Letters at the beginning and the end of a longer word that stay."""


class Outlet:
    """A standard stream that never fails: signs that its encoding lacks are replaced, and an error is remembered."""

    def __init__(self, inner: TextIO | None) -> None:
        """Take the place of a stream; None stands for one that was closed when the command began."""
        self._inner = inner
        self.encoding = getattr(inner, "encoding", None) or "utf-8"
        self.errors = "replace"
        """What becomes of signs that the encoding lacks, as codecs call it: click looks for it."""
        self.failure: OSError | None = None
        """The error after which nothing was written any more."""

    def isatty(self) -> bool:
        """Say whether somebody looks at it."""
        return self._inner is not None and self._inner.isatty()

    def fileno(self) -> int:
        """Return the descriptor of the stream behind."""
        if self._inner is None:
            raise io.UnsupportedOperation("fileno")
        return self._inner.fileno()

    def write(self, text: str) -> int:
        """Write a text, or nothing once the stream has failed."""
        told = spoken(text, self.encoding)
        with self._remembering():
            if self._inner is not None:
                self._inner.write(told)
        return len(text)

    def flush(self) -> None:
        """Write what is still held back."""
        with self._remembering():
            if self._inner is not None:
                self._inner.flush()

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            # What Python still holds back for the stream must not fail once more while it ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError, ValueError):
                os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            self._inner = None

    @property
    def sentence(self) -> str:
        """What to say of the failure; nothing of a reader that has gone, who has seen enough."""
        if self.failure is None or self.failure.errno == errno.EPIPE:
            return ""
        return f"standard output cannot be written ({self.failure.strerror}): send it elsewhere."


@contextmanager
def outlets() -> Iterator[Outlet]:
    """Put outlets in the place of standard output, which is returned, and of standard error."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # it is closed: else the next file that is opened would take its number, and its output
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    output, aside = Outlet(sys.stdout), Outlet(sys.stderr)
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, aside)
    try:
        yield output
    finally:
        output.flush()
        aside.flush()
        sys.stdout, sys.stderr = before


def say(line: object) -> None:
    """Print a line on standard output; nothing in it is obeyed by a terminal."""
    click.echo(visible(str(line)))


def note(line: object) -> None:
    """Print a line on standard error; nothing in it is obeyed by a terminal."""
    click.echo(visible(str(line)), err=True)


def say_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    click.echo(json.dumps(value, indent=2))


def pass_on(text: str) -> None:
    """Print a file on standard output, as it is."""
    click.echo(text, nl=False)


def shortened(text: str) -> str:
    """Return a message with the middle of each endless word, such as a number of 400 digits, left out."""
    first, last = _KEPT
    return re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda found: f"{found[0][:first]}…{found[0][-last:]}", text)
