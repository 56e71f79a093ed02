from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.model.axis import fit_of, parse_axis


def values(text: str) -> tuple[int | str, ...]:
    return parse_axis(text, lambda: 6).values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hidden=64:512:x2", (64, 128, 256, 512)),
        ("hidden=64:1000:x2", (64, 128, 256, 512)),
        ("batch=100:300:+100", (100, 200, 300)),
        ("d-in=10,1000,100,10", (10, 100, 1000)),
        ("d_out=1:10:x1.5", (1, 2, 3, 5, 8)),
        ("hidden=7", (7,)),
        ("hidden=7:7:x2", (7,)),
        ("threads=2,all,1", (1, 2, 6)),
        ("dtype=float64,float32", ("float64", "float32")),
        ("hidden=100:800:x1.414214", (100, 141, 200, 283, 400, 566, 800)),
    ],
)
def test_what_can_be_written(text: str, expected: tuple[int | str, ...]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hidden", "names no values"),
        ("hiden=1,2", "did you mean 'hidden'"),
        ("hidden=", "no values that make sense"),
        ("hidden=64:512", "no values that make sense"),
        ("hidden=512:64:x2", "no values that make sense"),
        ("hidden=64:512:x1", "no values that make sense"),
        ("hidden=64:512:x0.5", "no values that make sense"),
        ("hidden=0:512:x2", "no values that make sense"),
        ("hidden=1:512:+0", "no values that make sense"),
        ("hidden=1:512:xinf", "no values that make sense"),
        ("hidden=1,-2", "'-2' among its values"),
        ("hidden=1,0", "'0' among its values"),
        ("hidden=1,all", "'all' among its values"),
        ("hidden=1e3", "'1e3' among its values"),
        ("dtype=float16", "no 'float16'"),
        ("hidden=1:100:+1", "64 are the most"),
        ("hidden=1:1000:+1", "too small steps"),
        ("hidden=1:999999999:x1.000001", "too small steps"),
        ("seed=1,2", "nothing that varies"),
    ],
)
def test_what_cannot(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        values(text)


def test_an_axis_whose_end_is_to_be_found() -> None:
    assert fit_of("batch=64:fit") == ("batch", 64, 2.0)
    assert fit_of(" d-in = 8:fit:x4") == ("d_in", 8, 4.0)
    assert fit_of("batch=64:128:x2") is fit_of("batch=64") is None


@pytest.mark.parametrize("text", ["batch=fit", "batch=0:fit", "batch=8:fit:x1", "batch=8:fit:+8", "batch=8:64:fit"])
def test_an_end_to_be_found_needs_a_start_and_a_factor(text: str) -> None:
    with pytest.raises(UsageError, match="needs a start, and a factor over 1: write batch=64:fit"):
        fit_of(text)


def test_only_a_size_can_be_too_large() -> None:
    with pytest.raises(UsageError, match="--axis threads is no size"):
        fit_of("threads=1:fit")
