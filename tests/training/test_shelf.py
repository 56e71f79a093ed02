"""The shelf in docs/examples: every file is measured by the command, at small sizes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.data.store import read_summary

SHELF = ("accumulation", "char_lstm", "cnn", "inference", "lbfgs", "mini_gpt", "mlp_dropout", "own_reference")
SMALL = "batch=8,width=8,hidden=8,length=8,context=8"
APART = {"forward", "backward", "update"}
STAGES = {
    "accumulation": {"forward+backward", "update"},
    "inference": set(),
    "lbfgs": set(),
    "softmax.numpy": {"forward+backward", "update"},
}
"""What is timed beside the whole step, where that is not each phase: a step of one stage is that stage."""


def test_the_small_gpt_takes_at_most_twenty_lines(root: Path) -> None:
    assert len((root / "docs" / "examples" / "mini_gpt.py").read_text(encoding="utf-8").splitlines()) <= 20


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("variant", ["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def test_every_file_of_the_shelf_is_right_and_measured(root: Path, tmp_path: Path, variant: str) -> None:
    folder, out = root / "docs" / "examples", tmp_path / "run"
    assert {path.stem for path in folder.glob("*.py")} == {*SHELF, "numpy_inplace", "mini_gpt_model"}
    names = [f"{name}.{variant}" for name in SHELF if name != "own_reference"] + ["softmax.numpy", "softmax.torch"]
    load = [f"--load=docs/examples/{name}.py" for name in SHELF]
    cases = ["-i", ",".join(names), "--size", SMALL, "--threads", "1", "--device", "cpu"]
    ends = ["--rounds", "1", "--budget", "1700s", "--timeout", "400s", "--no-figures", "--out", str(out)]
    command = [sys.executable, "-m", "bench", "run", *load, *cases, *ends]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=1750, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = read_summary(out)
    steps = summary[summary["phase"] != "first_step"]
    assert {*zip(steps["implementation"], steps["status"], strict=True)} == {(name, "ok") for name in names}
    timed = {str(name): set(phases) - {"step"} for name, phases in steps.groupby("implementation")["phase"]}
    assert timed == {name: STAGES.get(name.removesuffix(f".{variant}"), APART) for name in names}
