"""Types of options and arguments that are files or folders: `~` is home, and what cannot be one is refused at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from bench.output.outfile import STANDARD_OUTPUT, odd_name, refusal


class FileOrFolder(click.ParamType[Path]):
    """What is read: a file or a folder."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path with its home folder written out, or fail with a usage error."""
        text = os.path.expanduser(os.fspath(value))  # noqa: PTH111 - Path's own fails where there is no such user
        if why := self.refuse(text):
            self.fail(f"{text!r} {why}.", param, ctx)
        return Path(text)

    def refuse(self, text: str) -> str:
        """Say why it cannot be one; nothing if it can."""
        return odd_name(text)


class Written(FileOrFolder):
    """A name that the files of a run hold: that of its folder, or of a file that is loaded."""

    def refuse(self, text: str) -> str:
        """Say why it cannot be one; nothing if it can."""
        try:
            os.path.abspath(text).encode()  # noqa: PTH100 - a name, whatever it leads to
        except UnicodeEncodeError:
            return "is not UTF-8, which the files of a run are written in: rename it"
        return super().refuse(text)


class NewFolder(Written):
    """A folder that is made, or is there and empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, or fail with the error that would come of it only later."""
        path = super().convert(value, param, ctx)
        from bench.data.store import check_empty  # not for a quick --help

        check_empty(path)
        return path


class OutputFile(FileOrFolder):
    """A file that is written, or replaced as a whole."""

    def __init__(self, or_standard_output: bool = False) -> None:
        self._dash = or_standard_output

    def refuse(self, text: str) -> str:
        """Say why it cannot be one; nothing if it can."""
        return "" if self._dash and text == str(STANDARD_OUTPUT) else refusal(text)


READ = FileOrFolder()
LOADED = Written()
NEW_FOLDER = NewFolder()
OUTPUT = OutputFile()
OUTPUT_OR_DASH = OutputFile(or_standard_output=True)
