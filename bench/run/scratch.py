"""Temporary folders of a command. What a killed command has left of them, the next one removes.

A folder is provably ours if it holds the mark that we put there, and its owner is dead if the kernel has let go of the
lock that the owner held on that mark: a number of a process would say nothing about one in another container.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX, _MARK = "stepbench-", ".stepbench"
_OF_ONE_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


class Scratch:
    """A temporary folder that belongs to this process."""

    def __init__(self, kind: str = "", repository: Path | None = None) -> None:
        """Make it; folders of commands that were killed are removed first.

        Args:
            kind: a part of its name.
            repository: the repository that its `tree` is to be a worktree of, if it is to hold one.

        Raises:
            OSError: there is no room for it.
        """
        sweep()
        self._repository = repository
        self._folder = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{kind}")
        self.path = Path(self._folder.name)
        new = self.path / f"{_MARK}.new"
        self._mark = new.open("wb")
        fcntl.flock(self._mark, fcntl.LOCK_EX)
        self._mark.write(b"" if repository is None else os.fsencode(repository))
        self._mark.flush()
        new.rename(self.path / _MARK)  # so that there is no mark without a lock

    @property
    def tree(self) -> Path:
        """The place of its worktree."""
        return self.path.resolve() / "tree"

    def close(self) -> None:
        """Remove it."""
        if self._repository is not None:
            _remove_worktree(self._repository, self.tree)
        self._folder.cleanup()
        self._mark.close()


def sweep() -> None:
    """Remove the folders of dead commands of this user, with their worktrees."""
    for mark in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_MARK}"):
        folder = mark.parent
        with suppress(OSError):  # its owner is alive, or it is gone by now
            if folder.lstat().st_uid != os.getuid():
                continue
            with mark.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if repository := os.fsdecode(file.read()):
                    _remove_worktree(Path(repository), folder.resolve() / "tree")
                shutil.rmtree(folder, ignore_errors=True)


def git_environment() -> dict[str, str]:
    """Return our environment without what a git hook is told: a worktree made inside one has another index."""
    return {name: value for name, value in os.environ.items() if name not in _OF_ONE_REPOSITORY}


def _remove_worktree(top: Path, tree: Path) -> None:
    """Take a worktree away; forced twice, since one whose making was interrupted is locked.

    A second Ctrl-C ends our waiting, but not git.
    """
    with suppress(OSError):
        process = subprocess.Popen(  # noqa: S603
            ["git", "worktree", "remove", "--force", "--force", str(tree)],  # noqa: S607
            cwd=top,
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        process.wait()
