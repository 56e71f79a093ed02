"""Shared by all tests: frameworks that keep to one thread, and small ways to make files and cases."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import hypothesis
import pytest

# The same examples every time, and no verdict that depends on how busy the machine is.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")

# Before any framework is imported: tests share two cores with each other and with whatever else runs.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# What is kept for this machine is each process's own: tests that measure side by side wait for nobody.
_STATE = tempfile.TemporaryDirectory(prefix="stepbench-tests-")
os.environ["STEPBENCH_HOME"] = _STATE.name

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-baselines", action="store_true", help="Draw the pictures that figures are compared with.")


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and not in what was imported to stay: figures and frames are made of many objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file below the test's own folder."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return make


@pytest.fixture(scope="session")
def few() -> type[Any]:
    """Stands for the class of policies: what it makes is one, with little of everything."""
    from bench.timing.policy import SamplingPolicy

    class Few:
        process_seconds, lead_seconds = 0.04, 0.001

        def __new__(cls, process_seconds: float, **options: Any) -> Any:
            return SamplingPolicy(process_seconds, **options, turn_seconds=0.001, max_turns=8, warmup_max_seconds=0.05)

    return Few


@pytest.fixture(scope="session")
def here(few: type[Any]) -> Callable[..., Any]:
    """Run the command in this process, which has imported everything already: its status and what it printed.

    `cwd` is the folder where it is run, other keywords are variables of its environment. The processes that it starts
    to measure are real, but each takes few samples, and what a device can do at most is left out: that takes longer
    than all else, unless the device is the one of `peaks`, whose time is made up.
    """
    from bench.cli import main
    from bench.data.schema import Status
    from bench.model.backends import BACKENDS
    from bench.model.workload import WORKLOADS
    from bench.run.asking import ask_device
    from bench.timing.protocol import Reply

    def run(
        *arguments: str | Path, cwd: Path | None = None, peaks: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        def ask(asks: Any, item: Any, *more: Any) -> Reply:
            return ask_device(asks, item, *more) if item.case.device == peaks else Reply(Status.OK)

        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            contextlib.chdir(cwd or Path.cwd()),
            mock.patch.dict(os.environ, environment),
            mock.patch.dict(BACKENDS),  # those of a file that it loads go with it
            mock.patch.dict(WORKLOADS),
            mock.patch("bench.run.runner.SamplingPolicy", few),
            mock.patch("bench.run.known_peaks.ask_device", ask),
            mock.patch("signal.signal"),  # it takes signals over: not in a process that goes on
            pytest.raises(SystemExit) as ended,
        ):
            main([str(argument) for argument in arguments])
        done = subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue())
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def error() -> Callable[..., str]:
    """The single sentence on standard error of a command that ended with this status."""

    def find(done: subprocess.CompletedProcess[str], status: int = 2) -> str:
        assert done.returncode == status, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        (found,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        return found

    return find


@pytest.fixture
def own_backends() -> Iterator[None]:
    """Backends and workloads that files register in a test go with it."""
    from bench.model.backends import BACKENDS
    from bench.model.workload import WORKLOADS

    before, known = dict(BACKENDS), dict(WORKLOADS)
    yield
    BACKENDS.clear()
    BACKENDS.update(before)
    WORKLOADS.clear()
    WORKLOADS.update(known)


@pytest.fixture(scope="session")
def devices() -> Callable[[str], Any]:
    """The CPU as a device of a framework, for steps that are built in the process of the tests."""
    from bench.model.backends import backends_of
    from bench.model.device import Device, Settings

    @functools.cache
    def opened(framework: str) -> Device:
        if framework == "torch":
            # What `open` sets once a process may have been set already by another test file.
            import torch

            device = torch.device("cpu")
            return Device("cpu", "", 1, device, lambda array: torch.tensor(array, device=device), lambda: None)
        return next(each for each in backends_of(framework) if each.device == "cpu").open(Settings(1))

    return opened


@pytest.fixture
def own_workloads() -> Iterator[None]:
    """Workloads that files register in a test go with it."""
    from bench.model.workload import WORKLOADS

    before = dict(WORKLOADS)
    yield
    WORKLOADS.clear()
    WORKLOADS.update(before)


def beside(stem: str) -> ModuleType:
    """A module of `tests/data/`, for fixtures, since test files do not import one another."""
    name = f"stepbench_test_{stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "data" / f"{stem}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """The module `tests/data/builders.py`: runs made by hand."""
    return beside("builders")


@pytest.fixture(scope="session")
def new(build: ModuleType) -> Callable[[str, Path], Any]:
    """Make a run to be drawn of one of the `KINDS` of `tests/data/drawable.py` in a folder, empty to begin with."""
    kinds = beside("drawable").KINDS
    return lambda kind, folder: kinds[kind](build, folder)


@pytest.fixture(scope="session")
def fakecpu() -> Path:
    """A file for `--load`: NumPy on a device of its own, which is called fakecpu."""
    return ROOT / "tests" / "data" / "fakecpu.py"


@pytest.fixture(scope="session")
def needs() -> Callable[[str, str], str]:
    """The path of a program that Python packages do not bring. Where it is missing the test is skipped and says so.

    It fails instead if `STEPBENCH_REQUIRE`, names with commas, has that feature: chromium, poppler, slurm or tex.
    """

    def find(feature: str, program: str) -> str:
        path = shutil.which(program)
        if path is not None:
            return path
        reason = f"{program} is not installed: it comes with {feature}"
        if feature in os.environ.get("STEPBENCH_REQUIRE", "").split(","):
            pytest.fail(f"{reason}, which STEPBENCH_REQUIRE names")
        pytest.skip(reason)

    return find


@pytest.fixture(scope="session")
def shown() -> Callable[..., str]:
    """What a terminal of some width shows of blocks, without colours; never wider than the terminal."""
    from rich.console import Console

    from bench.output.render.terminal import render

    def show(blocks: Iterable[Any], width: int = 140) -> str:
        stream = io.StringIO()
        Console(file=stream, width=width, highlight=False).print(render(blocks, width))
        text = stream.getvalue()
        assert max((len(line) for line in text.splitlines()), default=0) <= width
        return text

    return show


@pytest.fixture(scope="session")
def words(shown: Callable[..., str]) -> Callable[..., str]:
    """The words of that, however lines were wrapped."""
    return lambda blocks, width=140: " ".join(shown(blocks, width).split())
