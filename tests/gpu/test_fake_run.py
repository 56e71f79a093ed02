"""The real command on a GPU that is not there, from its options to its figures; see `fakegpu.py`.

Its time is made up, so what its rows say is asserted exactly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.data.run import StoredRun
from bench.data.store import read_manifest, read_processes, read_summary
from bench.model.discovery import discover

ROOT = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).with_name("fakegpu.py")
BENCH = Path(sys.executable).with_name("bench")
TORCH = [item.name for item in discover() if item.framework == "torch" and item.by_default and not item.devices]
CHOSEN = ["torch_tensor", "torch_dynamic"]
"""Plain operations, and depths that vary. The doctor has all of them."""
BASELINES = ["numpy_manual", "numpy_dynamic"]
SMALL = ["--batch", "8", "--d-in", "20", "--hidden", "10", "--d-out", "4", "--threads", "1"]
MODES = ["resident-warm", "transferred-warm"]
CHECKS = {
    "clock": "device clock against host clock",
    "hold": "hold",
    "twice": "twice the work takes twice the time",
    "second": "second clock",
    "waits": "no synchronisation inside a phase",
}


def start(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with this very tree's harness, whatever is installed; the time limit keeps a hang from hanging."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    full = {**os.environ, "PYTHONPATH": path, "COLUMNS": "220", **environment}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=150, env=full, check=False
    )


# --- a run --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(here: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run on NumPy, torch's CPU and the fake GPU."""
    out = tmp_path_factory.mktemp("fake") / "run"
    names = ",".join([*BASELINES, *CHOSEN])
    done = here(
        "run", "--load", FAKE, "-i", names, "--modes", ",".join(MODES), *SMALL, "--rounds", "1",
        "--budget", "5s", "--no-figures", "--out", out, peaks="fakegpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "torch-fakegpu" in done.stdout
    return out


@pytest.fixture(scope="module")
def gpu(run: Path) -> pd.DataFrame:
    """The rows of its summary for the fake GPU."""
    summary = read_summary(run)
    return summary[summary["backend"] == "torch-fakegpu"]


def one(rows: pd.DataFrame, **wanted: str) -> Any:
    """The only row with these values."""
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1, rows
    return rows.iloc[0]


def test_every_case_is_right_and_has_all_its_rows(gpu: pd.DataFrame) -> None:
    assert set(gpu["status"]) == {"ok"}
    assert gpu["verified"].all()
    assert {(row.implementation, row.mode) for row in gpu.itertuples()} == {(n, m) for n in CHOSEN for m in MODES}
    for name in CHOSEN:
        for mode in MODES:
            mine = gpu[(gpu["implementation"] == name) & (gpu["mode"] == mode)]
            device = mine[mine["clock"] == "device"]
            assert sorted(device["phase"]) == ["backward", "forward", "step", "update"]
            whole = one(mine[mine["variant"].isna()], clock="host", phase="step")
            assert whole["speedup"] > 0
            assert whole["baseline"] in BASELINES
            assert 0 < whole["peak_bytes"] < 100_000, "of the device, where the process holds a hundred million"
            assert whole["energy_joules"] > 0
            phases = [one(mine, clock="host", phase=phase) for phase in ("forward", "backward", "update")]
            peaks = [phase["step_peak_bytes"] for phase in phases]
            assert 0 < min(peaks) <= max(peaks) <= whole["step_peak_bytes"] <= whole["peak_bytes"]
            assert whole["reserved_bytes"] == 2 * whole["peak_bytes"], "so the allocator of that device has it"
            assert whole["framework_bytes"] < whole["step_peak_bytes"], "the cache that a flush fills, and no more"


def test_its_times_are_those_of_the_model(gpu: pd.DataFrame) -> None:
    """17 kernels of 1 ms, of which five are products at 2 operations a nanosecond; by hand."""
    products = (2 * 8 * 20 * 10 + 2 * 8 * 10 * 4) / 2, (2 * 2 * 8 * 10 * 4 + 2 * 8 * 20 * 10) / 2
    expected = {"forward": 6 * 1e6 + products[0], "backward": 7 * 1e6 + products[1], "update": 4 * 1e6}
    expected["step"] = sum(expected.values())
    mine = gpu[gpu["implementation"] == "torch_tensor"]
    resident, transferred = (mine[mine["mode"] == mode] for mode in MODES)
    for phase, nanoseconds in expected.items():
        found = one(resident, clock="device", phase=phase)["median_seconds"] * 1e9
        assert found == pytest.approx(nanoseconds, abs=1), phase
    batch = 2 * 1e6 + (8 * 20 + 8 * 4) * 4 / 5
    more = one(transferred, clock="device", phase="forward")["median_seconds"] * 1e9
    assert more == pytest.approx(expected["forward"] + batch, abs=2)
    host = one(resident, clock="host", phase="step")
    assert 0 < host["median_seconds"] * 1e9 - expected["step"] <= 15_000, "one launch and one wait a sample"
    assert host["energy_joules"] == pytest.approx(300 * host["median_seconds"], rel=0.01)


def test_its_samples_are_held_and_its_errors_are_those_of_the_cpu(run: Path) -> None:
    samples, processes = StoredRun(run).joined, read_processes(run)
    mine = samples[(samples["backend"] == "torch-fakegpu") & (samples["clock"] == "device")]
    assert len(mine) >= 2 * 5 * len(CHOSEN)
    of_host = {"preempted", "stolen", "pressure", "unsettled"}  # those are this machine's, which is not made up
    assert {flag for flags in mine["flags"] for flag in flags.split()} <= of_host
    assert set(processes["device_name"][processes["backend"] == "torch-fakegpu"]) == {"a GPU that is not there"}
    for name in CHOSEN:
        rows = processes[processes["implementation"] == name]
        (cpu,) = rows[rows["backend"] == "torch-cpu"].itertuples()
        others = list(rows[rows["backend"] == "torch-fakegpu"].itertuples())
        assert len(others) == 2
        for other in others:
            for column in ("loss_error", "gradient_error", "change_error"):
                assert getattr(other, column) == getattr(cpu, column), (name, column)
            assert (other.clock_mhz, other.power_watts, other.temperature_celsius) == (1410, 300.0, 45.0)
            assert (other.other_bytes, other.throttled) == (0, "")


def test_its_peak_is_in_the_manifest_and_its_figures_are_drawn(run: Path, here: Any) -> None:
    manifest = read_manifest(run)
    assert manifest.load == [str(FAKE)]
    (peak,) = [peak for peak in manifest.peaks if peak.backend == "torch-fakegpu"]
    nanoseconds = 1_000_000 + 2 * 256**3 / 2
    assert (peak.device, peak.matmul_size) == ("fakegpu", 256)
    assert peak.gflops == pytest.approx(2 * 256**3 / nanoseconds, rel=0.001)
    assert manifest.facts["torch-fakegpu"]["torch_matmul_precision"] == "highest"
    assert here("plot", run, "--figure", "phases", "--format", "svg").returncode == 0
    assert "torch-fakegpu" in (run / "figures" / "phases.svg").read_text(encoding="utf-8")


# --- what goes wrong ----------------------------------------------------------------------------------------------


def variant(folder: Path, name: str, changes: Mapping[str, str]) -> Path:
    """torch_tensor under another name, for the fake GPU alone, with something changed."""
    text = (ROOT / "implementations" / "torch_tensor.py").read_text(encoding="utf-8")
    named = {'"torch_tensor"': f'"{name}"', 'workload="mlp_sgd"': 'workload="mlp_sgd", devices=("fakegpu",)'}
    for right, wrong in {**named, **changes}.items():
        assert text.count(right) == 1, f"torch_tensor.py no longer holds {right!r}"
        text = text.replace(right, wrong)
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


LOSS = "        loss = (y_pred - y).pow(2).sum()\n"
STAGES = "Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)"
LAZY = """runs = 0

    def lazily(run):
        def phase():
            nonlocal runs
            runs += 1
            if runs <= 20:
                run()

        return phase

    return Step((Stage(FORWARD, lazily(forward)), Stage(BACKWARD, lazily(backward)), Stage(UPDATE, update)"""


@pytest.mark.slow
def test_a_throttled_round_and_a_step_that_stops_working(tmp_path: Path) -> None:
    """One process is told of heat, so its round counts for no case; another stops working once it is verified, and is
    found out when it is verified again after it was timed."""
    lazy = variant(tmp_path, "lazy", {f"return Step(({STAGES}": LAZY})
    out = tmp_path / "run"
    done = start(
        BENCH, "run", "--load", FAKE, "--load", lazy, "-i", "torch_tensor,lazy", "--threads", "1",
        "--rounds", "2", "--budget", "60s", "--no-figures", "--out", out,
        STEPBENCH_FAKEGPU_FAULT="throttle-once", STEPBENCH_FAKEGPU_ONCE=str(tmp_path / "told"),
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    processes = read_processes(out)
    (hot,) = processes[processes["throttled"] != ""].itertuples()
    assert (hot.backend, hot.throttled, hot.round) == ("torch-fakegpu", "thermal", 0)
    summary = read_summary(out)
    steps = summary[(summary["phase"] == "step") & (summary["clock"] != "device")]
    for backend in ("torch-cpu", "torch-fakegpu"):
        row = one(steps, implementation="torch_tensor", backend=backend)
        assert (row["status"], row["invalid_rounds"], row["processes"]) == ("ok", 1, 1)
    row = one(summary, implementation="lazy")
    assert (row["status"], row["verified"]) == ("wrong", False)
    assert row["reason"].startswith("after it was timed, ")


@pytest.mark.slow
def test_the_doctor_passes_what_is_right(here: Any) -> None:
    done = here("doctor", "--device", "fakegpu", "--load", FAKE, "--threads", "1", COLUMNS="220")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "FAIL" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.lstrip().startswith("PASS")]
    for check in CHECKS.values():
        assert sum(check in line for line in lines) == (len(TORCH) if check == CHECKS["waits"] else 1), done.stdout
    assert sum("equal to the oracle" in line for line in lines) == len(TORCH)


@pytest.mark.slow
def test_the_doctor_fails_what_is_wrong(tmp_path: Path) -> None:
    nosy = variant(tmp_path, "nosy", {LOSS: LOSS + "        loss.item()\n"})
    done = start(
        BENCH, "doctor", "--device", "fakegpu", "--load", FAKE, "--load", nosy, "--threads", "1",
        STEPBENCH_FAKEGPU_FAULT="slow-clock,no-hold",
    )  # fmt: skip
    assert done.returncode == 4, done.stderr + done.stdout
    failed = [" ".join(line.split()) for line in done.stdout.splitlines() if line.lstrip().startswith("FAIL")]
    # What begins too early may or may not reach the second clock, too.
    failed = [line for line in failed if CHECKS["second"] not in line]
    assert len(failed) == 3, done.stdout
    assert failed[0].startswith(f"FAIL torch-fakegpu {CHECKS['clock']}")
    assert failed[1].startswith("FAIL torch-fakegpu hold what is enqueued behind a hold began")
    assert failed[2].startswith(f"FAIL nosy on torch-fakegpu {CHECKS['waits']} forward waits for the device")


# --- each fault by itself, and the fake device itself -------------------------------------------------------------


@pytest.fixture(scope="module")
def proofs() -> Mapping[str, Any]:
    """What `fake_proofs.py` says."""
    done = start(sys.executable, Path(__file__).with_name("fake_proofs.py"), FAKE)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "failing"),
    [
        ("", []),
        ("slow-clock", ["clock"]),
        ("no-hold", ["clock", "hold"]),
        ("half-wait", ["clock"]),
        ("capped", ["twice"]),
        ("reads", ["waits"]),
    ],
)
def test_each_fault_fails_its_own_check(proofs: Mapping[str, Any], fault: str, failing: list[str]) -> None:
    assert proofs["faults"][fault] == [CHECKS[name] for name in failing]


@pytest.mark.slow
def test_the_fake_gpu_notices_reads_refuses_mixtures_and_forgets_what_is_gone(proofs: Mapping[str, Any]) -> None:
    for name, found in proofs["reads"].items():
        assert found["steps"] == 0, name
        assert found["state"] > 2, name
        assert found["grown"] < 20, f"{name}: less than one a step"
    assert "got tensors of cpu and of fakegpu" in proofs["mixed"]
    assert proofs["memory"] == 1024 * 4, "the cache that a flush fills"
