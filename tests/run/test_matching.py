"""Which cases stand against each other, and what is said of those that stand alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.backends.torch import CudaBackend
from bench.errors import NothingRanError, UsageError
from bench.model.device import Availability
from bench.model.discovery import load_each
from bench.run.matching import Match, match
from bench.run.sides import Side
from bench.run.terms import Terms
from bench.workloads import tutorial

Make = Callable[..., Side]
PROBLEM = tutorial(batch=8, d_in=6, hidden=5, d_out=3)
STUB = """
from bench import implementation
@implementation("{name}", framework="{framework}", workload="{workload}", devices={devices}, by_default={usual})
def build(problem, data, device): ...
"""


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CudaBackend, "availability", lambda self: Availability(False, "no CUDA device"))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A side of implementations given as NAME, NAME:FRAMEWORK or NAME:FRAMEWORK:WORKLOAD; with ?, not by default."""

    def do(label: str, *specifications: str, broken: dict[str, str] | None = None, alone: bool = False) -> Side:
        folder = tmp_path / label
        folder.mkdir()
        paths = []
        for text in specifications:
            given = text.removesuffix("?").split(":")
            name, framework, workload, devices = [*given, *("", "numpy", "mlp_sgd", "()")[len(given) :]]
            path, usual = folder / f"{name}.py", not text.endswith("?")
            path.write_text(
                STUB.format(name=name, framework=framework, workload=workload, devices=devices, usual=usual)
            )
            paths.append(path)
        registry, failed = load_each(paths)
        assert failed == {}
        return Side(label, registry, tuple(item.name for item in registry), broken or {}, alone=alone)

    return do


def matched(a: Side, b: Side, names: Sequence[str] = (), devices: Sequence[str] = ()) -> Match:
    return match((a, b), Terms(tuple(names), tuple(devices), PROBLEM.sizes))


def labels(found: Match) -> list[str]:
    return [case.label for case in found.cases]


def test_what_is_not_measured_by_default_is_compared_if_it_is_named(make: Make) -> None:
    """The second side decides; where it has no such implementation, the first."""
    a, b = make("a", "x", "y", "old?"), make("b", "x", "y?", "new?")
    assert (labels(matched(a, b)), matched(a, b).unmatched) == (["x on numpy"], {})
    assert labels(matched(a, b, ["y"])) == ["y on numpy"]
    assert list(matched(a, b, ["old"]).unmatched) == ["old on numpy"]


def test_cases_are_paired_by_implementation_and_backend(make: Make) -> None:
    found = matched(make("a", "x", "y:torch"), make("b", "y:torch", "x"))
    assert labels(found) == ["y on torch-cpu", "x on numpy"]
    assert found.unmatched == {}
    assert found.absent == {"torch-cuda": "no CUDA device"}
    for case in found.cases:
        assert Path(case.a.implementation.origin).parent.name == "a"
        assert Path(case.b.implementation.origin).parent.name == "b"


def test_what_one_side_lacks_is_unmatched_whichever_side_it_is(make: Make) -> None:
    found = matched(make("a", "both", "old"), make("b", "both", "new"))
    assert labels(found) == ["both on numpy"]
    assert found.unmatched == {
        "new on numpy": "side A (a) does not have it",
        "old on numpy": "side B (b) does not have it",
    }


def test_one_implementation_that_was_renamed_is_not_held_against_itself(make: Make) -> None:
    found = matched(make("a", "old"), make("b", "new"))
    assert labels(found) == []
    assert set(found.unmatched) == {"old on numpy", "new on numpy"}


def test_a_file_that_does_not_load_is_the_reason(make: Make) -> None:
    broken = {"implementations/x.py": "implementations/x.py does not import: SyntaxError: invalid syntax"}
    found = matched(make("a", "x", "y"), make("b", "y", broken=broken))
    assert labels(found) == ["y on numpy"]
    reason = "side B (b) does not have it: implementations/x.py does not import: SyntaxError: invalid syntax"
    assert found.unmatched == {"x on numpy": reason}


