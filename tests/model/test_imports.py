"""A loaded file is a program in its folder: it finds its own neighbours, whenever it looks for them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.model.backends import BACKENDS
from bench.model.discovery import load_each
from bench.model.imports import digest, own_modules
from bench.model.registry import Registry
from bench.model.workload import WORKLOADS

Make = Callable[[str, str], Path]
NAME = "neighbour_of_test"

TOP = f"""
from bench import implementation
from {NAME} import WORD

@implementation("NAME", framework="numpy", workload="mlp_sgd")
def build(problem, data, device):
    return WORD
"""
LAZY = TOP.replace(f"from {NAME} import WORD\n", "").replace("    return", f"    from {NAME} import WORD\n    return")
WORKLOAD = f"""
from bench import workload

@workload("own_of_test", sizes={{"batch": 2}}, baseline="it")
class Own:
    def data(self, size, rng):
        from {NAME} import WORD
        return WORD

    def cost(self, size, phase):
        from {NAME} import WORD
        return WORD
"""
BACKEND = f"""
from bench import Availability, Backend, backend

@backend
class Own(Backend):
    name, framework, device = "own-of-test", "own-framework-of-test", "cpu"

    def availability(self):
        from {NAME} import WORD
        return Availability(False, WORD)

    def preload(self):
        from {NAME} import WORD

    def open(self, settings):
        from {NAME} import WORD
        return WORD

    def threads_in_use(self):
        return None
"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch, own_backends: None) -> Iterator[None]:
    """What a process that serves one file keeps importable goes with the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules, workloads = dict(sys.modules), dict(WORKLOADS)
    yield
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    WORKLOADS.clear()
    WORKLOADS.update(workloads)


def loaded(*files: Path, stay: bool = False) -> Registry:
    registry = Registry()
    for file in files:
        registry.load(f"file:{file}", stay=stay)
    return registry


def built(registry: Registry, name: str) -> object:
    nothing: Any = None
    return registry[name].build(nothing, nothing, nothing)


def two(make: Make, text: str) -> list[Path]:
    """Two files in two folders, each with a neighbour of the same name."""
    for folder in ("one", "two"):
        make(f"{folder}/{NAME}.py", f"WORD = '{folder}'")
    return [make(f"{folder}/mine.py", text.replace("NAME", folder)) for folder in ("one", "two")]


@pytest.mark.parametrize("text", [TOP, LAZY], ids=["top", "build"])
@pytest.mark.parametrize("stay", [False, True])
def test_two_files_in_two_folders_each_get_their_own(make: Make, text: str, stay: bool) -> None:
    registry = loaded(*two(make, text), stay=stay)
    assert [built(registry, name) for name in ("one", "two", "one")] == ["one", "two", "one"]


def test_in_the_commands_own_process_nothing_is_left_behind(make: Make) -> None:
    path, modules = list(sys.path), {name for name in sys.modules if not name.startswith("stepbench_loaded_")}
    registry, broken = load_each(two(make, LAZY))
    built(registry, "one")
    assert broken == {}
    assert sys.path == path
    assert {name for name in sys.modules if not name.startswith("stepbench_loaded_")} == modules


def test_in_a_measuring_process_the_implementation_still_finds_its_own_while_it_runs(make: Make) -> None:
    """Its workload comes from another folder, and is called in between."""
    one, two_ = two(make, LAZY)
    one.write_text(WORKLOAD)
    registry = loaded(one, two_, stay=True)
    assert (WORKLOADS["own_of_test"].program.data(None, None), built(registry, "two")) == ("one", "two")
    assert WORKLOADS["own_of_test"].program.cost(None, "step") == "one"
    assert __import__(NAME).WORD == "two"
    assert sorted(path.parent.name for path in own_modules(registry.surroundings)[NAME]) == ["one", "two"]


def test_workloads_and_backends_find_theirs_too(make: Make) -> None:
    make(f"w/{NAME}.py", "WORD = 'w'")
    make(f"b/{NAME}.py", "WORD = 'b'")
    loaded(make("w/mine.py", WORKLOAD), make("b/mine.py", BACKEND))
    own: Any = BACKENDS["own-of-test"]
    own.preload()
    assert (own.availability().reason, own.open(None)) == ("b", "b")
    program = WORKLOADS["own_of_test"].program
    assert (program.data(None, None), program.cost(None, "step")) == ("w", "w")
    assert NAME not in sys.modules


def test_a_neighbour_is_imported_once_and_its_own_neighbours_with_it(make: Make) -> None:
    make(f"{NAME}/__init__.py", f"from {NAME}.part import WORD")
    make(f"{NAME}/part.py", "import other_of_test\nWORD = []")
    make("other_of_test.py", "")
    registry = loaded(make("mine.py", TOP.replace("NAME", "top")), make("too.py", LAZY.replace("NAME", "lazy")))
    assert built(registry, "lazy") is built(registry, "lazy")
    assert built(registry, "top") is built(registry, "top")


def test_a_module_of_that_name_from_elsewhere_gives_way_and_comes_back(make: Make, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    make(f"elsewhere/{NAME}/__init__.py", "WORD = 'elsewhere'")
    make(f"elsewhere/{NAME}/part.py", "")
    sys.path.insert(0, str(tmp_path / "elsewhere"))
    elsewhere = __import__(f"{NAME}.part")
    make(f"own/{NAME}.py", "WORD = 'own'")
    assert built(loaded(make("own/mine.py", TOP.replace("NAME", "it"))), "it") == "own"
    assert sys.modules[NAME] is elsewhere
    assert f"{NAME}.part" in sys.modules


def test_what_was_there_before_stays_there(make: Make, tmp_path: Path) -> None:
    """Such as a user's package that the tests of his own project have imported."""
    make(f"{NAME}.py", "WORD = 'mine'")
    sys.path.insert(0, str(tmp_path))
    before = __import__(NAME)
    assert built(loaded(make("mine.py", TOP.replace("NAME", "it"))), "it") == "mine"
    assert sys.modules[NAME] is before


def test_what_is_installed_below_the_file_is_no_neighbour(make: Make, tmp_path: Path) -> None:
    """An environment in a project's folder: some packages cannot be imported twice."""
    installed = make(f".venv/lib/site-packages/{NAME}.py", "WORD = 'installed'")
    sys.path.append(str(installed.parent))
    registry = loaded(make("mine.py", TOP.replace("NAME", "it")))
    assert built(registry, "it") == "installed"
    assert NAME in sys.modules
    assert NAME not in own_modules(registry.surroundings)


def test_the_users_own_modules_are_known_by_their_content(make: Make) -> None:
    path, before = make(f"{NAME}.py", "WORD = 'mine'"), own_modules()
    registry = loaded(make("mine.py", TOP.replace("NAME", "it")), stay=True)
    found = own_modules(registry.surroundings)
    assert found[NAME] == (path.resolve(),)
    assert not {"bench.model.imports", "os", "numpy", "pytest"} & found.keys()
    assert not [name for name in found.keys() - before.keys() if "loaded" in name]
    assert digest(path) == hashlib.sha256(b"WORD = 'mine'").hexdigest()
    assert digest(path, path) != digest(path)
