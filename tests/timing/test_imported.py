"""Where the modules of a measuring process came from, as it tells itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from bench.model.registry import Registry
from bench.timing.imported import from_elsewhere, imported

STEP = """
from bench import implementation
import {module}

@implementation("mine", framework="numpy", workload="mlp_sgd")
def build(problem, data, device): ...
"""
NAME = "module_of_test"


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    modules = dict(sys.modules)
    yield
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]


@pytest.fixture
def checkouts(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """A working tree and one side's checkout, with a module each at the same place."""

    def make(place: str, own: bool = True, inside: str = "checkout") -> tuple[Path, Path]:
        tree, side = tmp_path / "tree", tmp_path / inside
        for top in (tree, side):
            (top / place).parent.mkdir(parents=True, exist_ok=True)
            if top is tree or own:
                (top / place).write_text("")
        (side / "step.py").write_text(STEP.format(module=NAME))
        return tree, side

    return make


def loaded(side: Path) -> tuple[tuple[str, ...], Registry]:
    path = (str(side), str(side / "src"))
    registry = Registry()
    registry.load(f"file:{side / 'step.py'}", path, stay=True)
    return path, registry


@pytest.mark.parametrize("place", [f"{NAME}.py", f"src/{NAME}/__init__.py"])
def test_its_own_comes_before_a_path_into_the_working_tree(
    checkouts: Callable[..., tuple[Path, Path]], place: str
) -> None:
    tree, side = checkouts(place)
    sys.path[:0] = [str(tree), str(tree / "src")]
    path, registry = loaded(side)
    assert from_elsewhere(path, [str(tree)], registry.surroundings) == ""
    assert NAME in imported(registry.surroundings)["modules"]


def test_a_module_that_was_imported_before_gives_way_too(checkouts: Callable[..., tuple[Path, Path]]) -> None:
    tree, side = checkouts(f"{NAME}.py")
    sys.path.insert(0, str(tree))
    __import__(NAME)
    path, registry = loaded(side)
    assert from_elsewhere(path, [str(tree)], registry.surroundings) == ""


@pytest.mark.parametrize("kind", ["source", "sourceless"])
@pytest.mark.parametrize("inside", ["checkout", "tree/tmp/checkout"])
def test_what_only_the_working_tree_has_is_named_with_its_file(
    checkouts: Callable[..., tuple[Path, Path]], kind: str, inside: str
) -> None:
    """Such as a module that the revision does not have yet, or whose compiled file was left behind."""
    import py_compile

    tree, side = checkouts(f"{NAME}.py", own=False, inside=inside)
    file = tree / f"{NAME}.py"
    if kind == "sourceless":
        py_compile.compile(str(file), str(file.with_suffix(".pyc")))
        file.unlink()
        file = file.with_suffix(".pyc")
    sys.path.insert(0, str(tree))
    path, registry = loaded(side)
    said = from_elsewhere(path, [str(tree)], registry.surroundings)
    assert said.startswith(f"it imported {NAME} from {file} ")
    assert from_elsewhere((), (), registry.surroundings) == ""
    assert from_elsewhere((str(tree),), [str(side)], registry.surroundings) == ""  # the working tree's own process


def test_a_hook_that_leads_into_the_working_tree_is_seen_however_often_the_file_s_code_runs(
    checkouts: Callable[..., tuple[Path, Path]],
) -> None:
    tree, side = checkouts(f"{NAME}.py")

    class Editable:
        """As some build tools install a package so that it can be edited: before all folders."""

        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            return PathFinder.find_spec(name, [str(tree)]) if name == NAME else None

    sys.meta_path.insert(0, Editable)  # type: ignore[arg-type]
    path, registry = loaded(side)
    for _ in range(2):
        assert f"it imported {NAME} from {tree}" in from_elsewhere(path, [str(tree)], registry.surroundings)
        registry["mine"].build(None, None, None)  # type: ignore[arg-type]


def test_what_is_installed_in_the_working_tree_is_no_part_of_it(checkouts: Callable[..., tuple[Path, Path]]) -> None:
    tree, side = checkouts(f".venv/lib/site-packages/{NAME}.py", own=False)
    sys.path.append(str(tree / ".venv" / "lib" / "site-packages"))
    path, registry = loaded(side)
    assert from_elsewhere(path, [str(tree)], registry.surroundings) == ""
