from __future__ import annotations

import pytest

from bench.data.manifest import ImplementationFacts
from bench.errors import DeviceAbsentError, UsageError
from bench.model.backends import BACKENDS
from bench.model.case import Mode
from bench.model.device import Availability
from bench.model.discovery import discover
from bench.model.precision import Precision
from bench.run.plan import Selection, check_devices, choose, implementation_facts, plan_cases, round_order

REGISTRY = discover()


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(BACKENDS["torch-cuda"]), "availability", _only_cpu)


def _only_cpu(backend: object) -> Availability:
    return Availability(backend.device == "cpu", "" if backend.device == "cpu" else "no CUDA device: none")  # type: ignore[attr-defined]


def test_the_tutorials_programs_are_chosen_by_default_with_each_baseline_first() -> None:
    chosen = choose(REGISTRY)
    assert len(chosen) == 14
    first = {}
    for item in chosen:
        first.setdefault(item.workload.name, item.name)
    assert first == {
        "mlp_sgd": "numpy_manual",
        "mlp_bias_sgd": "numpy_bias_sgd",
        "mlp_bias_adam": "numpy_adam",
        "mlp_dynamic": "numpy_dynamic",
    }


def test_a_run_keeps_which_implementations_compile_and_which_are_written_for_one_device() -> None:
    chosen = choose(REGISTRY, ["torch_nn", "jax_staged", "torch_cuda_graph"])
    found = implementation_facts(plan_cases(Selection(chosen)))
    assert found == {
        "torch_nn": ImplementationFacts(),
        "jax_staged": ImplementationFacts(compiles=True),
        "torch_cuda_graph": ImplementationFacts(devices=["cuda"]),
    }


def test_names_and_workloads_narrow_the_choice() -> None:
    assert [item.name for item in choose(REGISTRY, ["torch_nn"])] == ["torch_nn"]
    assert {item.name for item in choose(REGISTRY, (), ["mlp_bias_adam"])} == {
        "numpy_adam",
        "torch_cuda_graph_adam",
        "torch_optim",
    }
    with pytest.raises(UsageError, match="No implementation is in the --workload"):
        choose(REGISTRY, ["torch_nn"], ["mlp_sgd"])


def test_the_others_are_chosen_if_they_are_named_or_everything_is_asked_for() -> None:
    assert [item.name for item in choose(REGISTRY, ["jax_staged"])] == ["jax_staged"]
    adam = {item.name for item in choose(REGISTRY, (), ["mlp_bias_adam"], everything=True)}
    assert adam == {item.name for item in REGISTRY if item.workload.name == "mlp_bias_adam"}
    assert {"torch_optim", "torch_compiled_adam", "jax_adam", "tf_graph_adam"} <= adam
    assert len(choose(REGISTRY, everything=True)) == len(REGISTRY)
    assert [item.name for item in choose(REGISTRY, ["torch_nn"], everything=True)] == ["torch_nn"]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'numpy_manaul'.*'numpy_manual'"):
        choose(REGISTRY, ["numpy_manaul"])
    with pytest.raises(UsageError, match="'mlp'"):
        choose(REGISTRY, (), ["mlp"])


@pytest.mark.usefixtures("no_cuda")
def test_an_absent_backend_keeps_its_cases_with_the_reason() -> None:
    planned = plan_cases(Selection(choose(REGISTRY, ["torch_nn", "numpy_bias_sgd"]), threads=(2,)))
    assert [(item.case.label, item.skipped) for item in planned] == [
        ("numpy_bias_sgd on numpy", ""),
        ("torch_nn on torch-cpu", ""),
        ("torch_nn on torch-cuda", "no CUDA device: none"),
    ]
    assert {item.case.threads for item in planned} == {2}


@pytest.mark.usefixtures("no_cuda")
def test_a_device_that_was_asked_for_by_name_must_be_there() -> None:
    check_devices(["cpu"])
    with pytest.raises(DeviceAbsentError, match="--device cuda is absent here: no CUDA device: none"):
        check_devices(["cuda"])
    with pytest.raises(UsageError, match=r"'cdua'.*'cuda'"):
        check_devices(["cdua"])


def test_a_choice_without_a_backend_on_the_device_is_refused() -> None:
    with pytest.raises(UsageError, match="has a backend on the chosen --device"):
        plan_cases(Selection(choose(REGISTRY, ["numpy_manual"]), devices=("cuda",)))


def test_rounds_are_shuffled_anew_from_the_seed() -> None:
    cases = plan_cases(Selection(choose(REGISTRY), devices=("cpu",)))
    orders = [round_order(cases, 0, number) for number in range(20)]
    assert len(set(orders)) == 20
    assert all(sorted(order, key=cases.index) == list(cases) for order in orders)
    assert orders == [round_order(cases, 0, number) for number in range(20)]
    assert orders[0] != round_order(cases, 1, 0)
    assert len({order[0] for order in orders}) > 5  # no case is always first


@pytest.mark.usefixtures("no_cuda")
def test_each_number_of_threads_and_each_mode_is_a_case_of_its_own() -> None:
    modes = (Mode.RESIDENT_WARM, Mode.TRANSFERRED_COLD)
    chosen = Selection(choose(REGISTRY, ["torch_nn"]), threads=(1, 4), modes=modes, precisions=(Precision.TF32,))
    planned = plan_cases(chosen)
    assert [(item.case.backend, item.case.threads, item.case.mode) for item in planned] == [
        # The CPU has nothing to transfer: it takes the resident batch, as warm or cold.
        ("torch-cpu", 1, Mode.RESIDENT_WARM),
        ("torch-cpu", 1, Mode.RESIDENT_COLD),
        ("torch-cpu", 4, Mode.RESIDENT_WARM),
        ("torch-cpu", 4, Mode.RESIDENT_COLD),
        ("torch-cuda", 1, Mode.RESIDENT_WARM),
        ("torch-cuda", 1, Mode.TRANSFERRED_COLD),
        ("torch-cuda", 4, Mode.RESIDENT_WARM),
        ("torch-cuda", 4, Mode.TRANSFERRED_COLD),
    ]
    assert {item.case.precision for item in planned} == {Precision.TF32}


@pytest.mark.usefixtures("no_cuda")
def test_modes_that_are_one_on_the_host_are_measured_there_once() -> None:
    planned = plan_cases(Selection(choose(REGISTRY, ["torch_nn"]), modes=tuple(Mode)))
    modes = [(item.case.backend, item.case.mode.value) for item in planned]
    assert modes == [("torch-cpu", "resident-warm"), ("torch-cpu", "resident-cold")] + [
        ("torch-cuda", mode.value) for mode in Mode
    ]
    chosen = Selection(choose(REGISTRY, ["numpy_manual"]), devices=("cpu",), modes=(Mode.TRANSFERRED_WARM,))
    on_cpu = plan_cases(chosen)
    assert [item.case.mode for item in on_cpu] == [Mode.RESIDENT_WARM]
