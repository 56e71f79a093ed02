"""The findings of the gate: whether each implementation computes the right thing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from bench.data.schema import Status
from bench.model.precision import Precision
from bench.oracle.array_error import ArrayError
from bench.output.document import Block, Cell, Head, Line, numbers, table
from bench.output.text import significant
from bench.run.plan import Planned
from bench.timing.protocol import Reply


def verify_blocks(replies: Sequence[tuple[Planned, Reply]], every: bool = False) -> list[Block]:
    """Return for each case the array that comes closest to what is allowed, and what is said about it.

    Args:
        replies: the cases with their answers.
        every: whether all arrays are listed below.
    """
    rows: list[Line] = []
    for planned, reply in replies:
        found = reply.verification
        verdict = Cell("right", tone="good")
        if reply.status is not Status.OK:
            verdict = Cell(reply.status.value, tone="bad")
        elif found is not None and found.unverified:
            verdict = Cell("unverified")
        rows.append([*_who(planned), *_error(None if found is None else found.worst), verdict, _said(reply)])
    heads = [Head("implementation", wraps=True), Head("backend"), Head("worst array", wraps=True), *_NUMBERS]
    blocks: list[Block] = [table("verify", (), [*heads, Head("verdict"), Head("reason", wraps=True)], rows)]
    if every:
        arrays: list[Line] = [
            [*_who(planned), *_error(error), str(error.step)]
            for planned, reply in replies
            if reply.verification is not None
            for error in sorted(reply.verification.errors, key=lambda each: each.ratio, reverse=True)
        ]
        blocks.append(table("arrays", ("Every array, the worst first",), [*heads, Head("step", right=True)], arrays))
    return blocks


_FEW = 2
_SMALL, _LARGE = 1e-3, 1e5
_NUMBERS = numbers("error", "allowed", "error / allowed")


def _who(planned: Planned) -> list[str]:
    case = planned.case
    precision = "" if case.precision is Precision.FULL else f", {case.precision}"
    return [case.implementation, f"{case.backend}{precision}"]


def _error(found: ArrayError | None) -> list[str]:
    if found is None:
        return ["-"] * 4
    what = f"{found.kind} {found.name}".strip() + (", one element" if found.element else "")
    return [
        what,
        f"{found.error:.1e}",
        f"{found.allowed:.1e}",
        significant(found.ratio, 2) if found.ratio < 1e6 else ">1e6",
    ]


def _said(reply: Reply) -> str:
    """Return the reason of a refusal, the author's for leaving it out, or what the precision cannot tell."""
    found = reply.verification
    if reply.reason or found is None:
        return reply.reason
    if found.unverified:
        return found.unverified
    if not found.blind:
        return ""
    count = len({each.key for each in found.errors})
    named = ", ".join(found.blind) if len(found.blind) <= _FEW else "--verbose lists them"
    return f"{len(found.blind)} of {count} arrays cannot be told from zeros in this precision: {named}"


def verify_json(replies: Sequence[tuple[Planned, Reply]]) -> list[dict[str, Any]]:
    """Return the same for programs."""
    return [
        {
            "implementation": planned.case.implementation,
            "backend": planned.case.backend,
            "status": reply.status.value,
            "reason": reply.reason,
            "verification": None if reply.verification is None else _finite(dataclasses.asdict(reply.verification)),
        }
        for planned, reply in replies
    ]


def _finite(value: Any) -> Any:
    """Return values with the word for what is infinite, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
