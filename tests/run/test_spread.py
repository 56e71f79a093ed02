"""Which cases a run over several devices has, and which of them cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.errors import UsageError
from bench.model.backends import BACKENDS
from bench.model.device import Availability
from bench.model.discovery import discover
from bench.run import plan, spread
from bench.run.plan import Planned, Selection, choose, implementation_facts, plan_cases
from bench.run.spread import cpus_of_ranks, why_not_spread
from bench.workloads import tutorial

REGISTRY = discover()
CHOSEN = choose(REGISTRY, ["torch_ddp", "torch_nn", "numpy_bias_sgd"])
CPU, CUDA = BACKENDS["torch-cpu"], BACKENDS["torch-cuda"]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int | None], None]:
    """A machine of so many CPUs and GPUs."""

    def have(cpus: int, gpus: int | None = None) -> None:
        monkeypatch.setattr(spread, "usable_cpus", lambda: cpus)
        monkeypatch.setattr(spread, "affinity", lambda: {*range(cpus)})
        monkeypatch.setattr(spread, "pinned_cpus", lambda threads: tuple(range(cpus - 1, -1, -2)))
        monkeypatch.setattr(type(CUDA), "device_count", lambda self: gpus)
        monkeypatch.setattr(type(CUDA), "availability", lambda self: Availability(gpus is not None, "no GPU"))

    have(8)
    return have


def told(selection: Selection) -> list[tuple[str, int, int]]:
    """Implementation, batch and devices of each case on the CPU."""
    planned = plan_cases(replace(selection, devices=("cpu",)))
    assert not any(item.skipped for item in planned)
    return [(item.case.implementation, item.case.problem.sizes["batch"], item.case.devices) for item in planned]


def test_a_step_that_can_be_spread_is_a_case_for_each_number_and_the_others_stay_at_one() -> None:
    assert told(Selection(CHOSEN, spreads=(1, 2, 4))) == [
        ("numpy_bias_sgd", 64, 1),
        ("torch_ddp", 64, 1),
        ("torch_ddp", 64, 2),
        ("torch_ddp", 64, 4),
        ("torch_nn", 64, 1),
    ]
    assert {devices for _, _, devices in told(Selection(CHOSEN))} == {1}


def test_weak_scaling_gives_each_device_the_batch_and_measures_the_plain_step_at_each() -> None:
    found = told(Selection(CHOSEN, {"batch": 10}, spreads=(2, 4), weak=True))
    assert [each for each in found if each[0] == "torch_ddp"] == [("torch_ddp", 20, 2), ("torch_ddp", 40, 4)]
    assert [each for each in found if each[0] == "torch_nn"] == [("torch_nn", size, 1) for size in (10, 20, 40)]
    other = choose(REGISTRY, ["torch_ddp", "torch_nn", "numpy_manual"])
    assert ("numpy_manual", 64, 1) in told(Selection(other, spreads=(1, 2), weak=True))
    assert sum(name == "numpy_manual" for name, _, _ in told(Selection(other, spreads=(1, 2), weak=True))) == 1


def test_a_batch_that_does_not_exist_cannot_grow() -> None:
    (item,) = choose(REGISTRY, ["torch_ddp"])
    sizes = type(item.workload.sizes)(rows=4)
    odd = replace(item, workload=replace(item.workload, sizes=sizes))
    with pytest.raises(UsageError, match="--scaling weak makes the size batch grow, which mlp_bias_sgd does not have"):
        plan_cases(Selection((odd,), spreads=(2,), weak=True))


def test_what_spreads_its_step_is_measured_if_several_devices_are_asked_for_or_it_is_named() -> None:
    def names(**options: bool) -> set[str]:
        return {item.name for item in choose(REGISTRY, (), ["mlp_bias_sgd"], **options)}

    assert "torch_ddp" not in names()
    assert names(spread=True) == names() | {"torch_ddp"}
    assert "torch_ddp" in names(everything=True)
    assert implementation_facts(plan_cases(Selection(CHOSEN)))["torch_ddp"].spreads == "torch_nn"


@pytest.mark.parametrize(
    ("devices", "threads", "batch", "words"),
    [
        (2, 1, 64, ""),
        (1, 64, 63, ""),
        (2, 1, 63, "batch 63 cannot be divided among 2 devices: choose a multiple of 2"),
        (16, 1, 64, "16 processes need 16 CPUs, and 8 may be used: choose fewer --devices or --threads"),
        (4, 3, 64, "4 processes with 3 threads each need 12 CPUs, and 8 may be used"),
    ],
)
def test_more_processes_than_cpus_or_unequal_parts_are_skipped_with_the_cure(
    devices: int, threads: int, batch: int, words: str
) -> None:
    found = why_not_spread(CPU, tutorial(batch=batch), devices, threads)
    assert found.startswith(words)
    assert bool(found) == bool(words)
    chosen = Selection(choose(REGISTRY, ["torch_ddp"]), {"batch": batch}, threads=(threads,), devices=("cpu",))
    (item,) = plan_cases(replace(chosen, spreads=(devices,)))
    assert item.skipped == found


def test_gpus_are_counted_and_not_cpus(machine: Callable[[int, int | None], None]) -> None:
    machine(1, 2)
    assert why_not_spread(CUDA, tutorial(), 2, 4) == ""
    words = "there are 2 devices for torch-cuda, and 4 are asked for: choose fewer --devices"
    assert why_not_spread(CUDA, tutorial(), 4, 1) == words


def test_a_framework_without_a_meeting_place_is_refused() -> None:
    assert "numpy has no way to start one step in several processes" in why_not_spread(
        BACKENDS["numpy"], tutorial(), 1, 1
    )


def test_each_process_has_cpus_of_its_own_and_nothing_is_pinned_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpus_of_ranks(2) == (7, 5)  # one of each core first
    assert cpus_of_ranks(6) == (7, 5, 3, 1, 0, 2)
    monkeypatch.setattr(plan, "cpus_of_ranks", lambda count: tuple(range(count)))

    def case(devices: int, threads: int, kind: str) -> Planned:
        chosen = Selection(choose(REGISTRY, ["torch_ddp"]), threads=(threads,), devices=(kind,), spreads=(devices,))
        (item,) = plan_cases(chosen)
        return item

    assert case(2, 3, "cpu").rank_cpus == (0, 1, 2, 3, 4, 5)
    assert case(1, 1, "cpu").rank_cpus == case(2, 1, "cuda").rank_cpus == ()
    assert case(1, 1, "cpu").is_pinned
    assert not case(2, 1, "cpu").is_pinned
