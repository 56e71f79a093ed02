"""Revisions of a git repository, each checked out into a temporary folder for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.model.imports import COMPILED, is_users
from bench.run.scratch import Scratch, git_environment

_SECONDS = 120
_OF_PROJECTS = ("pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True)
class Commit:
    """One commit, as a reader knows it."""

    name: str
    """Its full hash."""
    date: str
    """When its author made it, `YYYY-MM-DD`."""
    subject: str
    """The first line of its message."""

    @property
    def short(self) -> str:
        """The beginning of its hash."""
        return self.name[:9]


def _run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a git command; return its exit status, output and messages.

    When we are interrupted it is asked to end and waited for: one that is killed leaves a half-made worktree behind.

    Raises:
        UsageError: git is missing or gives no answer.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed commands; revisions and paths never begin with a dash
            ["git", *arguments],  # noqa: S607 - whichever git the user has
            cwd=folder,
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it
        )
    except OSError as error:
        raise UsageError(f"git cannot be started ({error.strerror}): install it to compare revisions.") from error
    with process:
        try:
            output, messages = process.communicate(timeout=_SECONDS)
        except BaseException as error:
            process.terminate()
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise UsageError(f"git gave no answer for {_SECONDS} s: look at {folder}.") from error
            raise
    return process.returncode, os.fsdecode(output).strip("\n"), messages.decode("utf-8", errors="replace").strip()


def _last_line(messages: str) -> str:
    return (messages.splitlines() or ["no message"])[-1].rstrip(".")


def repository(folder: Path) -> Path:
    """Find the top of the repository that a folder is in.

    Raises:
        UsageError: it is in none, or git does not trust its owner.
    """
    code, top, messages = _run(folder, "rev-parse", "--show-toplevel")
    if code and "dubious ownership" in messages:
        raise UsageError(
            f"git does not trust the owner of {folder}: run `git config --global --add safe.directory {folder}`."
        )
    if code:
        raise UsageError(f"{folder} is in no git repository: revisions can only be compared inside one.")
    return Path(top)


def commit_of(top: Path, revision: str) -> str:
    """Look up the full hash of a revision.

    Raises:
        UsageError: there is no such revision.
    """
    if revision.startswith("-"):
        raise UsageError(f"{revision!r} is not a revision: name a branch, a tag or a commit.")
    code, commit, _ = _run(top, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if code:
        raise UsageError(
            f"There is no revision {revision!r} in {top}: see `git log`, and fetch it if the clone is shallow."
        )
    return commit


def commit(top: Path, revision: str) -> Commit:
    """Look up one commit.

    Raises:
        UsageError: there is no such revision.
    """
    return _commits(top, "--no-walk", commit_of(top, revision))[0]


def commits_between(top: Path, good: Commit, bad: Commit) -> tuple[Commit, ...]:
    """List the commits after `good` up to and including `bad`, the oldest first.

    Only first parents are followed: a branch that was merged counts as one commit, its merge.

    Raises:
        UsageError: `good` is `bad`, or no ancestor of it.
    """
    if good == bad:
        raise UsageError(f"GOOD and BAD are the same commit ({good.short}): name two between which it got slower.")
    if _run(top, "merge-base", "--is-ancestor", good.name, bad.name)[0]:
        raise UsageError(
            f"GOOD ({good.short}) is no ancestor of BAD ({bad.short}), so there is no history from one to the other: "
            "swap them if they are the wrong way round, name their `git merge-base`, or fetch all of a shallow clone."
        )
    return _commits(top, "--reverse", "--first-parent", "--ancestry-path", f"{good.name}..{bad.name}")


def _commits(top: Path, *which: str) -> tuple[Commit, ...]:
    code, output, messages = _run(top, "rev-list", "--date=short", "--format=%H%x00%ad%x00%s", *which)
    if code:
        raise UsageError(f"git cannot list commits ({_last_line(messages)}): try `git rev-list` by hand in {top}.")
    # Each is preceded by a line of git's own, which has no such separator.
    return tuple(Commit(*line.split("\0")) for line in output.split("\n") if "\0" in line)


def _files(top: Path, *arguments: str) -> list[Path]:
    """List files of a checkout; `arguments` say which."""
    _, output, _ = _run(top, "ls-files", "-z", *arguments)
    return [top / name for name in output.split("\0") if name]


def checkouts(top: Path) -> list[Path]:
    """List all checkouts of a repository that there are, wherever they lie."""
    lines = _run(top, "worktree", "list", "--porcelain")[1].splitlines()
    return [Path(line.removeprefix("worktree ")).resolve() for line in lines if line.startswith("worktree ")]


def projects(top: Path) -> list[Path]:
    """List the folders of a checkout that are Python projects, as far as git tracks them."""
    return sorted({file.parent for file in _files(top, "--", *(f":(glob)**/{name}" for name in _OF_PROJECTS))})


def built(top: Path) -> list[Path]:
    """List the modules of a working tree that were compiled in it, beside their sources or without: git has none."""
    found = _files(top, "--others", "--", *(f"*{suffix}" for suffix in COMPILED))
    return [file for file in found if is_users(str(file)) and file.parent.name != "__pycache__"]


@contextmanager
def checked_out(top: Path, commit: str) -> Iterator[Path]:
    """Check one commit out as a worktree; it is gone afterwards, whatever happened.

    Raises:
        UsageError: git cannot make it.
    """
    with closing(Scratch("revision-", repository=top)) as scratch:
        tree = scratch.tree
        # Without hooks: what a repository does after a checkout of its own is not asked for here.
        arguments = ("worktree", "add", "--detach", "--quiet", str(tree), commit)
        code, _, messages = _run(top, "-c", f"core.hooksPath={os.devnull}", *arguments)
        if code:
            raise UsageError(
                f"git cannot check out {commit[:9]} ({_last_line(messages)}): try `git worktree add` by hand."
            )
        for cache in sorted(tree.rglob("__pycache__")):  # of committed ones nobody knows what they were made of
            shutil.rmtree(cache, ignore_errors=True)
        yield tree
