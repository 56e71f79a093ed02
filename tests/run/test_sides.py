"""Where the implementations of a comparison come from."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import LoadError, UsageError
from bench.model.discovery import built_in
from bench.model.registry import forget_loaded
from bench.run.matching import match
from bench.run.reading import read_all
from bench.run.sides import Side, of_implementation, of_interpreter, of_revisions
from bench.run.terms import Terms

STUB = """
from bench import implementation
{line}
@implementation("{name}", framework="numpy", workload="mlp_sgd")
def build(problem, data, device):
    '''{line}'''
"""
Commit = Callable[[dict[str, str | None]], None]


def stub(name: str, line: str = "") -> str:
    return STUB.format(name=name, line=line)


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "repo"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    return folder


@pytest.fixture
def commit(top: Path) -> Commit:
    """Write files, delete those that are None, and commit."""

    def do(files: dict[str, str | None]) -> None:
        for name, text in files.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        for arguments in (["add", "-A"], [*who, "commit", "-q", "-m", "x"]):
            subprocess.run(["git", *arguments], cwd=top, check=True)

    return do


def summaries(side: Side) -> dict[str, str]:
    """What the docstrings say."""
    return {item.name: item.summary for item in side.registry}


def test_each_side_is_its_own_revision(top: Path, commit: Commit) -> None:
    commit({"implementations/x.py": stub("x", "# one")})
    commit({"implementations/x.py": stub("x", "# two"), "implementations/y.py": stub("y")})
    with of_revisions("HEAD~1", "main", (), top) as (a, b):
        assert (summaries(a), summaries(b)) == ({"x": "# one"}, {"x": "# two", "y": ""})
        assert (a.names, b.names) == (("x",), ("x", "y"))
        assert a.label.startswith("HEAD~1 (")
        assert b.label.startswith("main (")
        assert a.revision is not None
        assert a.label == f"HEAD~1 ({a.revision[:9]})"
        for side in (a, b):
            assert all(item.origin.startswith(f"file:{side.path[0]}/implementations/") for item in side.registry)
            assert not side.alone
        assert a.path != b.path
        assert str(top) not in (*a.path, *b.path)


def test_without_b_it_is_the_files_as_they_are(top: Path, commit: Commit) -> None:
    commit({"implementations/x.py": stub("x", "# one")})
    (top / "implementations" / "x.py").write_text(stub("x", "# not committed"))
    (top / "implementations" / "new.py").write_text(stub("new"))
    with of_revisions("main", None, (), top / "implementations") as (a, b):
        assert summaries(a) == {"x": "# one"}
        assert summaries(b) == {"x": "# not committed", "new": ""}
        assert (b.label, b.revision, b.path) == ("working tree", None, (str(top.resolve()),))


def test_helpers_and_drafts_in_the_folder_are_no_implementations(top: Path, commit: Commit) -> None:
    commit(
        {
            "implementations/x.py": stub("x")
            .replace("@implementation", "@bench.implementation")
            .replace("from bench import implementation", "import bench"),
            "implementations/_draft.py": stub("draft"),
            "implementations/helper.py": "def help(): 'what @implementation( means'\n",
            "implementations/notes.txt": stub("notes"),
        }
    )
    (top / "implementations" / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nname = 'ä'\n".encode("latin-1"))
    with of_revisions("main", None, (), top) as (a, b):
        assert (a.names, b.names) == (("x",), ("x",))
        assert a.broken == b.broken == {}


def test_a_file_that_does_not_load_is_kept_with_its_reason_and_its_place_in_the_repository(
    top: Path, commit: Commit
) -> None:
    commit({"implementations/x.py": stub("x"), "implementations/y.py": stub("y")})
    commit({"implementations/x.py": stub("x", "1 +")})
    with of_revisions("HEAD~1", "main", (), top) as (a, b):
        assert a.broken == {}
        assert b.names == ("y",)
        reason = b.broken["implementations/x.py"]
        assert reason.startswith("implementations/x.py does not import: SyntaxError: invalid syntax")
        assert "stepbench-revision" not in reason


def test_each_side_imports_its_own_neighbours_and_leaves_none_behind(top: Path, commit: Commit) -> None:
    text = "from bench import implementation\nfrom lib.names import NAME\n" + stub("x").replace('"x"', "NAME")
    commit({"implementations/x.py": text, "lib/names.py": "NAME = 'one'", "lib/__init__.py": ""})
    commit({"lib/names.py": "NAME = 'two'"})
    before = list(sys.path)
    with of_revisions("HEAD~1", "main", (), top) as (a, b):
        assert (a.names, b.names) == (("one",), ("two",))
        assert a.broken == b.broken == {}
    assert sys.path == before
    assert [name for name in sys.modules if name.partition(".")[0] == "lib"] == []


def test_packages_in_src_are_found_and_the_other_checkouts_are_known(top: Path, commit: Commit) -> None:
    text = "from bench import implementation\nfrom pack.names import NAME\n" + stub("x").replace('"x"', "NAME")
    commit({"implementations/x.py": text, "src/pack/names.py": "NAME = 'one'", "src/pack/__init__.py": ""})
    commit({"src/pack/names.py": "NAME = 'two'"})
    (top / "src" / "pack" / "names.py").write_text("NAME = 'three'")
    with of_revisions("HEAD~1", "main", (), top) as (a, b):
        assert (a.names, b.names) == (("one",), ("two",))
        assert a.path == (a.path[0], f"{a.path[0]}/src")
        assert set(a.foreign) == {b.path[0], str(top.resolve())}
        assert set(b.foreign) == {a.path[0], str(top.resolve())}
    with of_revisions("main", None, (), top) as (a, b):
        assert (a.names, b.names) == (("two",), ("three",))
        assert (a.foreign, b.foreign) == ((str(top.resolve()),), (a.path[0],))


OWN = """
from bench import backend, implementation, workload
from bench.backends.numpy import NumpyBackend
from pack.names import NAME

