"""Files that an author begins with: each runs as it is, and explains itself in comments."""

from __future__ import annotations

import ast
import importlib.util
import keyword
import re
import tokenize
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from bench.errors import StorageError, UsageError, nearest, os_cure
from bench.model.workload import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.model.registry import Implementation, Registry
    from bench.model.workload import Workload

KINDS = ("training", "workload", "implementation")
FRAMEWORKS = ("torch", "numpy", "jax", "keras")
_STARTERS = Path(__file__).with_name("starters")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")
_DECORATORS = {kind.removeprefix("@") for kind in ("@implementation", "@workload", "@training", "@backend")}


def check_name(name: str, path: Path, registry: Registry) -> None:
    """Refuse a name, or the name of a file, that would not do.

    Raises:
        UsageError: it would not.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} cannot be a name: use at most 50 letters, digits and '_', a letter first.")
    if name in WORKLOADS or any(item.name.partition(".")[0] == name for item in registry):
        raise UsageError(f"There is a workload or an implementation {name!r} already: choose another name.")
    if path.suffix != ".py":
        raise UsageError(f"--out is {path}: give it the ending .py, so that it can be loaded.")
    if path.exists():
        raise UsageError(f"{path} exists already: choose another name, or another --out.")
    module = importlib.util.find_spec(path.stem) if path.stem.isidentifier() else None
    if module is not None:
        raise UsageError(f"{path} would hide the module {path.stem!r} from all files beside it: choose another name.")


def starter(name: str, file: str, kind: str, framework: str, workload: Workload, registry: Registry) -> str:
    """Return the text of a file to begin with.

    Args:
        name: the name that it registers.
        file: the file as its commands name it.
        kind: one of `KINDS`.
        framework: one of `FRAMEWORKS`.
        workload: what an implementation is of.
        registry: the implementations that one of them can be a copy of.

    Raises:
        UsageError: the kind does not fit the framework, or there is no implementation to copy.
    """
    if kind != "implementation":
        template = _STARTERS / f"{kind}-{framework}.txt"
        if not template.is_file():
            others = " or ".join(each for each in FRAMEWORKS if (_STARTERS / f"{kind}-{each}.txt").is_file())
            raise UsageError(f"--kind {kind} does not go with --framework {framework}: give {others}.")
        return _filled(template, name=name, file=file)
    source = _source(framework, workload, registry)
    return _filled(
        _STARTERS / "implementation.txt",
        name=name,
        file=file,
        workload=workload.name,
        title=workload.title,
        baseline=workload.baseline,
        copied=source.name,
        given="\n".join(f"    {what:<29} {words}".rstrip() for what, words in workload.given()),
    ) + _renamed(source, name)


def commands(name: str, file: str, kind: str, workload: Workload) -> tuple[str, str]:
    """Return what one does next: verify it, and run it."""
    if kind == "implementation":
        return (
            f"bench verify --load {file} -i {name}",
            f"bench run --load {file} -i {workload.baseline},{name}",
        )
    return f"bench verify --load {file} -w {name}", f"bench run --load {file} -w {name}"


def write(path: Path, text: str) -> None:
    """Write a new file; what is there stays.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        cure = os_cure(error, "choose another --out")
        raise StorageError(f"{path} cannot be written ({error.strerror}): {cure}.") from error


def _filled(template: Path, **values: str) -> str:
    return Template(template.read_text(encoding="utf-8")).substitute(values)


def _source(framework: str, workload: Workload, registry: Registry) -> Implementation:
    """Find the implementation to copy: the baseline, or else the first; one for all devices, with a file of its own."""
    whole = []
    for item in registry:
        kind, _, file = item.origin.partition(":")
        fits = item.framework == framework and not item.devices and kind == "file"
        if fits and len(list(_decorators("".join(_lines(file))))) == 1:  # it registers nothing else
            whole.append(item)
    found = [item for item in whole if item.workload.name == workload.name]
    if not found:
        others = {item.workload.name for item in whole}
        raise UsageError(
            f"No implementation of {workload.name} in {framework} has a file of its own that could be copied: "
            f"--workload {nearest(workload.name, others)}"
        )
    return next((item for item in found if item.name == workload.baseline), found[0])


def _lines(file: str) -> list[str]:
    """Read a program in the encoding that it names, as Python does."""
    with tokenize.open(file) as source:
        return source.readlines()


def _decorators(source: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        for call in getattr(node, "decorator_list", ()):
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in _DECORATORS:
                yield call


def _renamed(item: Implementation, name: str) -> str:
    """Return the code of an implementation's file, without its docstring, registered under another name."""
    lines = _lines(item.origin.partition(":")[2])
    source = "".join(lines)
    (call,) = _decorators(source)
    place = call.args[0]
    row = place.lineno - 1
    lines[row] = f'{lines[row][: place.col_offset]}"{name}"{lines[row][place.end_col_offset :]}'
    first = ast.parse(source).body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return "".join(lines[first.end_lineno if documented else 0 :]).lstrip("\n")
