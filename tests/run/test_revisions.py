"""Checking revisions out beside a repository, and leaving nothing of it behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.run import revisions
from bench.run.revisions import checked_out, commit, commit_of, commits_between, repository
from bench.run.scratch import Scratch, sweep

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Git in a repository with two commits of `file.txt`; temporary folders go to tmp_path/tmp."""
    for name, value in {"NAME": "a", "EMAIL": "a@b"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    top = tmp_path / "repo"
    (top / "sub").mkdir(parents=True)

    def do(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=top, capture_output=True, text=True, check=True).stdout.strip()

    do("init", "-q", "-b", "main")
    for text in ("one", "two"):
        (top / "file.txt").write_text(text)
        do("add", ".")
        do("commit", "-q", "-m", text)
    return do


@pytest.fixture
def top(git: Git, tmp_path: Path) -> Path:
    return tmp_path / "repo"


@pytest.fixture
def untouched(git: Git, tmp_path: Path) -> Callable[[], bool]:
    """Whether there is one worktree only, no temporary folder, and no change."""

    def check() -> bool:
        assert len(git("worktree", "list").splitlines()) == 1
        assert git("status", "--short") == ""
        assert git("symbolic-ref", "--short", "HEAD") == "main"
        return list((tmp_path / "tmp").iterdir()) == []

    return check


def test_a_repository_is_found_from_a_folder_inside_it(top: Path) -> None:
    assert repository(top / "sub") == top.resolve()


def test_outside_a_repository(tmp_path: Path, top: Path) -> None:
    with pytest.raises(UsageError) as caught:
        repository(tmp_path)
    assert f"{tmp_path} is in no git repository" in str(caught.value)


def test_without_git_it_says_so_and_not_that_there_is_no_repository(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=r"git cannot be started .*: install it"):
        repository(top)


def test_a_repository_of_somebody_else_says_how_to_trust_it(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UsageError, match=r"does not trust the owner of .*: run `git config --global --add safe"):
        repository(top)


def test_revisions_by_every_name(git: Git, top: Path) -> None:
    second, first = git("rev-list", "main").split()
    git("tag", "-a", "v1", "-m", "a tag that is an object of its own", first)
    assert commit_of(top, "main") == commit_of(top, second[:8]) == commit_of(top, "HEAD") == second
    assert commit_of(top, "v1") == commit_of(top, "HEAD~1") == first


@pytest.mark.parametrize("revision", ["nowhere", "HEAD~9", "HEAD:file.txt", "", "main..HEAD", "a b", "ä"])
def test_a_revision_that_does_not_exist_is_named(top: Path, revision: str) -> None:
    with pytest.raises(UsageError) as caught:
        commit_of(top, revision)
    assert str(caught.value).startswith(f"There is no revision {revision!r} in {top}: ")


def test_what_looks_like_an_option_never_reaches_git(top: Path) -> None:
    with pytest.raises(UsageError, match="'--all' is not a revision"):
        commit_of(top, "--all")


def test_two_commits_beside_the_files_as_they_are(git: Git, top: Path, untouched: Callable[[], bool]) -> None:
    with checked_out(top, commit_of(top, "HEAD~1")) as old, checked_out(top, commit_of(top, "main")) as new:
        assert [(path / "file.txt").read_text() for path in (old, new)] == ["one", "two"]
        (top / "file.txt").write_text("three")
        assert (new / "file.txt").read_text() == "two"
        (old / "left.txt").write_text("what is written there is thrown away")
        assert len(git("worktree", "list").splitlines()) == 3
    assert (top / "file.txt").read_text() == "three"
    (top / "file.txt").write_text("two")
    assert untouched()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_worktree_is_gone_whatever_happened(
    top: Path, untouched: Callable[[], bool], error: type[BaseException]
) -> None:
    with pytest.raises(error), checked_out(top, commit_of(top, "main")):
        raise error
    assert untouched()


def test_a_worktree_whose_folder_vanished_is_gone_too(top: Path, untouched: Callable[[], bool]) -> None:
    import shutil

    with checked_out(top, commit_of(top, "main")) as tree:
        shutil.rmtree(tree)
    assert untouched()


def test_a_worktree_that_is_locked_as_a_half_made_one_is_gone_too(
    git: Git, top: Path, untouched: Callable[[], bool]
) -> None:
    with checked_out(top, commit_of(top, "main")) as tree:
        git("worktree", "lock", "--reason", "initializing", str(tree))
    assert untouched()


def test_an_interruption_while_git_is_at_work_waits_for_it_and_leaves_nothing(
    git: Git, top: Path, untouched: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int | None] = []

    class Interrupted(subprocess.Popen[bytes]):
        def communicate(self, *arguments: object, **options: object) -> tuple[bytes, bytes]:
            if "add" in self.args and "timeout" in options:
                raise KeyboardInterrupt
            found = super().communicate(*arguments, **options)
            ended.append(self.returncode)
            return found

    commit = commit_of(top, "main")
    monkeypatch.setattr(revisions.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt), checked_out(top, commit):
        raise AssertionError("unreachable")
    assert len(ended) == 1
    assert ended[0] is not None
    assert untouched()


def test_a_commit_that_cannot_be_checked_out_is_one_sentence(top: Path, untouched: Callable[[], bool]) -> None:
    said = r"^git cannot check out 123412341 \(.+\): try `git worktree add` by hand.$"
    with pytest.raises(UsageError, match=said), checked_out(top, "1234" * 10):
        raise AssertionError("unreachable")
    assert untouched()


def test_the_repository_s_hooks_do_not_run(top: Path, tmp_path: Path) -> None:
    hook = top / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 3\n")
    hook.chmod(0o755)
    with checked_out(top, commit_of(top, "main")) as tree:
        assert (tree / "file.txt").read_text() == "two"
    assert not (tmp_path / "ran").exists()


def test_inside_a_hook_its_index_is_left_alone(
    git: Git, top: Path, untouched: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "other.txt").write_text("staged")
    git("add", ".")
    monkeypatch.setenv("GIT_INDEX_FILE", str(top / ".git" / "index"))  # as git tells a hook
    monkeypatch.setenv("GIT_DIR", str(top / ".git"))
    assert repository(top) == top.resolve()
    with checked_out(top, commit_of(top, "HEAD~1")) as tree:
        assert (tree / "file.txt").read_text() == "one"
    assert git("status", "--short") == "A  other.txt"


def test_compiled_files_that_were_committed_do_not_come_along(git: Git, top: Path) -> None:
    cache = top / "sub" / "__pycache__"
    cache.mkdir()
    (cache / "file.cpython-312.pyc").write_bytes(b"of what nobody knows")
    git("add", "-f", ".")
    git("commit", "-q", "-m", "three")
    with checked_out(top, commit_of(top, "main")) as tree:
        assert (tree / "file.txt").exists()
        assert list(tree.rglob("*.pyc")) == []


# --- the history between two revisions ----------------------------------------------------------------------------


def test_the_commits_between_two_are_those_of_first_parents_the_oldest_first(git: Git, top: Path) -> None:
    git("checkout", "-q", "-b", "side")
    git("commit", "-q", "--allow-empty", "-m", "aside")
    git("checkout", "-q", "main")
    git("commit", "-q", "--allow-empty", "-m", "three")
    git("merge", "-q", "--no-ff", "side", "-m", "merge \x1b[31m\n\nand more")
    found = commits_between(top, commit(top, "main~2"), commit(top, "main"))
    assert [each.subject for each in found] == ["three", "merge \x1b[31m"]
    assert found[-1] == commit(top, "HEAD")
    assert [found[0].name, found[0].short] == [git("rev-parse", "main~1"), git("rev-parse", "main~1")[:9]]
    assert found[0].date == git("log", "-1", "--format=%as", "main~1")
    # Of a branch that was merged, the merge is what came after it.
    assert [each.subject[:5] for each in commits_between(top, commit(top, "side"), commit(top, "main"))] == ["merge"]


def test_without_a_history_from_one_to_the_other_it_says_so(git: Git, top: Path) -> None:
    one, two = commit(top, "main~1"), commit(top, "main")
    with pytest.raises(UsageError, match="the same commit"):
        commits_between(top, two, two)
    with pytest.raises(UsageError, match=f"GOOD .{two.short}. is no ancestor of BAD .{one.short}."):
        commits_between(top, two, one)


# --- what a killed command leaves ---------------------------------------------------------------------------------

CHECKS_OUT = (
    "import sys, time\nfrom pathlib import Path\nfrom bench.run.revisions import checked_out\n"
    "with checked_out(Path(sys.argv[1]), sys.argv[2]): print(flush=True); time.sleep(1000)"
)


def test_the_next_command_removes_what_a_killed_one_has_left_and_nothing_else(
    git: Git, top: Path, untouched: Callable[[], bool], tmp_path: Path
) -> None:
    ours, folders = git("rev-parse", "main"), tmp_path / "tmp"
    (folders / "stepbench-mine").mkdir()  # without our mark it is somebody else's
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".stepbench").touch()
    (folders / "stepbench-link").symlink_to(tmp_path / "elsewhere")
    with subprocess.Popen(
        [sys.executable, "-c", CHECKS_OUT, top, ours],
        env={**os.environ, "TMPDIR": str(folders)},
        stdout=subprocess.PIPE,
    ) as killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        sweep()
        alive = git("worktree", "list").splitlines()
        killed.kill()
    assert len(alive) == 2, "its owner was alive"
    sweep()
    assert sorted(each.name for each in folders.iterdir()) == ["stepbench-link", "stepbench-mine"]
    assert (tmp_path / "elsewhere" / ".stepbench").exists()
    (folders / "stepbench-link").unlink()
    (folders / "stepbench-mine").rmdir()
    assert untouched()


def test_a_folder_of_ours_is_swept_by_whoever_needs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "stepbench-dead").mkdir()
    (tmp_path / "stepbench-dead" / ".stepbench").touch()
    with monkeypatch.context() as patch:
        patch.setattr("os.getuid", lambda: 12345)
        sweep()
    assert (tmp_path / "stepbench-dead").exists(), "it is somebody else's"
    with closing(Scratch()) as one, closing(Scratch()) as other:
        assert {*tmp_path.iterdir()} == {one.path, other.path}
    assert list(tmp_path.iterdir()) == []
