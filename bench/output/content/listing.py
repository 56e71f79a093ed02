"""What `bench list` shows. It must stay quick: no framework, no pandas, no matplotlib, no pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.model.discovery import BUILT_IN
from bench.model.registry import Registry
from bench.output.document import Block, Cell, Head, Line, table


def list_blocks(registry: Registry) -> list[Block]:
    """Return the workloads with their sizes, and every implementation on every backend, available or why not."""
    listed = list_json(registry)
    ours = not any(item["source"] for item in listed)  # then that goes without saying
    usual = all(item["by_default"] for item in listed)  # and so does that
    rows: list[Line] = []
    for item in listed:
        available = Cell("yes") if item["available"] else Cell(f"no: {item['reason']}", tone="warn")
        phases = "fused" if item["fused"] else "separable"
        source = [] if ours else [Path(item["source"] or "stepbench").name]
        measured = [] if usual else ["by default" if item["by_default"] else "if named"]
        rows.append([item["implementation"], item["backend"], item["workload"], phases, *measured, *source, available])
    more = [*([] if usual else [Head("measured", spare=1)]), *([] if ours else [Head("from")])]
    names = (Head("backend"), Head("workload"), Head("phases", spare=2), *more)
    heads = [Head("implementation", wraps=True), *names, Head("available", wraps=True)]
    workloads = []
    for known in registry.workloads:
        sizes = " ".join(f"{name}={value}" for name, value in known.sizes.items())
        note = f"; unverified: {known.unverified}" if known.unverified else ""
        workloads.append([known.name, sizes, known.baseline, f"{known.title}{note}"])
    about = [Head("workload"), Head("sizes, and their usual values", wraps=True), Head("baseline")]
    about.append(Head("title", wraps=True))
    return [table("workloads", (), about, workloads), table("list", (), heads, rows)]


def list_json(registry: Registry) -> list[dict[str, Any]]:
    """Return every implementation on every backend in the order of the workloads, baselines first, for programs."""
    order = [item.name for item in registry.workloads]
    ordered = sorted(registry, key=lambda item: (order.index(item.workload.name), item.name != item.workload.baseline))
    return [
        {
            "implementation": item.name,
            "backend": backend.name,
            "workload": item.workload.name,
            "sizes": dict(item.workload.sizes),
            "fused": item.fused,
            "by_default": item.by_default,
            "available": found.present,
            "reason": found.reason,
            "summary": item.summary,
            "source": _source(item.origin),
        }
        for item in ordered
        for backend in item.backends
        for found in [backend.availability()]
    ]


def _source(origin: str) -> str:
    """Name the file or the installed module that something comes from; nothing if it comes with the harness."""
    kind, _, target = origin.partition(":")
    if kind != "file":
        return target
    path = Path(target)
    if path.is_relative_to(BUILT_IN):
        return ""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else target
