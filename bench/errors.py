"""Everything that stepbench raises on purpose, and the exit status that each one means.

    StepbenchError          exit 2   (never raised itself)
    +-- UsageError          exit 2   an option or an argument is wrong
    +-- LoadError           exit 2   a file of implementations cannot be used
    +-- StepError           exit 4   an implementation's Step is malformed
    +-- DataFormatError     exit 2   a file of a run cannot be read
    +-- StorageError        exit 2   a file of a run cannot be written
    +-- DeviceAbsentError   exit 2   the backend that was asked for is not on this machine
    +-- ChildError          exit 4   a measuring process died, hung or broke the protocol
    |   +-- ChildTimeout    exit 4   ... and it was the time limit that ended it
    +-- NothingRanError     exit 5   not one case could be measured
    +-- NothingToShowError  exit 2   a run does not hold what a figure shows

A message is one sentence that names the file, option or value and says what to do.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

_OS_CURES = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.ENAMETOOLONG: "shorten its name",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path: one of its folders is a file",
    errno.EISDIR: "remove the folder of that name",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOMEM: "free memory",
}


_LONGEST = 400
"""The most letters that are shown of a stranger's message: compilers print programs of many pages."""


class StepbenchError(Exception):
    """The root of the tree; the command line exits with `exit_code`."""

    exit_code = 2


class UsageError(StepbenchError):
    """An option or an argument is wrong."""


class LoadError(StepbenchError):
    """A file of implementations does not import, registers nothing, or registers a wrong or taken name."""


class StepError(StepbenchError):
    """A Step's stages do not cover forward, backward and update once each and in order."""

    exit_code = 4


class DataFormatError(StepbenchError):
    """A file of a run is missing, cut off, of another version, or not what its name says."""


class StorageError(StepbenchError):
    """A file of a run could not be written; what was there before is still there."""


class DeviceAbsentError(StepbenchError):
    """The device that was asked for by name is not present."""


class ChildError(StepbenchError):
    """A measuring process died, hung or broke the protocol."""

    exit_code = 4


class ChildTimeout(ChildError):  # noqa: N818 - it reads as the event that it is
    """A measuring process was killed because its time limit had passed."""


class NothingRanError(StepbenchError):
    """Not one case could be measured; the rows of the summary say why."""

    exit_code = 5


class NothingToShowError(StepbenchError):
    """A run does not hold what a figure shows; the message says which run would."""


def visible(text: str) -> str:
    """Return a text with its control characters spelled out, which a terminal would obey and XML cannot hold."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def brief(text: object, most: int = 160) -> str:
    """Return foreign words as a message can show them: on one line, not too long, with control characters spelled out.

    Args:
        text: the words, such as the message of a library; of anything else its text.
        most: the letters that are shown before the others are left out.
    """
    words = " ".join(str(text).split())
    return visible(words if len(words) <= most else f"{words[:most]}…")


def quoted(value: object) -> str:
    """Return a value of a file in quotes, as `brief` shows it."""
    return f"'{brief(value, 60)}'"


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return a hint for an error message: the known name closest to `wrong`, or the whole list."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(names)}."


def os_cure(error: OSError, elsewhere: str = "") -> str:
    """Return what helps against an error of the operating system, for a message that names file and error already.

    Args:
        error: its errno decides; on a read-only disk, for example, no permission and no space help.
        elsewhere: what avoids the place altogether, such as `choose another --out`; offered beside each cure.

    Returns:
        The cure, `elsewhere`, or both; the error's own words where neither is known.
    """
    cure = _OS_CURES.get(error.errno or 0, "")
    return " or ".join(filter(None, (cure, elsewhere))) or error.strerror or str(error)


@contextmanager
def outliving(tell: Callable[[str], object]) -> Iterator[None]:
    """Tell of what cannot be written, and go on: what was measured before stands and is shown without it."""
    try:
        yield
    except StorageError as error:
        tell(str(error))


def in_short(error: BaseException) -> str:
    """Return the type and the message of a stranger's exception, on one line and not too long."""
    words = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {words if len(words) <= _LONGEST else f'{words[:_LONGEST]} ...'}"
