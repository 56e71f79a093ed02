from __future__ import annotations

from typing import Any

import pytest

from bench.model.axis import Axis
from bench.model.backends import BACKENDS
from bench.model.discovery import discover
from bench.model.workload import WORKLOADS
from bench.run import memory
from bench.run.memory import too_large
from bench.run.plan import Selection, choose, plan_sweep
from bench.workloads import tutorial

GIB = 2**30


@pytest.fixture
def gib(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the host's and a device's memory."""

    def put(host: float, device: float | None = None) -> None:
        monkeypatch.setattr(memory, "host_memory", lambda: round(host * GIB))
        monkeypatch.setattr(memory, "_device_memory", lambda backend: None if device is None else round(device * GIB))

    return put


def test_only_the_workload_with_a_square_layer_pays_for_it(gib: Any) -> None:
    gib(4.0)
    problem, numpy = tutorial(hidden=8192), BACKENDS["numpy"]
    assert too_large(WORKLOADS["mlp_sgd"], problem, numpy) == ""
    reason = too_large(WORKLOADS["mlp_dynamic"], problem, numpy)
    assert reason == (
        "mlp_dynamic with batch 64, d-in 1000, hidden 8192, d-out 10 needs about 18 GiB to be verified, "
        "and this machine has 4.0: choose smaller sizes"
    )


def test_a_device_with_less_memory_than_the_host(gib: Any) -> None:
    problem, cuda = tutorial(batch=1 << 20, hidden=1000), BACKENDS["torch-cuda"]
    gib(1000.0, 1000.0)
    assert too_large(WORKLOADS["mlp_sgd"], problem, cuda) == ""
    gib(1000.0, 8.0)
    assert "on cuda, and the device has 8.0" in too_large(WORKLOADS["mlp_sgd"], problem, cuda)
    gib(1000.0, None)  # a driver that does not tell
    assert too_large(WORKLOADS["mlp_sgd"], problem, cuda) == ""


def test_a_container_may_have_less_than_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = memory.host_memory()
    monkeypatch.setattr(memory, "cgroup_memory", lambda: whole // 4)
    assert memory.host_memory() == whole // 4
    monkeypatch.setattr(memory, "cgroup_memory", lambda: None)
    assert memory.host_memory() >= whole


def test_a_sweep_keeps_what_is_too_large_as_a_row_with_the_reason(gib: Any) -> None:
    gib(4.0)
    chosen = choose(discover(), ["numpy_dynamic"])
    items = plan_sweep(Selection(chosen), [Axis("hidden", (64, 8192))])
    assert [(item.case.problem.hidden, bool(item.skipped)) for item in items] == [(64, False), (8192, True)]
    assert "choose smaller sizes" in items[1].skipped
    assert items[1].for_manifest().skipped == items[1].skipped
