"""What `bench list` shows. It must stay quick: no framework, no pandas, no matplotlib, no pydantic."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from bench.model.registry import Registry
from bench.model.workload import WORKLOADS
from bench.output.document import Block, Cell, Head, Line, table


@dataclass(frozen=True)
class _Listed:
    """One implementation on one backend."""

    implementation: str
    backend: str
    workload: str
    fused: bool
    available: bool
    reason: str
    """Why it is not available."""
    summary: str


def _listed(registry: Registry) -> list[_Listed]:
    """Return every implementation on every backend in the order of the workloads, baselines first."""
    order = list(WORKLOADS)
    ordered = sorted(registry, key=lambda item: (order.index(item.workload.name), item.name != item.workload.baseline))
    return [
        _Listed(item.name, backend.name, item.workload.name, item.fused, found.present, found.reason, item.summary)
        for item in ordered
        for backend in item.backends
        for found in [backend.availability()]
    ]


def list_blocks(registry: Registry) -> list[Block]:
    """Return every implementation on every backend, available or why not."""
    rows: list[Line] = []
    for item in _listed(registry):
        available = Cell("yes") if item.available else Cell(f"no: {item.reason}", tone="warn")
        phases = "fused" if item.fused else "separable"
        rows.append([item.implementation, item.backend, item.workload, phases, available])
    names = map(Head, ("backend", "workload", "phases"))
    heads = [Head("implementation", wraps=True), *names, Head("available", wraps=True)]
    return [table("list", (), heads, rows)]


def list_json(registry: Registry) -> list[dict[str, object]]:
    """Return the same for programs."""
    return [asdict(item) for item in _listed(registry)]
