"""The list of implementations. It must stay quick: no framework, no pandas, no matplotlib, no pydantic."""

from __future__ import annotations

from typing import Any

from bench.model.registry import Registry
from bench.model.workload import WORKLOADS
from bench.output.document import Block, Cell, Head, Line, table


def list_blocks(registry: Registry) -> list[Block]:
    """Return every implementation on every backend, available or why not."""
    rows: list[Line] = []
    for item in list_json(registry):
        available = Cell("yes") if item["available"] else Cell(f"no: {item['reason']}", tone="warn")
        phases = "fused" if item["fused"] else "separable"
        rows.append([item["implementation"], item["backend"], item["workload"], phases, available])
    names = map(Head, ("backend", "workload", "phases"))
    heads = [Head("implementation", wraps=True), *names, Head("available", wraps=True)]
    return [table("list", (), heads, rows)]


def list_json(registry: Registry) -> list[dict[str, Any]]:
    """Return every implementation on every backend in the order of the workloads, baselines first, for programs."""
    order = list(WORKLOADS)
    ordered = sorted(registry, key=lambda item: (order.index(item.workload.name), item.name != item.workload.baseline))
    return [
        {
            "implementation": item.name,
            "backend": backend.name,
            "workload": item.workload.name,
            "fused": item.fused,
            "available": found.present,
            "reason": found.reason,
            "summary": item.summary,
        }
        for item in ordered
        for backend in item.backends
        for found in [backend.availability()]
    ]