def test_a_file_that_loads_on_neither_side_is_not_forgotten(make: Make) -> None:
    a = make("a", "y", broken={"implementations/x.py": "then"})
    found = matched(a, make("b", "y", broken={"implementations/x.py": "now"}))
    assert labels(found) == ["y on numpy"]
    assert found.unmatched == {"implementations/x.py": "now"}


def test_names_choose_and_each_counts_once(make: Make) -> None:
    a, b = make("a", "x", "y"), make("b", "x", "y")
    assert labels(matched(a, b, ["y", "y"])) == ["y on numpy"]
    with pytest.raises(UsageError, match="There is no implementation 'z' on either side: choose one of x, y"):
        matched(a, b, ["z"])


def test_a_name_that_only_a_broken_file_can_have_is_unmatched(make: Make) -> None:
    a = make("a", "y", broken={"implementations/x.py": "no such module"})
    b = make("b", "y", broken={"implementations/x.py": "no such module"})
    assert matched(a, b, ["x"]).unmatched == {"x": "side B (b) does not have it: no such module"}


def test_a_broken_file_says_nothing_of_what_is_only_on_another_device(make: Make) -> None:
    a, b = make("a", "x", broken={"z.py": "?"}), make("b", "x", broken={"z.py": "?"})
    assert matched(a, b, devices=["cuda"]).unmatched == {"z.py": "?"}


def test_an_implementation_without_a_backend_stops_nobody(make: Make) -> None:
    sides = make("a", "x", "odd:torch:mlp_sgd:('nowhere',)"), make("b", "x", "odd:torch:mlp_sgd:('nowhere',)")
    assert labels(matched(*sides)) == ["x on numpy"]


def test_a_workload_that_changed_between_revisions_is_unmatched(make: Make) -> None:
    found = matched(make("a", "x", "y:numpy:mlp_sgd"), make("b", "x", "y:numpy:mlp_bias_sgd"))
    assert labels(found) == ["x on numpy"]
    assert found.unmatched == {"y on numpy": "y computes mlp_sgd and y mlp_bias_sgd"}


# --- two that were named -------------------------------------------------------------------------------------------


def test_two_named_implementations_are_paired_whatever_they_are_called(make: Make) -> None:
    found = matched(make("a", "x", alone=True), make("b", "y", alone=True))
    assert labels(found) == ["x / y on numpy"]
    assert found.unmatched == {}


def test_two_named_ones_of_different_frameworks_are_paired_by_device(make: Make) -> None:
    found = matched(make("a", "x", alone=True), make("b", "y:torch", alone=True))
    (case,) = found.cases
    assert (case.a.case.backend, case.b.case.backend) == ("numpy", "torch-cpu")
    assert found.unmatched == {}
    assert found.absent == {"torch-cuda": "no CUDA device"}


def test_two_named_ones_of_different_workloads_are_refused(make: Make) -> None:
    with pytest.raises(UsageError) as caught:
        matched(make("a", "x", alone=True), make("b", "y:numpy:mlp_bias_sgd", alone=True))
    assert str(caught.value) == (
        "x computes mlp_sgd and y mlp_bias_sgd: only implementations of one workload can be compared."
    )


# --- nothing -------------------------------------------------------------------------------------------------------


def test_nothing_to_compare_says_why(make: Make) -> None:
    a, b = make("a", "x:torch"), make("b", "x:torch")
    with pytest.raises(NothingRanError, match="torch-cuda: no CUDA device"):
        matched(a, b, devices=["cuda"])
    a, b = make("c", "x"), make("d", "x")
    with pytest.raises(NothingRanError, match="neither side runs on --device"):
        matched(a, b, devices=["cuda"])


def test_what_is_new_can_be_let_be_but_not_what_is_gone_or_broken(make: Make) -> None:
    terms = Terms(sizes=PROBLEM.sizes, allow_new=True)
    a, b = make("old", "kept", "gone"), make("now", "kept", "fresh")
    found = match((a, b), terms)
    assert labels(found) == ["kept on numpy"]
    assert dict(found.absent) == {"fresh on numpy": "it is new, so there is nothing to compare it with"}
    assert list(found.unmatched) == ["gone on numpy"]
    broken = make("hurt", "kept", broken={"implementations/fresh.py": "fresh.py does not import"})
    assert "fresh on numpy" in match((broken, b), terms).unmatched
