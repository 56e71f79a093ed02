from __future__ import annotations

from bench.backends.numpy import NumpyBackend
from bench.model.device import Availability, Settings, missing
from bench.model.precision import Precision


def test_a_package_that_is_not_there_comes_with_its_cure() -> None:
    assert missing("numpy", "numpy") is None
    assert missing("no_such_package", "it==1") == Availability(
        False, "no_such_package is not installed: pip install it==1"
    )


def test_full_precision_unless_told_otherwise() -> None:
    assert Settings(3) == Settings(3, Precision.FULL)


def test_a_backend_says_nothing_about_memory_unless_it_knows() -> None:
    assert NumpyBackend().peak_bytes() is None
    assert NumpyBackend().origin == ""
