"""The plan of a proof and its judges: every command can be given, and each line fails for what it is there to find."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from bench.cli import cli
from bench.data.schema import HOST, STEP, Method, Status, SummaryRow
from bench.errors import UsageError
from bench.model.backends import BACKENDS
from bench.model.case import Case, Mode
from bench.model.device import Availability
from bench.model.precision import Precision
from bench.model.workload import WORKLOADS
from bench.options.planning import selection
from bench.run import gpu_judges as judges
from bench.run import gpu_plan
from bench.run.gpu_plan import Extent, planned_parts
from bench.run.gpu_proof import Judged, ProofLine, ProofPart, Ran
from bench.run.plan import plan_cases
from bench.workloads import tutorial

CHOSEN = (
    *("implementation", "workload", "select", "device", "load", "dtype", "threads", "modes", "precisions", "sizes"),
    *("spreads", "scaling"),
)


@pytest.fixture
def cuda() -> Iterator[None]:
    """A plan for CUDA can be made, as if there were a GPU; what its files register goes with it."""
    present = patch.object(type(BACKENDS["torch-cuda"]), "availability", lambda self: Availability(True))
    with present, patch.dict(WORKLOADS), patch.dict(BACKENDS), patch.object(sys, "path", sys.path.copy()):
        yield


def context(part: ProofPart) -> Any:
    """What click makes of a part's command; it fails for an option that there is not."""
    assert part.arguments[:2] == ("-m", "bench")
    name, *rest = (text.replace("{folder}", "/nowhere/new") for text in part.arguments[2:])
    return cli.commands[name].make_context(name, rest)


def cases(part: ProofPart) -> list[Case]:
    found = context(part).params
    wanted = selection(seed=0, **{name: found[name] for name in CHOSEN})
    planned = plan_cases(wanted)
    on_cuda = [item for item in planned if item.case.device == "cuda"]
    assert [item.skipped for item in on_cuda if item.skipped] == []
    return [item.case for item in on_cuda]


def by_name(parts: Iterable[ProofPart]) -> dict[str, ProofPart]:
    return {part.name: part for part in parts}


def test_every_command_of_the_plan_is_one_that_can_be_given(cuda: None) -> None:
    for device in ("cuda", "fakegpu"):
        for part in planned_parts(device, [], gpu_plan.EXTENT):
            if part.name != "tests":
                context(part)


def test_the_plan_for_cuda_measures_the_nine_and_the_gpt_in_all_modes_and_precisions(cuda: None) -> None:
    parts = by_name(planned_parts("cuda", [], gpu_plan.EXTENT))
    assert list(parts) == ["doctor", "trial", "sweep", "programs", "gpt", "tests", "modes"]
    nine = {item.implementation for item in cases(parts["programs"])}
    assert {"torch_tensor", "torch_autograd", "torch_nn", "torch_optim", "torch_dynamic", "torch_cuda_graph"} < nine
    every = cases(parts["modes"])
    assert {item.implementation for item in every} == nine | {"mini_gpt.eager", "mini_gpt_graph"}
    assert {item.mode for item in every} == set(Mode)
    assert {item.precision for item in every if item.workload == "mini_gpt"} == {*judges.PROVED}
    gpt = cases(parts["gpt"])
    assert {(item.implementation, item.precision) for item in gpt} == {
        (name, precision)
        for name in ("mini_gpt.eager", "mini_gpt.compiled", "mini_gpt_graph")
        for precision in judges.PROVED
    }


