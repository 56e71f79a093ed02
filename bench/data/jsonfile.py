"""Reading of JSON: what is none, or holds what its fields cannot, is an error that names the place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bench.data.files import content_of
from bench.errors import DataFormatError, brief, quoted

Model = TypeVar("Model", bound=BaseModel)
_CURE = "restore the file."
_MOST_DIGITS = 300


def json_of(path: Path, constants: bool = False, script: str = "") -> Any:
    """Read a file of JSON, in which no name stands twice.

    Args:
        path: the file.
        constants: whether it may hold Infinity and NaN, which are no JSON.
        script: an assignment that it may begin with, as a script does that holds nothing but data; it is skipped.

    Raises:
        DataFormatError: it is not JSON.
        OSError: it cannot be opened; see `opened`.
    """
    content = content_of(path)
    try:
        number = float if constants else _no_number
        hooks: dict[str, Any] = {"object_pairs_hook": _each_once, "parse_constant": number, "parse_int": _whole}
        text = content.decode("utf-8")
        if script and text.lstrip().startswith(script):
            text = text.lstrip().removeprefix(script).rstrip().removesuffix(";")
        return json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        raise DataFormatError(f"{path} is damaged: line {error.lineno} is not JSON ({error.msg}); {_CURE}") from error
    except UnicodeDecodeError as error:
        raise DataFormatError(f"{path} is not text: restore the file or choose another run.") from error
    except RecursionError as error:
        raise DataFormatError(f"{path} is damaged: it is nested too deeply; {_CURE}") from error
    except ValueError as error:  # what the functions below refuse
        raise DataFormatError(f"{path} is damaged ({brief(error)}): {_CURE}") from error


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{quoted(next(name for name in names if names.count(name) > 1))} stands twice in one object")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def as_model(model: type[Model], raw: Mapping[str, Any], path: Path) -> Model:
    """Make a model of what a file holds.

    Raises:
        DataFormatError: a field is missing, unknown or has a value that it cannot have.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = brief(".".join(map(str, first["loc"])) or "its beginning")
        held = f", not {quoted(first['input'])}" if isinstance(first["input"], str | int | float) else ""
        told = brief(first["msg"].removeprefix("Value error, "))
        raise DataFormatError(f"{path} is damaged at {where} ({told}{held}): {_CURE}") from error