@backend
class Own(NumpyBackend):
    name, framework, device = "own-cpu", "own", "cpu"

@workload("own_maths", sizes={"batch": 2}, baseline="x", title=NAME)
class Maths:
    def data(self, size, rng): ...

@implementation("x", framework="own", workload="own_maths")
def build(problem, data, device): ...
"""


def test_folders_that_pythonpath_names_are_taken_from_each_side(
    top: Path, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from bench import implementation\nfrom pack.names import NAME\n" + stub("x").replace('"x"', "NAME")
    commit({"implementations/x.py": text, "deep/python/pack/names.py": "NAME = 'one'"})
    commit({"deep/python/pack/names.py": "NAME = 'two'", "lib.venv/site-packages/z.py": ""})
    for entry in ("deep/python", "lib.venv/site-packages"):
        monkeypatch.syspath_prepend(top / entry)
    with of_revisions("HEAD~1", "main", (), top) as (a, b):
        assert (a.names, b.names) == (("one",), ("two",))
        for side in (a, b):
            assert side.path == (side.path[0], f"{side.path[0]}/deep/python")


def test_the_modules_of_the_repository_are_those_of_all_its_checkouts(top: Path, commit: Commit) -> None:
    files = {"implementations/x.py": stub("x"), "old.py": "", "src/pack/__init__.py": "", "data/table.csv": ""}
    commit({**files, "types.py": "", "tests/torch/__init__.py": "", "bench/__init__.py": ""})
    commit({"old.py": None, "sub/pyproject.toml": "", "sub/python/deep/__init__.py": ""})
    (top / "new.py").write_text("")
    for b in ("main", None):
        with of_revisions("HEAD~1", b, (), top) as sides:
            assert [side.modules for side in sides] == [("deep", "new", "old", "pack")] * 2


def test_what_was_built_in_the_working_tree_is_foreign_to_it(top: Path, commit: Commit) -> None:
    commit({"implementations/x.py": stub("x"), ".gitignore": "*.so\n*.pyc\n.venv\n", "pack/known.py": ""})
    places = ("pack/fast.so", "pack/left.pyc", "pack/__pycache__/known.pyc", ".venv/lib/site-packages/any.so")
    for place in places:
        (top / place).parent.mkdir(parents=True, exist_ok=True)
        (top / place).write_text("")
    with of_revisions("main", None, (), top) as (a, b):
        assert a.foreign == (str(top.resolve()),)
        assert set(b.foreign) == {a.path[0], *(str(top.resolve() / place) for place in places[:2])}


def test_other_worktrees_are_foreign(top: Path, commit: Commit, tmp_path: Path) -> None:
    commit({"implementations/x.py": stub("x")})
    other = tmp_path / "other"
    subprocess.run(["git", "worktree", "add", "-q", str(other)], cwd=top, check=True)
    with of_revisions("main", None, (), top) as sides:
        assert all(str(other.resolve()) in side.foreign for side in sides)


def test_an_import_that_a_revision_lacks_says_why(top: Path, commit: Commit) -> None:
    commit({"implementations/x.py": stub("x", "import missing_of_test")})
    with of_revisions("main", None, (), top) as (a, b):
        (of_revision,), (of_tree,) = a.broken.values(), b.broken.values()
        assert "what git tracks" in of_revision
        assert "what git tracks" not in of_tree


def test_a_backend_and_a_workload_of_ones_own_are_those_of_each_side(
    top: Path, commit: Commit, own_backends: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.run.plan.too_large", lambda *_: "")
    commit({"implementations/x.py": OWN, "src/pack/names.py": "NAME = 'one'", "src/pack/__init__.py": ""})
    commit({"src/pack/names.py": "NAME = 'two'"})
    try:
        with of_revisions("HEAD~1", "main", (), top) as (a, b):
            assert (a.broken, b.broken) == ({}, {})
            assert [side.registry["x"].workload.title for side in (a, b)] == ["one", "two"]
            (case,) = match((a, b), Terms(threads=1)).cases
            for side, item in ((a, case.a), (b, case.b)):
                assert item.origins == (f"file:{side.path[0]}/implementations/x.py",)
                assert item.backend.path == side.path
    finally:
        forget_loaded()


def test_a_loaded_file_is_taken_from_each_side(top: Path, commit: Commit, monkeypatch: pytest.MonkeyPatch) -> None:
    commit({"src/mine.py": stub("mine", "# one")})
    commit({"src/mine.py": stub("mine", "# two")})
    monkeypatch.chdir(top / "src")
    with of_revisions("HEAD~1", "main", (Path("mine.py"),), top / "src") as (a, b):
        assert (summaries(a), summaries(b)) == ({"mine": "# one"}, {"mine": "# two"})


def test_a_loaded_file_that_lies_in_the_folder_counts_once(top: Path, commit: Commit) -> None:
    commit({"implementations/x.py": stub("x")})
    with of_revisions("main", None, (top / "implementations" / "x.py",), top) as (a, b):
        assert (a.names, b.names, a.broken, b.broken) == (("x",), ("x",), {}, {})


def test_a_loaded_file_that_is_new_is_missing_in_the_revision(top: Path, commit: Commit) -> None:
    commit({"implementations/x.py": stub("x")})
    (top / "new.py").write_text(stub("new"))
    with of_revisions("main", None, (top / "new.py",), top) as (a, b):
        assert a.broken == {"new.py": "There is no file new.py: give the path of a Python file."}
        assert b.names == ("x", "new")


def test_a_loaded_file_that_is_nowhere_or_outside_is_refused(top: Path, commit: Commit, tmp_path: Path) -> None:
    commit({"implementations/x.py": stub("x")})
    (tmp_path / "mine.py").write_text(stub("mine"))
    with pytest.raises(UsageError, match=r"mine.py is outside the repository .*, so it has no revisions"):
        of_revisions("main", None, (tmp_path / "mine.py",), top).__enter__()
    with pytest.raises(LoadError, match=r"There is no file wrong.py on either side"):
        of_revisions("main", None, (top / "wrong.py",), top).__enter__()


def test_a_repository_without_implementations_says_how_to_name_them(top: Path, commit: Commit) -> None:
    commit({"readme": "nothing"})
    with pytest.raises(UsageError, match=r"has no implementations/ with registered steps: .* with --load"):
        of_revisions("main", None, (), top).__enter__()


def test_a_wrong_second_revision_is_found_before_anything_is_checked_out(
    top: Path, commit: Commit, tmp_path: Path
) -> None:
    commit({"implementations/x.py": stub("x")})
    with pytest.raises(UsageError, match="There is no revision 'wrong'"):
        of_revisions("main", "wrong", (), top).__enter__()
    assert list(tmp_path.glob("stepbench-revision-*")) == []


def test_one_implementation_stands_alone() -> None:
    side = of_implementation("torch_nn", built_in())
    assert (side.label, side.names, side.alone) == ("torch_nn", ("torch_nn",), True)
    with pytest.raises(UsageError, match="did you mean 'torch_nn'"):
        of_implementation("torch_nm", built_in())


def test_an_interpreter_runs_everything_that_is_here(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(stub("mine"))
    side = of_interpreter("old/bin/python", read_all([tmp_path / "mine.py"]))
    assert side.interpreter is not None
    assert side.interpreter.python == side.label == "old/bin/python"
    assert {"numpy_manual", "torch_nn", "mine"} <= set(side.names)