def test_the_tests_of_the_plan_are_those_marked_cuda(root: Path) -> None:
    holding = {
        str(path.relative_to(root))
        for path in (root / "tests").rglob("test_*.py")
        if re.search(r"^(@|    )pytest\.mark\.cuda\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert holding == set(gpu_plan._TESTS)
    file, name = gpu_plan._DOCTORS.split("::")
    assert f"def {name}(" in (root / file).read_text(encoding="utf-8")


def test_an_installed_copy_is_told_that_it_takes_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_plan, "_ROOT", tmp_path)
    with pytest.raises(UsageError, match="run gpu-proof in a checkout"):
        planned_parts("cuda", [], Extent())


# --- judges -------------------------------------------------------------------------------------------------------


def ran(output: object = "", status: int = 0, errors: str = "", late: bool = False) -> Ran:
    text = output if isinstance(output, str) else json.dumps(output)
    return Ran(Path("/nowhere"), status, text, errors, 12.0, late)


def row(
    name: str,
    seconds: float = 1e-3,
    status: Status = Status.OK,
    mode: Mode = Mode.RESIDENT_WARM,
    precision: Precision = Precision.FULL,
    device: str = "cuda",
    **more: Any,
) -> SummaryRow:
    case = Case(name, "mlp_sgd", f"torch-{device}", "torch", device, tutorial(), 1, mode, precision)
    times = {"method": Method.WHOLE, "clock": HOST, "median_seconds": seconds} if status is Status.OK else {}
    reason = "" if status is Status.OK else "it broke"
    return SummaryRow(run_id="r", case=case, phase=STEP, status=status, reason=reason, verified=True, **times, **more)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the judges find these rows in the part's folder."""

    def store(*rows: SummaryRow, crossovers: Iterable[dict[str, Any]] = ()) -> None:
        run = SimpleNamespace(summary=rows, crossovers=pd.DataFrame(crossovers))
        monkeypatch.setattr(judges, "StoredRun", lambda folder: run)
        monkeypatch.setattr(judges, "summary_rows", list)

    return store


def said(lines: Iterable[ProofLine]) -> list[tuple[str, str]]:
    return [(line.answer.value, line.figure) for line in lines]


def check(name: str, passed: bool, subject: str = "torch-cuda") -> dict[str, object]:
    return {"subject": subject, "name": name, "passed": passed, "detail": f"{name} it is"}


def test_the_doctor_and_the_second_clock_are_two_questions() -> None:
    good, bad = check(judges.CLOCK, True), check(judges.CLOCK, False)
    assert said(judges.judge_doctor(ran([check("hold", True), good]))) == [
        ("PASS", "1 checks of 1 subjects"),
        ("PASS", "torch-cuda: second clock it is"),
    ]
    assert said(judges.judge_doctor(ran([check("hold", True), good, bad], 4)))[1][0] == "FAIL"
    found = said(judges.judge_doctor(ran([check("hold", False), check("equal", True, "a on b"), good], 4)))
    assert found[0] == ("FAIL", "torch-cuda: hold: hold it is (2 checks of 2 subjects)")
    assert found[1][0] == "PASS"
    assert judges.judge_doctor(ran([check("hold", True)]))[1].answer is Judged.SKIP


@pytest.mark.parametrize(
    ("false_alarms", "found", "expected"),
    [(0, 1, ["PASS", "PASS"]), (1, 1, ["FAIL", "PASS"]), (0, 0, ["PASS", "FAIL"])],
)
def test_a_trial_passes_if_only_what_was_slowed_is_called_slow(
    false_alarms: int, found: int, expected: list[str]
) -> None:
    calibration = {
        "implementation": "torch_autograd on torch-cuda",
        "pairs": 8,
        "false_positives": {"happened": false_alarms, "trials": 1},
        "power": {"2%": {"happened": 0, "trials": 1}, "5%": {"happened": found, "trials": 1}},
    }
    assert [answer for answer, _ in said(judges.judge_trial(ran(calibration)))] == expected


def crossing(status: str, a: str = "x", b: str = "x", backend: str = "torch-cuda") -> dict[str, Any]:
    sides = {"a_implementation": a, "b_implementation": b, "a_backend": "torch-cpu", "b_backend": backend}
    found = {"size": 210.4, "size_low": 180.0, "size_high": 260.0} if status == "found" else {}
    return {
        **sides, "status": status, "axis": "size.hidden", "faster_below": "a", "faster_above": "b",
        **found,
    }  # fmt: skip


def test_a_sweep_passes_if_the_same_program_crosses_its_own_line_on_the_cpu(stored: Any) -> None:
    rows = row("x"), row("x", device="cpu"), row("y", device="cpu")
    stored(*rows, crossovers=[crossing("found", "y"), crossing("found")])
    told = "x: torch-cuda overtakes torch-cpu at hidden 210 [180 … 260]"
    assert said(judges.judge_sweep(ran(), "cuda")) == [("PASS", told)]
    assert said(judges.judge_sweep(ran(late=True), "cuda"))[0][0] == "FAIL"
    stored(*rows, crossovers=[crossing("found", "y"), crossing("never")])
    assert said(judges.judge_sweep(ran(), "cuda")) == [
        ("FAIL", "the device and the CPU change places at no size (x: never)")
    ]
    stored(row("x", status=Status.WRONG), row("x", device="cpu"), crossovers=[crossing("found")])
    assert said(judges.judge_sweep(ran(status=4), "cuda"))[0][0] == "FAIL"


def test_programs_pass_if_all_on_the_device_are_right_with_intervals(stored: Any) -> None:
    known = {"speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1, "baseline": "numpy_manual"}
    stored(row("x", **known), row("y", **{**known, "speedup": 3.0}), row("tf", status=Status.SKIPPED, device="cpu"))
    assert said(judges.judge_programs(ran(), "cuda")) == [
        ("PASS", "2 cases on the device, the fastest y: 3x over numpy_manual")
    ]
    stored(row("x", **known), row("y"))
    assert said(judges.judge_programs(ran(), "cuda"))[0][1].startswith("no interval of a speedup: y (")
    stored(row("x", **known), row("y", status=Status.FAILED))
    told = "1 not ok, such as y (resident-warm, full): it broke"
    assert said(judges.judge_programs(ran(), "cuda"))[0] == (
        "FAIL",
        f"{told} (1 cases on the device, the fastest x: 2x over numpy_manual)",
    )
    stored(row("x", device="cpu", **known))
    assert said(judges.judge_programs(ran(), "cuda"))[0][1].startswith("nothing was measured on the device")


def test_modes_pass_if_every_program_was_timed_in_all_of_them(stored: Any) -> None:
    every = [row("x", 1e-3 * (1 + mode.cold), mode=mode) for mode in Mode]
    stored(*every)
    ((answer, figure),) = said(judges.judge_modes(ran()))
    assert answer == "PASS"
    assert "4 cases" in figure
    assert "resident-cold 2.00x" in figure
    stored(*every, *[row("y", mode=mode) for mode in Mode if not mode.cold])
    assert said(judges.judge_modes(ran()))[0][1].startswith("not every program was timed in all modes")


def test_a_precision_passes_if_it_is_less_exact_than_full(stored: Any) -> None:
    errors = {Precision.FULL: 1e-7, Precision.TF32: 3e-4, Precision.AMP_BF16: 4e-3, Precision.BF16: 6e-3}
    right = [row("x", precision=each, error=error) for each, error in errors.items()]
    stored(*right)
    assert said(judges.judge_gpt(ran())) == [
        ("PASS", "x 1.000 ms"),
        ("PASS", "largest relative error: full 1.0e-07, tf32 3.0e-04, amp-bf16 4.0e-03, bf16 6.0e-03"),
    ]
    stored(*right[:3], row("x", precision=Precision.BF16, error=1e-7))
    assert said(judges.judge_gpt(ran()))[1][1].startswith("x is as exact at bf16 as at full, so that was not in force")
    stored(*right[:3])
    found = said(judges.judge_gpt(ran()))
    assert (found[0][0], found[1][0]) == ("PASS", "FAIL")
    assert found[1][1].startswith("x has no error at bf16")


@pytest.mark.parametrize(
    ("output", "status", "answer"),
    [
        ("....\n4 passed, 2 deselected in 3.20s\n", 0, "PASS"),
        ("FAILED tests/x.py::test_y - assert 0\n1 failed, 3 passed in 3.20s\n", 1, "FAIL"),
        ("SKIPPED [4] tests/x.py: no CUDA device\n4 skipped, 2 deselected in 1s\n", 0, "SKIP"),
        ("ERROR tests/x.py\n1 error in 0.2s\n", 2, "FAIL"),
        ("", -9, "FAIL"),
    ],
)
def test_pytest_passes_if_something_ran_and_nothing_failed(output: str, status: int, answer: str) -> None:
    assert said(judges.judge_tests(ran(output, status)))[0][0] == answer
