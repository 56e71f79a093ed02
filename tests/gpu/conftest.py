"""Shared by the tests of the GPU's path: the modules beside them, which test files cannot import by name."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.model.case import Mode
from bench.model.registry import Build

HERE = Path(__file__).resolve().parent


def load(stem: str) -> ModuleType:
    """A module of this folder."""
    name = f"stepbench_test_{stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{stem}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def virtual() -> ModuleType:
    """The model of a CUDA stream."""
    return load("virtual_cuda")


@pytest.fixture(scope="session")
def timed() -> ModuleType:
    """Implementations on the model."""
    return load("timed_step")


@pytest.fixture
def start(virtual: ModuleType, timed: ModuleType) -> Iterator[Callable[..., Any]]:
    """Set up an implementation on the model, which stands in for CUDA until the next one or the end of the test."""
    with ExitStack() as stack:

        def make(
            name: str = "torch_autograd", mode: Mode = Mode.RESIDENT_WARM, build: Build | None = None, **costs: int
        ) -> Any:
            stack.close()
            return stack.enter_context(timed.set_up(virtual, name, mode, build, costs))

        yield make
