"""Finding implementations: the built-in folder, installed entry points and files named by `--load`.

Loading a file runs its top level and nothing else; implementations import their framework inside `build`, so a whole
registry is read without importing one.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench.errors import LoadError, UsageError, nearest
from bench.model.device import BACKENDS, Backend, backends_of
from bench.model.workload import WORKLOADS, Workload

if TYPE_CHECKING:
    from bench.model.data import Data
    from bench.model.device import Device
    from bench.model.problem import Problem
    from bench.model.step import Step

Build = Callable[["Problem", "Data", "Device"], "Step"]
BuildFunction = TypeVar("BuildFunction", bound=Build)

BUILT_IN = Path(__file__).resolve().parents[2] / "implementations"
ENTRY_POINTS = "stepbench.implementations"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Implementation:
    """One registered way to compute a training step."""

    name: str
    framework: str
    workload: Workload
    fused: bool
    """The author's word that phases cannot be timed apart; checked against the Step that `build` returns."""
    build: Build
    origin: str
    """`file:PATH` or `module:NAME`: what a measuring process loads to get at `build`."""
    summary: str
    """First line of `build`'s docstring."""

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The backends it can run on, present or not."""
        return backends_of(self.framework)


_collected: ContextVar[list[tuple[str, str, str, bool, Build]] | None] = ContextVar("_collected", default=None)


def implementation(
    name: str, *, framework: str, workload: str, fused: bool = False
) -> Callable[[BuildFunction], BuildFunction]:
    """Register the decorated `build(problem, data, device) -> Step` under `name`.

    Args:
        name: how tables, files and `--implementation` call it.
        framework: `numpy`, `torch` or `tensorflow`; it runs on every backend of that framework.
        workload: which mathematics it computes; see `bench.model.workload.WORKLOADS`.
        fused: True if its phases cannot be timed apart.
    """

    def register(build: BuildFunction) -> BuildFunction:
        collected = _collected.get()
        if collected is not None:  # outside a registry's load the decorator only marks
            collected.append((name, framework, workload, fused, build))
        return build

    return register


class Registry:
    """Implementations by name. Iterating goes through them in the order in which they were found."""

    def __init__(self) -> None:
        self._by_name: dict[str, Implementation] = {}

    def __iter__(self) -> Iterator[Implementation]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __getitem__(self, name: str) -> Implementation:
        """The implementation of that name.

        Raises:
            UsageError: there is none; the nearest name is suggested.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UsageError(f"There is no implementation {name!r}: {nearest(name, self._by_name)}") from None

    def load(self, origin: str) -> None:
        """Load `file:PATH` or `module:NAME` and add what it registers.

        Raises:
            LoadError: it does not import, registers nothing, or registers a name that is malformed or taken.
        """
        kind, _, target = origin.partition(":")
        if kind == "file" and not Path(target).is_file():
            raise LoadError(f"There is no file {target}: give the path of a Python file.")
        collected: list[tuple[str, str, str, bool, Build]] = []
        token = _collected.set(collected)
        try:
            if kind == "file":
                _run_file(Path(target))
            else:
                module = importlib.import_module(target)
                if not collected:  # imported before, by somebody else
                    importlib.reload(module)
        except (Exception, SystemExit) as error:
            detail = " ".join(str(error).split()) or "no message"
            raise LoadError(f"{target} does not import: {type(error).__name__}: {detail}") from error
        finally:
            _collected.reset(token)
        if not collected:
            raise LoadError(f"{target} registers no implementation: decorate a build function with @implementation.")
        for name, framework, workload, fused, build in collected:
            self._add(target, origin, name, framework, workload, fused, build)

    def _add(
        self, target: str, origin: str, name: str, framework: str, workload: str, fused: bool, build: Build
    ) -> None:
        if not _NAME.fullmatch(name):
            raise LoadError(f"{target} registers {name!r}: use letters, digits, '_', '.' and '-', at most 64.")
        if name in self._by_name:
            taken_by = self._by_name[name].origin.partition(":")[2]
            raise LoadError(f"{target} registers {name!r}, which {taken_by} has registered already: rename one.")
        frameworks = {backend.framework for backend in BACKENDS.values()}
        if framework not in frameworks:
            hint = nearest(framework, frameworks)
            raise LoadError(f"{target} registers {name!r} with the unknown framework {framework!r}: {hint}")
        if workload not in WORKLOADS:
            hint = nearest(workload, WORKLOADS)
            raise LoadError(f"{target} registers {name!r} with the unknown workload {workload!r}: {hint}")
        summary = ((build.__doc__ or "").strip().splitlines() or [""])[0]
        self._by_name[name] = Implementation(name, framework, WORKLOADS[workload], fused, build, origin, summary)


def _run_file(path: Path) -> None:
    """Execute a file as a module of its own, without entering it into `sys.modules`."""
    spec = importlib.util.spec_from_file_location(f"stepbench_loaded_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError("its name does not end in .py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def discover(load: Iterable[Path] = ()) -> Registry:
    """The built-in implementations, those of installed packages, then the files in `load`."""
    registry = Registry()
    for path in sorted(BUILT_IN.glob("*.py")):
        if not path.name.startswith("_"):
            registry.load(f"file:{path}")
    for entry in entry_points(group=ENTRY_POINTS):
        registry.load(f"module:{entry.module}")
    for path in load:
        registry.load(f"file:{path.resolve()}")
    return registry
