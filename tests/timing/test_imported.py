"""Where the modules of a measuring process came from, as it tells itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from zipfile import ZipFile

import pytest

from bench.model.loading import forget_files, from_source
from bench.model.problem import Problem
from bench.model.registry import Registry
from bench.timing.imported import forget_foreign, from_elsewhere, imported
from bench.timing.protocol import Request

STEP = """
from bench import implementation
import {module}

@implementation("mine", framework="numpy", workload="mlp_sgd")
def build(problem, data, device): ...
"""
NAME = "module_that_is_imported"
"""pytest itself loads what is called test_* or *_test."""


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


def request(path: Sequence[str], *foreign: str, modules: Sequence[str] = ()) -> Request:
    asked = {"path": tuple(path), "foreign": foreign, "modules": tuple(modules)}
    return Request((), "mine", "numpy", Problem(), 1, "", **asked)  # type: ignore[arg-type]


def found(registry: Registry, path: Sequence[str], *foreign: str, modules: Sequence[str] = ()) -> str:
    return from_elsewhere(request(path, *foreign, modules=modules), registry.surroundings)


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
    assert found(registry, path, str(tree)) == ""
    assert NAME in imported(registry.surroundings)["modules"]


def test_a_module_that_was_imported_before_gives_way_too(checkouts: Callable[..., tuple[Path, Path]]) -> None:
    tree, side = checkouts(f"{NAME}.py")
    sys.path.insert(0, str(tree))
    __import__(NAME)
    path, registry = loaded(side)
    assert found(registry, path, str(tree)) == ""


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
    said = found(registry, path, str(tree))
    assert said.startswith(f"it imported {NAME} from {file}, ")
    assert found(registry, ()) == ""
    assert found(registry, (str(tree),), str(side)) == ""  # the working tree's own process


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
        assert f"it imported {NAME} from {tree}" in found(registry, path, str(tree))
        registry["mine"].build(None, None, None)  # type: ignore[arg-type]


def test_what_is_installed_in_the_working_tree_is_no_part_of_it(checkouts: Callable[..., tuple[Path, Path]]) -> None:
    tree, side = checkouts(f".venv/lib/site-packages/{NAME}.py", own=False)
    sys.path.append(str(tree / ".venv" / "lib" / "site-packages"))
    path, registry = loaded(side)
    assert found(registry, path, str(tree)) == ""


BY_LOCATION = """
import importlib.util
spec = importlib.util.spec_from_file_location("another_name", {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
GONE = f"import sys, {NAME}\ndel sys.modules['{NAME}']"


@pytest.mark.parametrize("kind", ["by location", "taken out", "without a file"])
def test_a_file_is_seen_whatever_becomes_of_its_module(checkouts: Callable[..., tuple[Path, Path]], kind: str) -> None:
    tree, side = checkouts(f"{NAME}.py", own=False)
    file = tree / f"{NAME}.py"
    if kind == "without a file":
        file.write_text("del __file__")
    code = BY_LOCATION.format(file=str(file)) if kind == "by location" else GONE
    text = STEP.format(module=NAME) if kind == "without a file" else STEP.replace("import {module}", code)
    (side / "step.py").write_text(text)
    sys.path.insert(0, str(tree))
    forget_files()
    with from_source(os.devnull):
        path, registry = loaded(side)
    assert found(registry, path, str(tree)).startswith(f"it loaded {file}, ")
    forget_foreign(request(path))
    assert found(registry, path, str(tree)) == ""


def test_what_lies_in_an_archive_of_the_working_tree_is_seen(checkouts: Callable[..., tuple[Path, Path]]) -> None:
    tree, side = checkouts(f"{NAME}.py", own=False)
    with ZipFile(tree / "archive.zip", "w") as archive:
        archive.writestr(f"{NAME}.py", "")
    sys.path.insert(0, str(tree / "archive.zip"))
    forget_files()
    with from_source(os.devnull):
        path, registry = loaded(side)
    assert f"it loaded {tree / 'archive.zip' / NAME}.py, " in found(registry, path, str(tree))


def test_a_loaded_file_that_is_a_link_into_the_working_tree_is_seen(
    checkouts: Callable[..., tuple[Path, Path]],
) -> None:
    tree, side = checkouts(f"{NAME}.py")
    (side / "step.py").write_text(STEP.replace("import {module}", ""))
    (side / "step.py").rename(tree / "step.py")
    (side / "step.py").symlink_to(tree / "step.py")
    forget_files()
    with from_source(os.devnull):
        path, registry = loaded(side)
    assert f"it loaded {tree / 'step.py'}, " in found(registry, path, str(tree))


@pytest.mark.parametrize("place", ["env/site-packages", "clone", "tree/.venv/lib/python3/site-packages"])
def test_a_copy_of_a_module_of_the_repository_is_seen_wherever_it_lies(
    checkouts: Callable[..., tuple[Path, Path]], tmp_path: Path, place: str
) -> None:
    """Installed, in another clone, or in an environment that lies in the working tree."""
    tree, side = checkouts(f"{NAME}.py", own=False)
    (tmp_path / place).mkdir(parents=True)
    copy = tmp_path / place / f"{NAME}.py"
    copy.write_text("")
    sys.path.append(str(copy.parent))
    path, registry = loaded(side)
    foreign = (str(tree),)
    assert found(registry, path, *foreign) == ""
    assert f"it imported {NAME} from {copy}, " in found(registry, path, *foreign, modules=[NAME])
    assert f"it imported {NAME} from {copy}, " in found(registry, (str(tree),), modules=[NAME])


def test_a_link_out_of_the_checkout_is_seen(checkouts: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    _, side = checkouts(f"{NAME}.py", own=False)
    (tmp_path / "real.py").write_text("")
    (side / f"{NAME}.py").symlink_to(tmp_path / "real.py")
    path, registry = loaded(side)
    assert f"it imported {NAME} from {tmp_path / 'real.py'}, " in found(registry, path, modules=[NAME])


def test_a_folder_without_a_file_holds_no_code(checkouts: Callable[..., tuple[Path, Path]]) -> None:
    tree, side = checkouts(f"{NAME}/part.py")
    (side / "step.py").write_text(STEP.format(module=f"{NAME}.part"))
    sys.path.insert(0, str(tree))
    path, registry = loaded(side)
    assert found(registry, path, str(tree), modules=[NAME]) == ""


def test_libraries_of_other_checkouts_are_seen_and_so_is_what_was_built_in_ones_own(
    checkouts: Callable[..., tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, side = checkouts(f"{NAME}.py")
    path, registry = loaded(side)
    monkeypatch.setattr("bench.timing.imported.ROOT", tmp_path)
    (tmp_path / "proc/self").mkdir(parents=True)

    def mapped(file: Path, permissions: str = "r-xp") -> None:
        lines = f"7f-8f rw-p 00000000 00:00 0\n8f-9f {permissions} 00000000 fe:00 12  {file}\n"
        (tmp_path / "proc/self/maps").write_text(lines)

    mapped(tree / "fast.so")
    said = found(registry, path, str(tree))
    assert f"it loaded {tree / 'fast.so'}, " in said
    assert "--python-a" in said
    for file, permissions in ((tree / "data.npy", "r--p"), (side / "fast.so", "r-xp")):
        mapped(file, permissions)
        assert found(registry, path, str(tree)) == ""
    assert f"it loaded {side / 'fast.so'}, " in found(registry, path, str(tree), str(side / "fast.so"))


def test_a_fork_forgets_what_its_interpreter_knew_of_another_checkout(
    checkouts: Callable[..., tuple[Path, Path]],
) -> None:
    """Whose backend it had loaded: a module of it that this revision lacks is neither imported nor to be found."""
    tree, side = checkouts(f"{NAME}.py", own=False)
    sys.path.insert(0, str(tree))
    __import__(NAME)
    forget_foreign(request((str(side),), str(tree)))
    assert NAME not in sys.modules
    with pytest.raises(ImportError):
        __import__(NAME)
