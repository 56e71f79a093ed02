"""What `bench list` shows. It must stay quick: no framework, no pandas, no matplotlib, no pydantic."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from bench.model.device import Backend
from bench.model.registry import Implementation, Registry
from bench.model.workload import WORKLOADS
from bench.output.terminal import plain_table


def _pairs(registry: Registry) -> list[tuple[Implementation, Backend]]:
    order = list(WORKLOADS)
    ordered = sorted(registry, key=lambda item: (order.index(item.workload.name), item.name != item.workload.baseline))
    return [(item, backend) for item in ordered for backend in item.backends]


def list_table(registry: Registry) -> Table:
    """Every implementation on every backend, available or why not."""
    table = plain_table(
        "implementation", "backend", "workload", "phases", "available", wrap=["implementation", "available"]
    )
    for item, backend in _pairs(registry):
        availability = backend.availability()
        available = Text("yes") if availability.present else Text(f"no: {availability.reason}", style="yellow")
        phases = "fused" if item.fused else "separable"
        table.add_row(item.name, backend.name, item.workload.name, phases, available)
    return table


def list_json(registry: Registry) -> list[dict[str, object]]:
    """The same, for programs."""
    rows: list[dict[str, object]] = []
    for item, backend in _pairs(registry):
        availability = backend.availability()
        rows.append(
            {
                "implementation": item.name,
                "backend": backend.name,
                "workload": item.workload.name,
                "fused": item.fused,
                "available": availability.present,
                "reason": availability.reason,
                "summary": item.summary,
            }
        )
    return rows
