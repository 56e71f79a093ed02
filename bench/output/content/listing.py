"""What `bench list` shows. It must stay quick: no framework, no pandas, no matplotlib, no pydantic."""

from __future__ import annotations

from bench.model.device import Backend
from bench.model.registry import Implementation, Registry
from bench.model.workload import WORKLOADS
from bench.output.document import Block, Cell, Head, Line, table


def _pairs(registry: Registry) -> list[tuple[Implementation, Backend]]:
    order = list(WORKLOADS)
    ordered = sorted(registry, key=lambda item: (order.index(item.workload.name), item.name != item.workload.baseline))
    return [(item, backend) for item in ordered for backend in item.backends]


def list_blocks(registry: Registry) -> list[Block]:
    """Return every implementation on every backend, available or why not."""
    rows: list[Line] = []
    for item, backend in _pairs(registry):
        found = backend.availability()
        available = Cell("yes") if found.present else Cell(f"no: {found.reason}", tone="warn")
        phases = "fused" if item.fused else "separable"
        rows.append([item.name, backend.name, item.workload.name, phases, available])
    names = map(Head, ("backend", "workload", "phases"))
    heads = [Head("implementation", wraps=True), *names, Head("available", wraps=True)]
    return [table("list", (), heads, rows)]


def list_json(registry: Registry) -> list[dict[str, object]]:
    """Return the same for programs."""
    rows: list[dict[str, object]] = []
    for item, backend in _pairs(registry):
        found = backend.availability()
        rows.append(
            {
                "implementation": item.name,
                "backend": backend.name,
                "workload": item.workload.name,
                "fused": item.fused,
                "available": found.present,
                "reason": found.reason,
                "summary": item.summary,
            }
        )
    return rows
