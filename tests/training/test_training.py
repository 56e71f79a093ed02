"""The decorator `@training`: one function becomes a workload and its implementations, without the framework."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.errors import LoadError
from bench.model.precision import Precision
from bench.model.registry import Registry
from bench.model.step import FORWARD, TRAINING
from bench.model.workload import WORKLOADS

Write = Callable[[str, str], Path]

GOOD = """
from bench import FORWARD, Training, training

@training("mine", sizes={"batch": 4, "layers": 2})
def mine(size, rng):
    '''My own model.

    More.
    '''
    import torch
"""


@pytest.fixture(autouse=True)
def own_workloads() -> Iterator[None]:
    """Workloads that files register in a test go with it."""
    before = dict(WORKLOADS)
    yield
    WORKLOADS.clear()
    WORKLOADS.update(before)


def load(path: Path) -> Registry:
    registry = Registry()
    registry.load(f"file:{path}")
    return registry


def test_one_function_becomes_a_workload_and_three_implementations(write: Write) -> None:
    path = write("mine.py", GOOD)
    every = load(path)
    assert [item.name for item in every] == ["mine.eager", "mine.compiled", "mine.ddp"]
    assert [(item.spreads, item.by_default) for item in every] == [("", True), ("", True), ("mine.eager", False)]
    for item in every:
        assert (item.framework, item.fused, item.origin) == ("torch", False, f"file:{path}")
        assert item.precisions == tuple(Precision)
        assert item.summary
    found = WORKLOADS["mine"]
    assert (found.title, found.baseline, found.phases) == ("My own model", "mine.eager", TRAINING)
    assert dict(found.sizes) == {"batch": 4, "layers": 2}
    assert found.unverified == ""
    assert not found.has_reference


def test_the_decorator_s_words_reach_them(write: Write) -> None:
    options = 'title="T", unverified="dropout", compiled=False, fused=True, phases=FORWARD, '
    (item,) = load(write("mine.py", GOOD.replace("sizes=", f"{options}sizes=")))
    assert (item.name, item.fused) == ("mine.eager", True)
    assert (item.workload.title, item.workload.unverified, item.workload.phases) == ("T", "dropout", FORWARD)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sizes=", 'framework="tensorflaw", sizes=', "unknown framework 'tensorflaw'"),
        ('"layers": 2', '"layers": 0', "size layers=0"),
        ('"layers"', '"dtype"', "size .dtype."),
        ('"mine"', '"../mine"', "use letters"),
        ("sizes=", "unverified=True, sizes=", "write the reason"),
    ],
)
def test_what_cannot_be_registered_is_refused(write: Write, old: str, new: str, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        load(write("mine.py", GOOD.replace(old, new)))


def test_the_decorator_leaves_the_function_alone() -> None:
    from bench import training

    def mine(size: object, rng: object) -> None: ...

    assert training("mine", sizes={})(mine) is mine  # type: ignore[type-var]


def test_loading_the_shelf_imports_no_framework(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bench.model.discovery import discover;"
        f"found = discover(sorted(Path({str(root / 'docs' / 'examples')!r}).glob('*[!l].py')));"
        "assert {'cnn.eager', 'cnn_jax.staged', 'cnn_keras.fused'} <= {each.name for each in found};"
        "print(*({'torch', 'tensorflow', 'jax', 'keras', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
