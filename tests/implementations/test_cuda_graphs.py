"""The CUDA-graph implementations: proved on a simulated device everywhere, and on a real one where there is one."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from bench import Device, Dtype, Step
from bench.backends.torch import CudaBackend
from bench.model.backends import BACKENDS
from bench.model.data import Data
from bench.model.device import Availability
from bench.model.discovery import discover
from bench.model.precision import Precision
from bench.model.problem import Problem
from bench.model.registry import Implementation, Registry
from bench.model.workload import WORKLOADS
from bench.oracle.edges import truth_by_reference
from bench.oracle.truth import STEPS
from bench.oracle.verify import verify
from bench.run.gpu_judges import PROVED
from bench.workloads import tutorial

SGD, ADAM = "torch_cuda_graph", "torch_cuda_graph_adam"
EAGER = {SGD: "torch_autograd", ADAM: "torch_optim"}
"""The program that each one records."""
ALL = discover()
SMALL = {"batch": 9, "d_in": 8, "hidden": 7, "d_out": 3}
SIZES = [SMALL, {"batch": 130, "d_in": 33, "hidden": 65, "d_out": 12}]
ROUNDING = {Dtype.FLOAT32: 1e-5, Dtype.FLOAT64: 1e-13}


@pytest.fixture(scope="module")
def simulator() -> ModuleType:
    """The module `graph_simulator.py`: a fixture, since test files do not import one another."""
    name = "stepbench_test_graph_simulator"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("graph_simulator.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def simulation(simulator: ModuleType) -> Iterator[Any]:
    with simulator.simulated() as simulation:
        yield simulation


@pytest.fixture
def gpu() -> Device:
    import torch

    availability = BACKENDS["torch-cuda"].availability()
    if not availability.present:
        pytest.skip(f"the CUDA graphs were not run on a real GPU: {availability.reason}")
    device = torch.device("cuda")
    return Device("cuda", "", 1, device, lambda array: torch.tensor(array, device=device), torch.cuda.synchronize)


def losses(step: Step, count: int) -> list[float]:
    found = []
    for _ in range(count):
        step()
        found.append(step.state().loss)
    return found


def data_of(item: Implementation, problem: Problem) -> Data:
    return item.workload.data(problem)


def proved(item: Implementation, problem: Problem, device: Device) -> Step:
    """Build it and verify it twice, the second time from where its own reset has left it."""
    data = data_of(item, problem)
    truth = truth_by_reference(item.workload, problem)
    step = item.build(problem, data, device)
    for _ in range(2):
        found = verify(step, truth, problem.dtype)
        assert found.passed, found.reason
        assert found.error("gradient") is not None
    return step


def course_of_eager(name: str, problem: Problem, device: Device, count: int) -> list[float]:
    eager = ALL[EAGER[name]]
    return losses(eager.build(problem, data_of(eager, problem), device), count)


@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: "-".join(map(str, sizes.values())))
@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize(("name", "foreach"), [(SGD, True), (ADAM, True), (ADAM, False)])
def test_what_is_replayed_is_what_the_oracle_and_the_eager_program_compute(
    simulator: ModuleType, name: str, foreach: bool, dtype: Dtype, sizes: dict[str, int]
) -> None:
    problem = tutorial(**sizes, dtype=dtype, seed=3)
    with simulator.simulated(foreach) as simulation:
        step = proved(ALL[name], problem, simulation.device)
        products = [each for each in simulation.captured if each in ("aten.mm.default", "aten.addmm.default")]
        assert len(products) == ALL[name].workload.matmuls(), "backward is in the capture, and nothing twice"
        assert any("_foreach_" in each for each in simulation.captured) is (foreach and name == ADAM)
        found = losses(step, STEPS + 3)
        eager = course_of_eager(name, problem, simulation.device, STEPS + 3)
    np.testing.assert_allclose(found, eager, rtol=ROUNDING[dtype])
    assert len(set(found)) == STEPS + 3


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize("name", EAGER)
def test_on_a_real_gpu(gpu: Device, name: str, dtype: Dtype) -> None:
    problem = tutorial(dtype=dtype, seed=3)
    step = proved(ALL[name], problem, gpu)
    eager = course_of_eager(name, problem, gpu, STEPS + 3)
    np.testing.assert_allclose(losses(step, STEPS + 3), eager, rtol=10 * ROUNDING[dtype])


@pytest.mark.parametrize("name", EAGER)
def test_a_reset_gives_the_same_course_again(simulation: Any, name: str) -> None:
    step = ALL[name].build(tutorial(**SMALL), data_of(ALL[name], tutorial(**SMALL)), simulation.device)
    courses = []
    for count in (6, 1, 6, 6):
        courses.append(losses(step, count))
        step.reset()
    assert courses[0] == courses[2] == courses[3]
    assert courses[1] == courses[0][:1]


@pytest.mark.parametrize("name", EAGER)
def test_a_new_batch_copied_into_the_inputs_is_what_the_next_replay_takes(simulation: Any, name: str) -> None:
    item, problem, other = ALL[name], tutorial(**SMALL), tutorial(**SMALL, seed=5)
    data, new = data_of(item, problem), data_of(item, other)
    step = item.build(problem, data, simulation.device)
    x, y = simulation.kept[:2]
    x.copy_(simulation.device.put(new.x))
    y.copy_(simulation.device.put(new.y))
    mixed = replace(data, inputs=new.inputs)
    workload = SimpleNamespace(data=lambda *_: mixed, reference=item.workload.program.reference)
    found = verify(step, truth_by_reference(replace(item.workload, program=workload), problem), problem.dtype)
    assert found.passed, found.reason


@pytest.mark.parametrize("name", EAGER)
def test_building_leaves_the_start_values_and_a_state_is_a_copy(simulation: Any, name: str) -> None:
    item, problem = ALL[name], tutorial(**SMALL)
    data = data_of(item, problem)
    step = item.build(problem, data, simulation.device)
    before = step.state()
    assert all(np.array_equal(before.parameters[key], value) for key, value in data.parameters.items())
    assert np.isnan(before.loss), "nothing has run yet"
    assert all(np.isnan(gradient).all() for gradient in before.gradients.values())
    step()
    first = step.state()
    kept = [value.copy() for value in (*first.parameters.values(), *first.gradients.values())]
    step()
    assert all(map(np.array_equal, kept, (*first.parameters.values(), *first.gradients.values())))
    assert {key: value.shape for key, value in first.parameters.items()} == item.workload.program.parameter_shapes(
        problem.sizes
    )


@pytest.mark.parametrize("name", EAGER)
def test_three_iterations_warm_up_on_a_side_stream_before_the_capture(
    simulation: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    backward = torch.Tensor.backward
    monkeypatch.setattr(torch.Tensor, "backward", lambda loss: (simulation.log.append("backward"), backward(loss)))
    ALL[name].build(tutorial(**SMALL), data_of(ALL[name], tutorial(**SMALL)), simulation.device)
    assert simulation.log == [
        "side 1 waits for default",
        "on side 1",
        *["backward"] * 3,
        "on default",
        "default waits for side 1",
        "capture begins",
        "backward",
        "capture ends",
    ]


LET_GO = "    w1.grad = w1.grad.clone()\n    reset()\n    return"
REBIND = """gradient = w1.grad
            w1 = (w1 - learning_rate * gradient).requires_grad_()
            w1.grad = gradient"""
MUTE = "w1.grad, w2.grad = (w1.grad, w2.grad) if capturing else (None, None)"
# What is planted: in which file, what the error or the gate's reason names, and the replacements.
FAULTS: dict[str, tuple[Any, ...]] = {
    "a weight that is rebound": (SGD, "loss is off .* step 1", ("w1 -= learning_rate * w1.grad", REBIND)),
    "a loss that is read": (SGD, "not permitted .*_local_scalar_dense", ("return loss", "return loss.item()")),
    "a gradient that is copied": (SGD, r"not permitted .*Tensor\.cpu", ("return loss", "w1.grad.cpu()")),
    "a branch on a value": (SGD, "not permitted", ("return loss", "return loss if loss > 0 else None")),
    "a wait": (SGD, "not permitted .*synchronize", ("return loss", "torch.cuda.synchronize()")),
    "a weight that no reset puts back": (SGD, "loss is off .* step 1", ("w2.copy_(start[1])", "pass")),
    "a gradient that is let go": (SGD, "gradient of w1 is not finite", ("    reset()\n    return", LET_GO)),
    "no backward in the capture": (
        SGD,
        "gradient of w1 is off",
        ("def train():", "def train(capturing=False):"),
        ("w1.grad = w2.grad = None", MUTE),
        ("loss.backward()", "capturing or loss.backward()"),
        ("loss = train()", "loss = train(capturing=True)"),
    ),
    "moments that a reset leaves": (ADAM, "change of w1 is off", ("value.zero_()", "pass")),
    "moments that a reset drops": (ADAM, "change of w1 is off", ("value.zero_()", "optimizer.state.clear(); break")),
    "moments that the capture makes": (ADAM, "change of w2 is off .* step 2", ("range(3)", "range(0)")),
    "a weight that a reset rebinds": (ADAM, "loss is off .* step 1", (".copy_(start[name])", ".data = start[name]")),
    "an optimiser that reads its count": (ADAM, "not permitted .*_local_scalar_dense", (", capturable=True", "")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_refused_or_found(
    simulation: Any, fault: str, root: Path, write: Callable[[str, str], Path]
) -> None:
    name, expected, *replacements = FAULTS[fault]
    text = (root / "implementations" / f"{name}.py").read_text(encoding="utf-8")
    for right, wrong in replacements:
        assert text.count(right) == 1, right
        text = text.replace(right, wrong)
    registry = Registry()
    registry.load(f"file:{write(f'{name}.py', text)}")
    item, problem = registry[name], tutorial(**SMALL)
    data = data_of(item, problem)
    truth = truth_by_reference(item.workload, problem)
    try:
        found = verify(item.build(problem, data, simulation.device), truth, problem.dtype)
    except RuntimeError as error:
        message = str(error)
    else:
        assert not found.passed
        message = found.reason
    assert re.search(expected, message), message


def test_they_are_listed_on_cuda_only_and_their_absence_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from bench.cli import cli

    def availability(backend: CudaBackend) -> Availability:
        return Availability(backend.device == "cpu", "" if backend.device == "cpu" else "no CUDA device: none")

    monkeypatch.setattr(CudaBackend, "availability", availability)
    done = CliRunner().invoke(cli, ["list", "--json"], catch_exceptions=False)
    rows = [row for row in json.loads(done.stdout) if row["implementation"] in EAGER]
    assert [(row["implementation"], row["backend"], row["available"], row["reason"]) for row in rows] == [
        (SGD, "torch-cuda", False, "no CUDA device: none"),
        (ADAM, "torch-cuda", False, "no CUDA device: none"),
    ]
    assert all(row["fused"] for row in rows)


def test_the_simulator_records_without_running_and_replays_the_same_memory(simulator: ModuleType) -> None:
    import torch

    with simulator.simulated():
        total, step = torch.zeros(3), torch.ones(3)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            doubled = step * 2
            total[1:] += doubled[1:]
            total = total + 0  # the name moves on; the graph does not
        assert torch.isnan(doubled).all()
        for _ in range(2):
            graph.replay()
        assert total.tolist() == [0, 4, 4]
        step.fill_(10)
        graph.replay()
        assert (doubled.tolist(), total.tolist()) == ([20, 20, 20], [0, 24, 24])


def test_the_simulator_refuses_what_capture_refuses_and_lets_go_afterwards(simulator: ModuleType) -> None:
    import torch

    values = torch.ones(3)
    with simulator.simulated() as simulation:
        graph = torch.cuda.CUDAGraph()
        with pytest.raises(RuntimeError, match="without a successful capture"):
            graph.replay()
        refused: list[Callable[[], object]] = [
            lambda: values[0].item(),
            lambda: bool(values[0] > 0),
            lambda: values.nonzero(),
            *(getattr(values, name) for name in simulator.HOST_READS),
            lambda: values.to("cpu"),
            torch.cuda.synchronize,
            graph.replay,
            lambda: simulation.device.put(np.ones(3)),
        ]
        for action in refused:
            with pytest.raises(RuntimeError), torch.cuda.graph(graph):  # noqa: PT012
                values.add_(1)
                action()
            assert values.tolist() == [1, 1, 1], "put back, and reading is allowed again"
        with pytest.raises(RuntimeError, match="without a successful capture"):
            graph.replay()
    assert torch.cuda.graph is torch.cuda.graphs.graph
    assert "cpu" not in torch.Tensor.__dict__


@pytest.mark.parametrize("precision", ["full", "amp-bf16", "bf16"])
def test_the_small_gpt_as_a_graph_trains_as_the_eager_one_does(
    simulation: Any, precision: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    registry = Registry()
    with patch.dict(WORKLOADS):
        for name in ("mini_gpt.py", "mini_gpt_graph.py"):
            registry.load(f"file:{root / 'docs' / 'examples' / name}", stay=True)
        eager, graph = registry["mini_gpt.eager"], registry["mini_gpt_graph"]
        problem = graph.workload.problem({"batch": 2, "context": 8, "width": 16, "layers": 1})
        data = graph.workload.data(problem)
    device = replace(simulation.device, precision=Precision(precision))
    step = graph.build(problem, data, device)
    assert simulation.captured
    assert set(graph.precisions) == {*PROVED}
    expected = pytest.approx(losses(eager.build(problem, data, device), 6), rel=1e-6 if precision == "full" else 1e-4)
    assert losses(step, 6) == expected
    step.reset()
    assert losses(step, 6) == expected
    assert set(step.state().gradients) == set(step.state().parameters) == set(data.parameters)
