"""The whole proof on a GPU that is not there, with one fault: the line that is there to find it fails, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.data.run import StoredRun
from bench.run import gpu_plan
from bench.run.gpu_plan import Extent

FAKE = Path(__file__).with_name("fakegpu.py")
SMALL = Extent(
    programs=("numpy_manual", "torch_tensor"), crossing="torch_tensor", axis="hidden=16:1024:x64", patience=5.0
)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_every_line_passes_but_the_second_clock(here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_plan, "EXTENT", SMALL)
    out = tmp_path / "proof"
    fast = {"STEPBENCH_FAKEGPU_KERNEL": "50_000", "STEPBENCH_FAKEGPU_FLOPS": "250"}
    faults = {"STEPBENCH_FAKEGPU_FAULT": "quick-profiler", **fast}
    done = here("gpu-proof", "--device", "fakegpu", "--load", FAKE, "--out", out, "--budget", "2300s", **faults)
    text = (out / "PROOF.md").read_text(encoding="utf-8")
    assert done.returncode == 4, text
    lines = {line.split(" | ")[1]: line for line in text.splitlines() if line.startswith("| **")}
    assert {name for name, line in lines.items() if "**PASS**" not in line} == {"second clock"}, text
    assert "(-5.00%)" in lines["second clock"].replace("\\", "")
    assert len(lines) == 8
    assert {"implementation", "speedup"} < set(StoredRun(out / "programs").summary)
    assert "speedup over the same on the CPU" in text
