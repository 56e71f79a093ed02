"""Implementations by name, as files register them.

Loading a file runs its top level and nothing else; implementations import their framework inside `build`, so a whole
registry is read without importing one. A file is a program in its folder: it may import its neighbours.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import LoadError, UsageError, in_short, nearest
from bench.model.backends import BACKENDS, add_backend, backends_of
from bench.model.device import Backend
from bench.model.imports import Surroundings, run_file
from bench.model.precision import USUAL, Precision
from bench.model.workload import WORKLOADS, Workload, add_workload, make_workload

if TYPE_CHECKING:
    from bench.model.data import Data
    from bench.model.device import Device
    from bench.model.problem import Problem
    from bench.model.step import Step

Build = Callable[["Problem", "Data", "Device"], "Step"]
BuildFunction = TypeVar("BuildFunction", bound=Build)
BackendClass = TypeVar("BackendClass", bound=type[Backend])
Program = TypeVar("Program", bound=Callable[[], Any])

_OF_BACKENDS = tuple(name for name, value in vars(Backend).items() if isfunction(value) and not name.startswith("_"))
_OF_WORKLOADS = ("data", "reference", "cost", "memory", "count")
"""The methods of authors' objects that may import neighbours when they are called."""
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
    devices: tuple[str, ...] = ()
    """The kinds of device that it is written for; every kind if empty."""
    precisions: tuple[Precision, ...] = USUAL
    """Those that it can compute in, where its backend can."""
    compiles: bool = False
    """Whether its first step compiles, which may take minutes."""
    by_default: bool = True
    """Whether it is among those that are measured where none is named."""
    spreads: str = ""
    """The implementation whose step it spreads over devices, one process a device; empty for a step of one process."""
    among: Mapping[str, Implementation] = field(default_factory=dict, repr=False, compare=False)
    """All implementations that were loaded with it, by name."""

    @property
    def baseline(self) -> Implementation | None:
        """The implementation that speedups of its workload are over; None if no loaded file has it."""
        return self.among.get(self.workload.baseline)

    @property
    def origins(self) -> tuple[str, ...]:
        """What a measuring process must load: the file of its workload, and its own."""
        return tuple(dict.fromkeys(filter(None, (self.workload.origin, self.origin))))

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The backends it can run on, present or not."""
        found = backends_of(self.framework)
        return tuple(item for item in found if not self.devices or item.device in self.devices)


@dataclass(frozen=True)
class _Marked:
    """What one decorator says, not yet checked: only the load that collects it knows which file to name."""

    name: str
    framework: str
    workload: str
    fused: bool
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    compiles: bool
    by_default: bool
    spreads: str
    build: Build


@dataclass
class _Collected:
    """What the decorators of one file have said."""

    implementations: list[_Marked] = field(default_factory=list)
    backends: list[type[Backend]] = field(default_factory=list)
    workloads: list[tuple[str, Callable[[], Any], dict[str, Any]]] = field(default_factory=list)


_collected: ContextVar[_Collected | None] = ContextVar("_collected", default=None)


def implementation(
    name: str,
    *,
    framework: str,
    workload: str,
    fused: bool = False,
    devices: tuple[str, ...] = (),
    precisions: tuple[str, ...] = USUAL,
    compiles: bool = False,
    by_default: bool = True,
    spreads: str = "",
) -> Callable[[BuildFunction], BuildFunction]:
    """Register the decorated `build(problem, data, device) -> Step` under `name`.

    Args:
        name: how tables, files and `--implementation` call it.
        framework: `numpy`, `torch`, `tensorflow`, `jax`, `keras` or `cupy`; it runs on every backend of that framework.
        workload: which mathematics it computes; see `bench.model.workload.WORKLOADS`.
        fused: True if its phases cannot be timed apart.
        devices: only on these kinds of device, for example `("cuda",)`; everywhere if empty. A kind that no backend
            has is no error, since a backend can come from another file: until then there is nothing to run on.
        precisions: those that it can compute in; `device.precision` tells `build` which one is asked for.
        compiles: True if its first step compiles: then it may take minutes.
        by_default: False if it is only measured when it is named, or with `--select all`.
        spreads: for a step that runs in one process a device, under torchrun's environment: the implementation of the
            same workload that computes it in one process, which its scaling is over. Each process is given its part of
            the batch. It is measured where --devices names more than one, where it is named, and with `--select all`.
    """

    def register(build: BuildFunction) -> BuildFunction:
        collected = _collected.get()
        if collected is not None:  # outside a registry's load the decorator only marks
            about = (name, framework, workload, fused, devices, precisions, compiles, by_default, spreads)
            marked = _Marked(*about, build)
            collected.implementations.append(marked)
        return build

    return register


def backend(kind: BackendClass) -> BackendClass:
    """Register the decorated `Backend`, a class that is made without arguments, as a framework on a device.

    Every implementation of its framework then runs on it too.
    """
    collected = _collected.get()
    if collected is not None:
        collected.backends.append(kind)
    return kind


def workload(
    name: str, *, sizes: Mapping[str, int], baseline: str, title: str = "", unverified: str = ""
) -> Callable[[Program], Program]:
    """Register the decorated class, or another function that makes an object without arguments, as a workload.

    It has a method `data(self, size, rng) -> Data`. Optional are `reference(self, size, data, steps)`, which gives the
    float64 states of the first steps; `cost(self, size, phase)`; `phases`, `variants`, `memory`, `tolerance`.

    Args:
        name: how tables, files and `--workload` call it.
        sizes: names and default values of its sizes.
        baseline: the implementation that its speedups are over; without a reference its float64 run is the truth.
        title: a few words for figures and tables; by default the first line of the class's docstring.
        unverified: the reason why it cannot be verified; every table then says so.
    """

    def register(kind: Program) -> Program:
        collected = _collected.get()
        if collected is not None:
            options = {"sizes": sizes, "baseline": baseline, "title": title, "unverified": unverified}
            collected.workloads.append((name, kind, options))
        return kind

    return register


class Registry:
    """Implementations by name. Iterating goes through them in the order in which they were found."""

    def __init__(self) -> None:
        self._by_name: dict[str, Implementation] = {}
        self._workloads: dict[str, str] = {item.name: "" for item in WORKLOADS.values() if not item.origin}
        """Where each workload comes from."""
        self._beside: set[str] = set()  # files found beside another one
        self.surroundings: list[Surroundings] = []
        """Of the files that were loaded."""

    def __iter__(self) -> Iterator[Implementation]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The workloads, those that come with the harness first."""
        return tuple(WORKLOADS[name] for name in self._workloads)

    def __getitem__(self, name: str) -> Implementation:
        """Look up the implementation of that name.

        Raises:
            UsageError: there is none; the nearest name is suggested.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UsageError(f"There is no implementation {name!r}: {nearest(name, self._by_name)}") from None

    def take(self, workloads: Iterable[Workload], implementations: Iterable[Implementation]) -> None:
        """Take in what was loaded and checked in another process."""
        for known in workloads:
            self._workloads[known.name] = known.origin
            add_workload(known)
        for item in implementations:
            self._by_name[item.name] = replace(item, among=self._by_name)

    def load(self, origin: str, path: Sequence[str] = (), *, stay: bool = False) -> None:
        """Load `file:PATH` or `module:NAME`, for a workload that is unknown the file of its name beside it too.

        Args:
            origin: what to load.
            path: where its imports are looked for, after its own folder and before everywhere else.
            stay: whether the neighbours that it imports stay importable: in a process that serves it alone.

        Raises:
            LoadError: it does not import, registers nothing, or registers a name that is malformed or taken, or
                something else that cannot be.
        """
        if origin in self._beside:
            return
        kind, _, target = origin.partition(":")
        if kind == "file" and not Path(target).is_file():
            raise LoadError(f"There is no file {target}: give the path of a Python file.")
        around = Surroundings([*([str(Path(target).resolve().parent)] if kind == "file" else []), *path], stay)
        self.surroundings.append(around)
        collected = _Collected()
        token = _collected.set(collected)
        try:
            with around.entered(loading=True):
                if kind == "file":
                    run_file(Path(target))
                else:
                    module = importlib.import_module(target)
                    if collected == _Collected():  # imported before, by somebody else
                        importlib.reload(module)
                for made in [kind() for kind in collected.backends]:
                    around.keep_inside(made, _OF_BACKENDS)
                    add_backend(made, origin, path)
                programs = [(name, kind(), options) for name, kind, options in collected.workloads]
        except LoadError:
            raise
        except BaseException as error:  # a file may skip itself, as tests do, or exit
            raise LoadError(f"{target} does not import: {in_short(error)}") from error
        finally:
            _collected.reset(token)
        if collected == _Collected():
            raise LoadError(f"{target} registers nothing: decorate a function with @implementation or @training.")
        for name, program, options in programs:
            around.keep_inside(program, _OF_WORKLOADS)
            if self._workloads.setdefault(_checked(target, name), origin) != origin:
                by = self._workloads[name].partition(":")[2] or "stepbench itself"
                raise LoadError(f"{target} registers the workload {name!r}, which {by} has: rename one.")
            try:
                add_workload(new := make_workload(name, program, origin=origin, **options))
            except (ValueError, TypeError) as error:
                raise LoadError(f"{target} registers the workload {name!r} with {error}.") from error
            try:  # asked for the first time when all has been measured, it would fail too late
                new.cost(new.problem(), "step")
            except Exception as error:
                words = f"whose cost fails: {in_short(error)}"
                raise LoadError(f"{target} registers the workload {name!r}, {words}.") from error
        for marked in collected.implementations:
            self._find_beside(marked.workload, origin, path, stay)
            self._add(target, origin, replace(marked, build=around.inside(marked.build)))

    def _find_beside(self, workload: str, origin: str, path: Sequence[str], stay: bool) -> None:
        beside = str(Path(origin).parent / f"{workload}.py")
        known = workload in self._workloads or beside in self._beside
        if origin.startswith("file:") and not known and Path(beside[5:]).is_file():
            self._beside.add(origin)
            self.load(beside, path, stay=stay)
            self._beside.add(beside)

    def _add(self, target: str, origin: str, marked: _Marked) -> None:
        name, framework, workload, devices = marked.name, marked.framework, marked.workload, marked.devices
        if _checked(target, name) in self._by_name:
            taken_by = self._by_name[name].origin.partition(":")[2]
            raise LoadError(f"{target} registers {name!r}, which {taken_by} has registered already: rename one.")
        frameworks = {known.framework for known in BACKENDS.values()}
        for what, said, known in (("framework", framework, frameworks), ("workload", workload, set(WORKLOADS))):
            if said not in known:
                raise LoadError(f"{target} registers {name!r} with the unknown {what} {said!r}: {nearest(said, known)}")
        # The author's file is not type-checked, and in a bare string `in` would look for a part of the text.
        if not isinstance(devices, tuple) or not all(isinstance(kind, str) and kind for kind in devices):
            raise LoadError(f"{target} registers {name!r} with devices={devices!r}: give a tuple such as ('cuda',).")
        if not isinstance(marked.precisions, tuple) or not marked.precisions or {*marked.precisions} - {*Precision}:
            words = f"precisions={marked.precisions!r}: give a tuple of {', '.join(Precision)}"
            raise LoadError(f"{target} registers {name!r} with {words}.")
        summary = ((marked.build.__doc__ or "").strip().splitlines() or [""])[0]
        precisions = tuple(Precision(each) for each in marked.precisions)
        about = (name, framework, WORKLOADS[workload], marked.fused, marked.build, origin, summary)
        if not isinstance(marked.spreads, str) or marked.spreads == name:
            words = f"spreads={marked.spreads!r}: name the implementation that computes its step in one process"
            raise LoadError(f"{target} registers {name!r} with {words}.")
        more = (devices, precisions, marked.compiles, marked.by_default and not marked.spreads, marked.spreads)
        self._by_name[name] = Implementation(*about, *more, self._by_name)


def _checked(target: str, name: object) -> str:
    """Return a name that can stand in tables, files and options.

    Raises:
        LoadError: it cannot.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise LoadError(f"{target} registers {name!r}: use letters, digits, '_', '.' and '-', at most 64.")
    return name


def forget_loaded() -> None:
    """Forget backends and workloads of loaded files, so that another revision of these files can be loaded."""
    for known in (BACKENDS, WORKLOADS):
        for name in [name for name, item in known.items() if item.origin.startswith("file:")]:
            del known[name]
