"""Leases: who measures on a part of this machine, so that two commands never disturb each other there.

The lock is the kernel's (flock): it goes with the process, however that ends. What stands in its file is for people.
"""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from bench.errors import UsageError
from bench.model.device import Backend
from bench.model.sharing import Sharing
from bench.run.calibration import HOME, home


@contextmanager
def leased(
    backends: Iterable[Backend], what: str, sharing: Sharing, told: Callable[[str], object]
) -> Iterator[tuple[str, ...]]:
    """Hold what these backends compute on for this process alone, for as long as the block lasts.

    Args:
        backends: those that are about to be measured on.
        what: this command, as another one is told about it.
        sharing: what is done where another command measures already.
        told: is told, in a sentence, what is waited for, and that nothing could be locked.

    Yields:
        Who measures there at the same time, a sentence each; there is nobody unless that was asked for.

    Raises:
        UsageError: another command measures there, and that was to be refused.
    """
    beside = []
    with ExitStack() as stack:
        for name in sorted({backend.lease for backend in backends}):  # in one order, so that no two wait for each other
            try:
                descriptor = os.open(_path(name), os.O_RDWR | os.O_CREAT, 0o600)
            except (OSError, RuntimeError) as error:
                told(f"Nothing keeps another bench off {name}: {error}; set {HOME} to a folder that can be written.")
                continue
            stack.callback(os.close, descriptor)
            if not _locked(descriptor, fcntl.LOCK_NB):
                holder = f"{_content(descriptor)} measures on {name} already"
                if sharing is Sharing.SHARE:
                    beside.append(f"{holder}, at the same time")
                    continue
                if sharing is Sharing.REFUSE:
                    raise UsageError(
                        f"{holder}: wait for it, leave out --no-wait, or add --share to measure beside it."
                    )
                told(f"Waiting: {holder}; --share would go on beside it.")
                _locked(descriptor)
            since = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{what} (process {os.getpid()}, since {since})".encode(), 0)
        yield tuple(beside)


def _path(name: str) -> Path:
    folder = home() / "leases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{quote(name, safe='')}@{quote(platform.node(), safe='')}.lock"  # machines may share this folder


def _locked(descriptor: int, flags: int = 0) -> bool:
    """Take the lock; with LOCK_NB, only if it is free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except BlockingIOError:
        return False
    return True


def _content(descriptor: int) -> str:
    """Return who holds it, from its file."""
    found = os.pread(descriptor, 500, 0).decode(errors="replace")
    return found if found.isprintable() and found else "another bench"
