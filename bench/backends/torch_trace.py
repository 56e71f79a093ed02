"""What torch's profiler tells of a step that is spread over processes: when it exchanges data with the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any


def communicating(run: Callable[[], object], device: str) -> float | None:
    """Run something, and return the seconds in which exchanges were under way; None if the profiler saw none."""
    import torch

    kinds = [torch.profiler.ProfilerActivity.CPU]
    if device == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as profiler:
        run()
    spans = [each.time_range for each in profiler.events() or () if _is_exchange(each)]
    return covered((span.start, span.end) for span in spans) / 1e6 if spans else None


def _is_exchange(event: Any) -> bool:
    """Tell whether an event is an exchange: of gloo's a span in its threads, of NCCL's a kernel on the GPU."""
    on_device = event.device_type.name == "CUDA"
    return bool(event.name.startswith("gloo:") or (on_device and event.name.lower().startswith("nccl")))


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of what spans of time cover together, however they overlap."""
    total, end = 0.0, -math.inf
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total
