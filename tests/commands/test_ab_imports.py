"""What two revisions are compared by is what was imported: packages in src/, editable installs, PYTHONPATH."""

from __future__ import annotations

import json
import py_compile
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

Quick = tuple[str, ...]
POISON = "raise ImportError('this is the working tree')\n"
HOOK = """
import sys
from importlib.machinery import PathFinder

class Editable:
    '''As some build tools install a package so that it can be edited: before all folders.'''
    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, [{src!r}]) if name == 'mypkg' else None

sys.meta_path.insert(0, Editable())
"""


@pytest.fixture(scope="module")
def packaged(repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A repository with a package in src/, whose neighbour alone differs between its revisions."""
    folder = tmp_path_factory.mktemp("packaged")
    for name in ("repo", "tmp", "out", "site"):
        (folder / name).mkdir()
    made = replace(repository, top=folder / "repo", temporary=folder / "tmp", outputs=folder / "out")
    made.git("init", "-q", "-b", "main")
    return made


@pytest.fixture(scope="module")
def site(packaged: Any) -> Path:
    """A folder of the environment's, whose .pth file names the working tree's src/, as an editable install does."""
    folder = packaged.top.parent / "site"
    (folder / "mypkg.pth").write_text(f"{packaged.top / 'src'}\n")
    (folder / "sitecustomize.py").write_text(f"import site\nsite.addsitedir({str(folder)!r})\n")
    return Path(folder)


@pytest.fixture
def revisions(packaged: Any, step_file: Callable[..., str], slow_knob: str) -> None:
    if packaged.git("tag"):
        return
    step = step_file("mine", "from mypkg.knob import turn")
    knob = "def turn():\n    pass\n"
    files: dict[str, str | None] = {"steps/mine.py": step, "src/mypkg/__init__.py": "", "src/mypkg/knob.py": knob}
    packaged.commit("v1", {**files, ".gitignore": "__pycache__\n"})
    packaged.commit("v2", {"src/mypkg/knob.py": slow_knob})
    packaged.commit("v3", {"src/mypkg/knob.py": POISON})  # the working tree


def compare(repository: Any, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    done = repository.bench("ab", *arguments, "--json", "--out", repository.out(), **environment)
    return done.returncode, json.loads(done.stdout)


def test_a_slowdown_in_a_package_in_src_is_found_past_an_editable_install_and_pythonpath(
    packaged: Any, revisions: None, site: Path, quick: Quick, root: Path
) -> None:
    paths = f"{root}:{packaged.top}/src:{packaged.top}:{site}"
    code, told = compare(packaged, "v1", "v2", "--load", "steps/mine.py", *quick, PYTHONPATH=paths)
    assert (code, told["verdict"]) == (1, "REGRESSION"), told
    assert told["cases"][0]["changed"][0]["phase"] == "backward"


@pytest.mark.slow
def test_a_backend_of_ones_own_finds_the_packages_of_its_side_too(
    packaged: Any, revisions: None, quick: Quick, root: Path, step_file: Callable[..., str]
) -> None:
    """Its file is loaded by the interpreter that the processes of both sides are forked from."""
    step = step_file("mine", "from mypkg.knob import turn").replace('framework="numpy"', 'framework="own"')
    own = "from bench import backend\nfrom bench.backends.numpy import NumpyBackend\n\n@backend\n"
    own += "class Own(NumpyBackend):\n    name, framework = 'own-cpu', 'own'\n"
    packaged.git("checkout", "-q", "v1")
    packaged.commit("own1", {"steps/mine.py": f"{own}\n{step}"})
    packaged.commit("own2", {"src/mypkg/knob.py": packaged.git("show", "v2:src/mypkg/knob.py")})
    code, told = compare(packaged, "own1", "own2", "--load", "steps/mine.py", *quick, PYTHONPATH=str(root))
    assert (code, told["verdict"]) == (1, "REGRESSION"), told
    assert told["cases"][0]["verdict"]["name"] == "mine on own-cpu"


def test_an_import_hook_that_leads_to_the_working_tree_is_never_a_pass(
    packaged: Any, revisions: None, quick: Quick, root: Path
) -> None:
    knob = packaged.top / "src" / "mypkg" / "knob.py"
    knob.write_text("def turn():\n    pass\n")
    hook = packaged.top.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK.format(src=str(packaged.top / "src")))
    arguments = ("v1", "v2", "--load", "steps/mine.py", *quick)
    code, told = compare(packaged, *arguments, PYTHONPATH=f"{root}:{hook}")
    assert (code, told["verdict"]) == (4, "INVALID")
    (case,) = told["cases"]
    reason = case["verdict"]["reason"]
    assert "side A failed: it imported mypkg from " in reason or "side B failed: it imported mypkg from " in reason
    assert str(packaged.top / "src" / "mypkg" / "__init__.py") in reason


def test_the_working_tree_is_its_sources_and_not_the_bytecode_that_lies_beside_them(
    packaged: Any, revisions: None, quick: Quick, root: Path, slow_knob: str
) -> None:
    """As `python -m compileall --invalidation-mode unchecked-hash` leaves it."""
    packaged.git("checkout", "-q", "-f", "v1")
    knob = packaged.top / "src" / "mypkg" / "knob.py"
    py_compile.compile(str(knob), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    knob.write_text(slow_knob)
    code, told = compare(packaged, "v1", "--load", "steps/mine.py", *quick, PYTHONPATH=str(root))
    assert (code, told["verdict"]) == (1, "REGRESSION"), told["cases"]


def test_a_gate_of_an_installed_copy_is_never_a_pass(
    packaged: Any,
    revisions: None,
    quick: Quick,
    root: Path,
    step_file: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The package that was added since is installed: without its own, the revision before would measure the copy."""
    copy = packaged.top.parent / "installed" / "site-packages" / "fresh"
    copy.mkdir(parents=True)
    for folder in (copy, packaged.top / "fresh"):
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("def turn():\n    pass\n")
    step = step_file("mine", "from fresh import turn")
    packaged.commit("copy1", {"steps/mine.py": step, "fresh/__init__.py": None})
    packaged.commit("copy2", {"fresh/__init__.py": "def turn():\n    pass\n"})
    monkeypatch.syspath_prepend(copy.parent)
    monkeypatch.setitem(sys.modules, "fresh", None)  # gone with the test
    del sys.modules["fresh"]
    paths = f"{root}:{copy.parent}"
    code, told = compare(packaged, "copy1", "copy2", "--load", "steps/mine.py", *quick, PYTHONPATH=paths)
    assert (code, told["verdict"]) == (4, "INVALID")
    reason = told["cases"][0]["verdict"]["reason"]
    assert f"side A failed: it imported fresh from {copy / '__init__.py'}" in reason
