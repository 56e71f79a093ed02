from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from bench.analysis.packages import backends_in, changed_sources, deciding_packages, packages_of
from bench.data.manifest import Manifest


@pytest.fixture
def made(build: ModuleType) -> Any:
    def make(*cases: tuple[str, str], skipped: str = "", **changes: Any) -> Manifest:
        planned = [build.planned_case(build.make_case(*case), skipped * (case[1] == "torch-cuda")) for case in cases]
        manifest: Manifest = build.make_manifest(cases=planned, **changes)
        return manifest

    return make


NUMPY, TORCH, CUDA = ("numpy_manual", "numpy"), ("torch_nn", "torch-cpu"), ("torch_nn", "torch-cuda")


def test_a_manifest_says_itself_what_decides_its_times(made: Any) -> None:
    manifest = made(NUMPY, backend_packages={"numpy": ["numpy", "some-blas"], "mine": ["tiny"]})
    assert packages_of(manifest, "numpy") == ("numpy", "some-blas")
    assert packages_of(manifest, "mine") == ("tiny",)


def test_an_older_manifest_agrees_with_the_backends_that_are_known(made: Any) -> None:
    assert packages_of(made(TORCH), "torch-cpu") == ("torch", "numpy")
    assert packages_of(made(TORCH), "gone") == ()


def test_a_backend_that_measures_nothing_is_not_in_a_run(made: Any) -> None:
    assert backends_in(made(TORCH, CUDA, NUMPY, ("torch_tensor", "torch-cpu"), skipped="no GPU")) == [
        "torch-cpu",
        "numpy",
    ]


def test_only_what_both_runs_measured_decides(made: Any) -> None:
    """A package of a backend that the other run lacks is not recorded there: that says nothing of the rest."""
    both, one = made(NUMPY, TORCH), made(NUMPY, backend_packages={"numpy": ["numpy", "some-blas"]})
    assert deciding_packages(both, one) == {"numpy", "threadpoolctl", "some-blas"}
    assert deciding_packages(both, both) == {"numpy", "threadpoolctl", "torch"}
    assert deciding_packages(made(TORCH), one) == set()


def test_a_package_that_steps_import_decides_where_both_runs_record_it(made: Any) -> None:
    imports = {"numpy_manual": ["fancy"], "torch_nn": ["other"]}
    both, one = made(NUMPY, TORCH, step_packages=imports), made(NUMPY, step_packages=imports)
    decide = {"numpy", "threadpoolctl"}
    assert deciding_packages(both, one) == decide | {"fancy"}
    assert deciding_packages(both, made(NUMPY)) == decide
    assert deciding_packages(both, made(TORCH, step_packages=imports)) == {"torch", "numpy", "other"}


def test_sources_that_both_runs_record_and_that_differ_are_named(made: Any) -> None:
    a = {
        "numpy_manual": "a",
        "numpy_manual/model": "b",
        "workload mlp_sgd": "c",
        "torch_nn/model": "d",
        "torch_nn": "e",
    }
    b = {name: digest + "1" for name, digest in a.items()} | {"numpy_manual/new": "f"}
    runs = made(NUMPY, TORCH, sources=a), made(NUMPY, sources=b)
    assert changed_sources(*runs) == [
        "source of numpy_manual: a / a1",
        "source of numpy_manual/model: b / b1",
        "source of workload mlp_sgd: c / c1",
    ]
    assert changed_sources(runs[0], runs[0]) == changed_sources(made(TORCH, sources=a), runs[1]) == []
