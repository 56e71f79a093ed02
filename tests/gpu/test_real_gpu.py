"""What only a real GPU can show; skipped, and said so, where there is none. All else in this folder is a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.data.run import StoredRun
from bench.data.store import read_manifest, read_summary
from bench.model.discovery import discover

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: this was NOT tested"),
    pytest.mark.timeout(900),
]

ROOT = Path(__file__).resolve().parents[2]
ON_CUDA = [item for item in discover() if any(backend.device == "cuda" for backend in item.backends)]
NAMES = [item.name for item in ON_CUDA if item.by_default]
"""Those of the usual choice for every device, and those for cuda alone."""


def start(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command, with this very tree's harness."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "bench", *map(str, arguments)]  # a checkout need not be installed
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, timeout=840, env=environment, check=False)


def test_the_doctor_finds_nothing_wrong() -> None:
    """Its checks: event clock against host clock, the hold, twice the work, the oracle, no wait inside a phase."""
    done = start("doctor", "--device", "cuda")
    assert "FAIL" not in done.stdout, done.stdout
    assert done.returncode == 0, done.stderr
    assert sum("equal to the oracle" in line for line in done.stdout.splitlines()) == len(NAMES), done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One short run of everything that runs on cuda, in both places of the batch."""
    out = tmp_path_factory.mktemp("cuda") / "run"
    modes = "resident-warm,transferred-warm"
    done = start(
        *("run", "--device", "cuda", "-i", ",".join(NAMES), "--modes", modes),
        *("--rounds", "1", "--budget", "300s", "--timeout", "120s", "--no-figures", "--out", out),
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return out


def test_every_implementation_is_right_and_timed(run: Path) -> None:
    summary = read_summary(run)
    assert set(summary["status"]) == {"ok"}, summary[["implementation", "mode", "reason"]].drop_duplicates().to_string()
    assert summary["verified"].all()
    assert set(summary["implementation"]) == set(NAMES)
    device = summary[summary["clock"] == "device"]
    assert set(device["implementation"]) == set(NAMES)
    assert (device["median_seconds"] > 0).all()
    assert (summary["peak_bytes"] > 0).all()
    assert [peak.backend for peak in read_manifest(run).peaks] == ["torch-cuda"]


def test_the_device_is_never_busy_for_longer_than_the_host_waits(run: Path) -> None:
    """A whole step by events is work alone; by the host's clock it is the same work, and asking and waiting for it."""
    samples = StoredRun(run).joined
    samples = samples[(samples["phase"] == "step") & samples["variant"].isna()]
    samples = samples[~samples["flags"].str.contains("launch_bound")]
    cases = [samples[column] for column in ("implementation", "mode", "clock")]
    each = (samples["seconds"] / samples["iterations"]).groupby(cases)
    medians = each.median().unstack("clock").dropna()
    assert len(medians)
    assert (medians["device"] <= 1.05 * medians["host"]).all(), medians.to_string()
