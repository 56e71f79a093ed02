"""Every implementation against the oracle, in this process and on the CPU; they run in fresh processes elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import Device, Dtype, Step
from bench.errors import StepError
from bench.model.backends import BACKENDS
from bench.model.device import Settings
from bench.model.discovery import discover
from bench.model.problem import Problem
from bench.model.registry import Implementation
from bench.oracle.edges import truth_by_reference
from bench.oracle.verify import verify
from bench.timing.building import meet_others
from bench.timing.ranks import ALONE
from bench.workloads import tutorial

ALL = {item.name: item for item in discover()}
HERE = [
    item for item in ALL.values() if any(each.device == "cpu" and each.availability().present for each in item.backends)
]
"""Those that can be built here; the CUDA graphs and CuPy have proofs of their own."""
TUTORIAL, *OTHERS = [
    {"batch": 64, "d_in": 1000, "hidden": 100, "d_out": 10},
    {"batch": 7, "d_in": 5, "hidden": 3, "d_out": 2},
    {"batch": 1, "d_in": 30, "hidden": 17, "d_out": 1},
    {"batch": 130, "d_in": 33, "hidden": 65, "d_out": 12},
]


@cache
def cpu(framework: str) -> Device:
    backend = next(b for b in BACKENDS.values() if b.framework == framework and b.device == "cpu")
    if framework == "torch":
        # What `open` sets once a process may have been set already by another test file.
        import torch

        device = torch.device("cpu")
        return Device("cpu", "", 1, device, lambda array: torch.tensor(array, device=device), lambda: None)
    return backend.open(Settings(1, dtype=Dtype.FLOAT64))


@contextmanager
def in_format(item: Implementation, dtype: Dtype) -> Iterator[None]:
    """Let frameworks forget what they hold for a whole process: JAX its number format, torch what it has compiled."""
    if item.framework == "jax":
        import jax

        cpu("jax")
        with jax.enable_x64(dtype is Dtype.FLOAT64):
            yield
        return
    if item.framework == "torch" and item.compiles:
        import torch._dynamo

        torch._dynamo.reset()
        # Else the ninth program made of one function runs uncompiled, and only a warning says so.
        with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
            yield
        return
    yield


@cache
def alone() -> None:
    """Make this process the only rank of what is spread over several."""
    meet_others(ALL["torch_ddp"], ALONE, lambda: BACKENDS["torch-cpu"].meet(1))


def built(item: Implementation, problem: Problem) -> Step:
    if item.spreads:
        alone()
    return item.build(problem, item.workload.data(problem), cpu(item.framework))


def _named(slow: Callable[[Implementation], bool]) -> list[Any]:
    return [pytest.param(each.name, marks=[pytest.mark.slow] if slow(each) else []) for each in HERE]


@pytest.fixture
def item(request: pytest.FixtureRequest) -> Iterator[Implementation]:
    """An implementation by its name, in float32 unless the test has a `dtype`."""
    found = ALL[request.param]
    with in_format(found, request.node.callspec.params.get("dtype", Dtype.FLOAT32)):
        yield found


EACH = pytest.mark.parametrize("item", _named(lambda item: item.compiles and item.framework == "torch"), indirect=True)
"""All of them; slow are those that torch hands to a C++ compiler."""
ALSO = pytest.mark.parametrize("item", _named(lambda item: item.compiles), indirect=True)
"""The same where it is the rest that matters."""


def disagreement(item: Implementation, dtype: Dtype, sizes: dict[str, int]) -> str:
    """Why an implementation does not agree with the oracle in everything; empty if it does."""
    problem = tutorial(**sizes, dtype=dtype, seed=3)
    try:
        truth = truth_by_reference(item.workload, problem)
    except StepError:
        with pytest.raises(StepError, match="too small for float32"):
            truth_by_reference(item.workload, problem)
        assert dtype is Dtype.FLOAT32
        assert sizes["batch"] < 10
        return ""  # said so, and shown right in float64
    found = verify(built(item, problem), truth, dtype)
    if found.passed and found.error("gradient") is None:
        return "no gradient is exposed, so none is compared"
    return found.reason


@pytest.mark.parametrize("dtype", Dtype)
@EACH
def test_it_computes_what_the_oracle_computes(item: Implementation, dtype: Dtype) -> None:
    assert disagreement(item, dtype, TUTORIAL) == ""


@pytest.mark.parametrize("sizes", OTHERS, ids=lambda sizes: "-".join(map(str, sizes.values())))
@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize("item", [item.name for item in HERE if not item.compiles], indirect=True)
def test_it_does_so_at_other_sizes(item: Implementation, dtype: Dtype, sizes: dict[str, int]) -> None:
    assert disagreement(item, dtype, sizes) == ""


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [Dtype.FLOAT64])
@pytest.mark.parametrize("item", [item.name for item in HERE if item.compiles], indirect=True)
def test_what_compiles_does_so_too(item: Implementation, dtype: Dtype) -> None:
    assert disagreement(item, dtype, OTHERS[0]) == ""


@pytest.mark.parametrize("dtype", [Dtype.FLOAT64])
@ALSO
def test_a_wrong_gradient_in_it_is_found(item: Implementation, dtype: Dtype) -> None:
    """The truth of other targets stands for a wrong backward pass: same start, other gradients."""
    problem = tutorial(batch=9, d_in=8, hidden=7, d_out=3, dtype=dtype)
    data = item.workload.data(problem)
    shifted = replace(data, inputs={"x": data.x, "y": data.y + 1e-3})
    other = SimpleNamespace(data=lambda *_: shifted, reference=item.workload.program.reference)
    truth = truth_by_reference(replace(item.workload, program=other), problem)
    found = verify(built(item, problem), truth, problem.dtype)
    assert not found.passed


@EACH
def test_reset_gives_the_same_course_again_with_the_same_depths(item: Implementation) -> None:
    step = built(item, tutorial(batch=9, d_in=8, hidden=7, d_out=3))
    courses = []
    for _ in range(2):
        losses = []
        for _ in range(6):
            step()
            losses.append(step.state().loss)
        courses.append(losses)
        step.reset()
    assert courses[0] == courses[1]
    assert len(set(courses[0])) == 6


@ALSO
def test_state_is_a_copy_in_the_canonical_shape_and_the_asked_dtype(item: Implementation) -> None:
    step = built(item, tutorial(batch=9, d_in=8, hidden=7, d_out=3))
    assert step.separable is not item.fused, "and the step is as separable as its decorator says"
    step()
    before = step.state()
    kept = {key: value.copy() for key, value in before.parameters.items()}
    step()
    shapes = item.workload.program.parameter_shapes(tutorial(batch=9, d_in=8, hidden=7, d_out=3).sizes)
    assert {key: value.shape for key, value in before.parameters.items()} == shapes
    assert all(value.dtype == np.float32 for value in before.parameters.values())
    assert all(np.array_equal(before.parameters[key], kept[key]) for key in kept)


def test_the_static_graph_runs_all_five_matrix_products_and_names_their_phases() -> None:
    step = built(ALL["tf_static_graph"], tutorial())
    assert step.trace is not None
    step()
    operations = step.trace()
    products = [operation.name.partition("/")[0] for operation in operations if "MatMul" in operation.kind]
    assert sorted(products) == ["backward"] * 3 + ["forward"] * 2
    assert {"forward", "backward", "update"} <= {operation.name.partition("/")[0] for operation in operations}
    assert all(operation.seconds >= 0 for operation in operations)


MUST_USE = {
    "torch_cuda_graph": ["CUDAGraph", "graph", "replay"],
    "torch_cuda_graph_adam": ["CUDAGraph", "graph", "replay", "Adam"],
    "torch_autograd": ["requires_grad_", "backward", "no_grad"],
    "torch_custom_function": ["Function", "save_for_backward", "saved_tensors"],
    "tf_static_graph": ["placeholder", "Variable", "gradients", "Session", "assign_sub"],
    "torch_nn": ["Sequential", "MSELoss", "parameters"],
    "torch_optim": ["Sequential", "MSELoss", "Adam"],
    "torch_module": ["Module", "SGD"],
    "torch_dynamic": ["Module", "SGD", "range"],
    "torch_compiled": ["compile", "requires_grad_", "backward"],
    "torch_compiled_bias": ["compile", "Sequential", "SGD", "backward"],
    "torch_compiled_adam": ["compile", "Sequential", "Adam", "backward"],
    "torch_compiled_dynamic": ["compile", "Module", "SGD", "range", "backward"],
    "tf_graph_bias": ["placeholder", "Variable", "gradients", "Session", "assign_sub"],
    "tf_graph_adam": ["placeholder", "Variable", "gradients", "Session", "ResourceApplyAdam"],
    "tf_graph_dynamic": ["placeholder", "while_loop", "cond", "gradients", "Session", "assign_sub"],
    "tf_function": ["function", "GradientTape", "Variable"],
    "tf_function_xla": ["function", "GradientTape", "Variable"],
    "jax_staged": ["jit", "vjp"],
    "jax_fused": ["jit", "value_and_grad"],
    "jax_bias": ["jit", "vjp"],
    "jax_bias_fused": ["jit", "value_and_grad"],
    "jax_adam": ["jit", "vjp", "adam"],
    "jax_adam_fused": ["jit", "value_and_grad", "adam"],
    "jax_dynamic": ["jit", "vjp", "switch"],
    "jax_dynamic_fused": ["jit", "value_and_grad", "switch"],
}
MUST_NOT_USE = ["synchronize", "perf_counter", "time", "print", "run_in_executor"]


@pytest.mark.parametrize("name", ALL)
def test_it_uses_what_its_program_is_about_and_leaves_measuring_to_the_harness(name: str, root: Path) -> None:
    tree = ast.parse((root / "implementations" / f"{name}.py").read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(MUST_USE.get(name, [])) <= used
    assert not used & set(MUST_NOT_USE)
    if name == "torch_tensor":
        assert not used & {"requires_grad_", "requires_grad", "backward_"}


@pytest.mark.parametrize("name", ALL)
def test_its_framework_is_imported_inside_build(name: str, root: Path) -> None:
    tree = ast.parse((root / "implementations" / f"{name}.py").read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {node.module for node in top if isinstance(node, ast.ImportFrom)}
    assert all(isinstance(node, ast.ImportFrom) for node in top)
    assert modules <= {"bench", "bench.backends.tf_trace", "itertools"}
