from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.model.problem import Dtype
from bench.workloads import tutorial


def test_defaults_are_the_tutorials() -> None:
    p = tutorial()
    assert (p.batch, p.d_in, p.hidden, p.d_out, p.steps, p.dtype) == (64, 1000, 100, 10, 500, Dtype.FLOAT32)


@pytest.mark.parametrize("field", ["batch", "d_in", "hidden", "d_out", "steps"])
@pytest.mark.parametrize("value", [0, -3, 2.5, "many"])
def test_a_size_that_is_no_positive_whole_number_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"--{field.replace('_', '-')} is {value!r}"):
        tutorial(**{field: value})


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="--seed is -1"):
        tutorial(seed=-1)


def test_dtypes_know_their_size_and_epsilon() -> None:
    import numpy as np

    for dtype in Dtype:
        assert dtype.itemsize == np.dtype(dtype.value).itemsize
        assert dtype.epsilon == np.finfo(dtype.value).eps
