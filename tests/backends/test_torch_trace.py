"""How much of a step its profiler calls an exchange between ranks."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from bench.backends.torch_trace import communicating, covered
from bench.model.backends import BACKENDS
from bench.timing.communication import communication_share


def test_spans_that_overlap_count_once() -> None:
    assert covered([]) == 0
    assert covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4
    assert covered([(0, 10), (2, 3), (9, 12)]) == 12


def event(name: str, start: float, end: float, device: str = "CPU") -> Any:
    span = SimpleNamespace(start=start, end=end)
    return SimpleNamespace(name=name, time_range=span, device_type=SimpleNamespace(name=device))


@pytest.mark.parametrize(
    ("device", "events", "seconds"),
    [
        ("cpu", [event("gloo:all_reduce", 10, 30), event("gloo:broadcast", 20, 40), event("aten::mm", 0, 99)], 30e-6),
        ("cuda", [event("nccl:all_reduce", 0, 90), event("ncclDevKernel_AllReduce", 5, 15, "CUDA")], 10e-6),
        ("cpu", [event("c10d::allreduce_", 0, 9), event("aten::mm", 0, 9)], None),
        ("cpu", [], None),
    ],
)
def test_gloo_counts_by_its_threads_and_nccl_by_its_kernels(
    device: str, events: list[Any], seconds: float | None
) -> None:
    profiler = mock.MagicMock()
    profiler.return_value.__enter__.return_value.events.return_value = events
    ran = []
    with mock.patch("torch.profiler.profile", profiler):
        found = communicating(lambda: ran.append(1), device)
    assert ran == [1]
    assert found == (None if seconds is None else pytest.approx(seconds))
    kinds = [each.name for each in profiler.call_args.kwargs["activities"]]
    assert kinds == (["CPU", "CUDA"] if device == "cuda" else ["CPU"])


class Told:
    """A backend whose profiler tells these seconds, step after step; the first is left out."""

    def __init__(self, seconds: list[float | None]) -> None:
        self.seconds = seconds

    def communicating(self, run: Callable[[], object]) -> float | None:
        run()
        return self.seconds.pop(0)


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        ([9.0, 1e-7, 2e-7, 3e-7, 4e-7, 5e-7], 0.5),
        ([None, None, 1e-3, None, None, None], 1.0),
        ([1.0, *[None] * 5], None),
    ],
)
def test_the_share_is_the_typical_one_of_steps_after_the_first(
    seconds: list[float | None], share: float | None
) -> None:
    clock = iter(range(0, 10**6, 600))
    step = mock.MagicMock(stages=[])
    rig: Any = SimpleNamespace(
        step=step, runs=[], now=lambda: next(clock), cpu_now=lambda: 0, synchronize=lambda: None, flush=None
    )
    rig.wait = lambda returned: None
    told: Any = Told(seconds)
    assert communication_share(rig, told) == (None if share is None else pytest.approx(share))
    assert step.reset.call_count == 2


def test_each_rank_computes_on_its_own_gpu() -> None:
    from bench.backends.torch import TorchBackend
    from bench.model.device import Settings

    with mock.patch.object(TorchBackend, "open"), mock.patch("torch.cuda.set_device") as chosen:
        BACKENDS["torch-cuda"].open(Settings(1))
        assert not chosen.called
        BACKENDS["torch-cuda"].open(Settings(1, place=3))
    chosen.assert_called_once_with(3)


@pytest.mark.parametrize(
    ("visible", "count"), [(None, 4), ("0,2", 2), ("", 0), ("0,1,2,3,4,5", 4)], ids=["all", "two", "none", "more"]
)
def test_gpus_are_counted_as_far_as_they_are_visible(visible: str | None, count: int) -> None:
    from bench.backends.nvidia import gpu_count

    nvml = SimpleNamespace(
        nvmlInit=lambda: None, nvmlShutdown=lambda: None, nvmlDeviceGetCount=lambda: 4, NVMLError=RuntimeError
    )
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert gpu_count(nvml, environment) == count

    def broken() -> None:
        raise RuntimeError

    nvml.nvmlInit = broken
    assert gpu_count(nvml, environment) is None
