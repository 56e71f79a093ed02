"""The findings of the gate: whether each implementation computes the right thing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from bench.data.schema import Status
from bench.output.document import Block, Cell, Head, Line, numbers, table
from bench.run.plan import Planned
from bench.timing.protocol import Reply


def verify_blocks(replies: Sequence[tuple[Planned, Reply]]) -> list[Block]:
    """Return the largest relative errors over the first steps, and what is said about them."""
    rows: list[Line] = []
    for planned, reply in replies:
        found, passed = reply.verification, reply.status is Status.OK
        errors = (None, None, None) if found is None else (found.loss_error, found.gradient_error, found.change_error)
        allowed = "-" if found is None else f"{found.tolerance:.0e}"
        verdict = Cell("right", tone="good") if passed else Cell(reply.status.value, tone="bad")
        texts = [*("-" if error is None else f"{error:.1e}" for error in errors), allowed]
        rows.append([planned.case.implementation, planned.case.backend, *texts, verdict, reply.reason])
    heads = [Head("implementation", wraps=True), Head("backend"), *numbers("loss", "gradients", "changes", "allowed")]
    return [table("verify", (), [*heads, Head("verdict"), Head("reason", wraps=True)], rows)]


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


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with the word for what is infinite, which JSON does not know."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
