from __future__ import annotations

import json
import math
from collections.abc import Callable

from bench.machine.conditions import Finding
from bench.output.content.doctor import doctor_blocks, doctor_json, proof_blocks, proof_json
from bench.run.doctor import BackendState, NoiseFloor, Report
from bench.run.prove import Proof
from bench.timing.proof import Check

REPORT = Report(
    machine={"cpu": "A CPU", "cpus_usable": 2, "cpus": 4, "memory_bytes": 2**33, "system": "Linux 6", "python": "3.12"},
    packages={"numpy": "2.0"},
    findings=(Finding("SMT", "on", True, "echo off | sudo tee [control]"), Finding("governor", "performance", False)),
    backends=(BackendState("numpy", True, ""), BackendState("torch-cuda", False, "no CUDA device")),
    clock_resolution_seconds=4e-8,
    clock_cost_seconds=3e-8,
    noise=(
        NoiseFloor("numpy_manual on numpy", 10, 1.002, 0.05, 0.0649, 0.021),
        NoiseFloor("broken on numpy", 0, math.nan, math.nan, math.nan, math.nan, "it [broke]"),
    ),
)


def test_it_says_what_disturbs_what_cures_and_what_is_detectable(words: Callable[..., str]) -> None:
    text = words(doctor_blocks(REPORT), 80)
    for expected in (
        "A CPU, 2 of 4 CPUs usable, 8.00 GiB",
        "The clock resolves 40.0 ns, and one reading costs 30.0 ns",
        "echo off | sudo tee [control]",
        "no: no CUDA device",
        "it [broke]",
        "Slowdowns from 6.5% up are detectable",
        "21.0 ms",
    ):
        assert expected in text


def test_without_any_figure_it_says_so(words: Callable[..., str]) -> None:
    broken = Report(**{**vars(REPORT), "noise": REPORT.noise[1:]})
    assert "No noise floor" in words(doctor_blocks(broken))


def test_json_has_null_for_what_is_unknown() -> None:
    text = json.dumps(doctor_json(REPORT), allow_nan=False)
    again = json.loads(text)
    assert again["noise"][0]["detectable"] == 0.0649
    assert again["noise"][1]["detectable"] is None
    assert again["findings"][0]["cure"] == "echo off | sudo tee [control]"


PROOFS = [
    Proof("torch-cuda", Check("hold", True, "what is enqueued behind a hold waits for its end")),
    Proof("torch_nn on torch-cuda", Check("equal to the oracle", False, "RuntimeError: [bold] is off")),
]


def test_each_check_is_a_line_with_pass_or_fail_and_the_end_says_what_it_means(shown: Callable[..., str]) -> None:
    lines = [" ".join(line.split()) for line in shown(proof_blocks(PROOFS)).splitlines()]
    assert "PASS torch-cuda hold what is enqueued behind a hold waits for its end" in lines
    assert "FAIL torch_nn on torch-cuda equal to the oracle RuntimeError: [bold] is off" in lines
    assert lines[-1] == "1 of 2 checks failed: do not trust times of this device before they pass."
    assert "Every check passed" in shown(proof_blocks(PROOFS[:1]))


def test_checks_as_json() -> None:
    assert json.loads(json.dumps(proof_json(PROOFS)))[1] == {
        "subject": "torch_nn on torch-cuda",
        "name": "equal to the oracle",
        "passed": False,
        "detail": "RuntimeError: [bold] is off",
    }
