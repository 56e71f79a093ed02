"""Why a case failed, in one sentence: what an exception says, shortened, with the author's line and a cure."""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection
from pathlib import Path

from bench.data.schema import Status
from bench.errors import StepbenchError
from bench.timing.imported import UNTRACKED
from bench.timing.protocol import Reply, Request

_CURES = {
    "on the same device": "; was an input left on the host? put each with device.put(data.NAME)",
    "No working C++ compiler": "; torch.compile writes C++ for the CPU: install g++, or name one in CXX",
    "Failed to find C compiler": "; torch.compile needs one to launch kernels on a GPU: install gcc, or name one in CC",
    "Cannot find a working triton": "; torch.compile writes Triton for a GPU: install triton",
    "fail_on_recompile_limit_hit": "; torch would go on without its compiler, which has compiled the same function too "
    "often: keep shapes and numbers the same from step to step, or pass numbers as tensors",
    "'DistributedDataParallel' object has no attribute": "; the loss of a .ddp step is given the wrapped model, so let "
    "it call the model and nothing else of it",
    "not implemented for 'Double'": "; the truth is computed in float64: give unverified='the reason'",
}
"""Cures for errors of frameworks that name none themselves, by a part of their message."""
_LONGEST = 400
"""The most characters kept of an exception that is not ours: compilers print programs of many pages."""


def failure(error: BaseException, request: Request) -> Reply:
    """Return the reply that reports an exception."""
    detail = " ".join(str(error).split()) if isinstance(error, StepbenchError) else _shortened(str(error))
    if request.foreign and "No module named" in detail:
        detail += UNTRACKED
    # Our own errors are whole sentences; a stranger's needs its type to make sense.
    if isinstance(error, StepbenchError):
        return Reply(Status.FAILED, detail)
    where = _place(error, {origin.partition(":")[2] for origin in request.origins})
    cure = next((words for part, words in _CURES.items() if part in detail), "")
    return Reply(Status.FAILED, f"{type(error).__name__}: {detail or 'no message'}{where}{cure}")


def _shortened(text: str) -> str:
    """Return the first paragraph of a message, and of what a compiler has printed after it the first error."""
    first, *rest = re.split(r"\n\s*\n", text.strip())
    if rest and first.rstrip().endswith(":"):
        first = f"{first} {rest.pop(0)}"
    lines = [line for paragraph in rest for line in paragraph.splitlines() if "error: " in line]
    said = " ".join(" ".join([first, *lines[:1]]).split())
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]} ..."


def _place(error: BaseException, paths: Collection[str]) -> str:
    """Return the last line of the author's own files that the error passed through."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in paths]
    return f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
