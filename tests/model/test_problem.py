from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.model.problem import Dtype, Problem
from bench.model.sizes import Sizes
from bench.workloads import tutorial


def test_defaults_are_the_tutorials() -> None:
    p = tutorial()
    assert (p.batch, p.d_in, p.hidden, p.d_out, p.steps, p.dtype) == (64, 1000, 100, 10, 500, Dtype.FLOAT32)


@pytest.mark.parametrize("steps", [0, -3])
def test_a_course_without_a_step_is_refused(steps: int) -> None:
    with pytest.raises(UsageError, match=f"has {steps} steps"):
        tutorial(steps=steps)


def test_the_sizes_of_a_problem_are_its_attributes() -> None:
    problem = Problem(Sizes(layers=2, heads=4))
    assert (problem.layers, problem.heads) == (2, 4)
    assert problem.changed({"layers": 3, "batch": 9}) == Problem(Sizes(heads=4, layers=3))
    with pytest.raises(AttributeError, match=r"no size 'batch': there are layers, heads"):
        _ = problem.batch


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="--seed is -1"):
        tutorial(seed=-1)


def test_dtypes_know_their_size_and_epsilon() -> None:
    import numpy as np

    for dtype in Dtype:
        assert dtype.itemsize == np.dtype(dtype.value).itemsize
        assert dtype.epsilon == np.finfo(dtype.value).eps
