"""The shelf in docs/examples: every file is measured by the command, at small sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.data.store import read_summary

SHELF = ("accumulation", "char_lstm", "cnn", "inference", "lbfgs", "mini_gpt", "mlp_dropout", "own_reference")
SMALL = ("batch=8", "width=8", "hidden=8", "length=8", "context=8")
APART = {"forward", "backward", "update"}
STAGES = {
    "accumulation.eager": {"forward+backward", "update"},
    "inference.eager": set(),
    "lbfgs.eager": set(),
    "softmax.numpy": {"forward+backward", "update"},
}
"""What is timed beside the whole step, where that is not each phase: a step of one stage is that stage."""


def run(root: Path, out: Path, *arguments: str, files: tuple[str, ...] = SHELF) -> list[dict[str, Any]]:
    """Run one round on the CPU and return the rows of its steps."""
    load = [f"--load=docs/examples/{name}.py" for name in files]
    sizes = ["--size", ",".join(SMALL), "--threads", "1", "--device", "cpu", "--rounds", "1", "--no-figures"]
    command = [sys.executable, "-m", "bench", "run", *load, *sizes, "--out", str(out), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = read_summary(out)
    rows: list[dict[str, Any]] = json.loads(summary.to_json(orient="records"))
    return [row for row in rows if row["phase"] in ("step", None)]


def test_the_small_gpt_takes_at_most_twenty_lines(root: Path) -> None:
    assert len((root / "docs" / "examples" / "mini_gpt.py").read_text(encoding="utf-8").splitlines()) <= 20


@pytest.mark.timeout(900)
def test_every_file_of_the_shelf_is_right_and_measured(root: Path, tmp_path: Path) -> None:
    folder = root / "docs" / "examples"
    assert {path.stem for path in folder.glob("*.py")} == {*SHELF, "numpy_inplace", "mini_gpt_model"}
    names = [f"{name}.eager" for name in SHELF if name != "own_reference"] + ["softmax.numpy", "softmax.torch"]
    rows = run(root, tmp_path / "run", "-i", ",".join(names), "--budget", "600s")
    assert {row["implementation"]: row["status"] for row in rows} == dict.fromkeys(names, "ok")
    summary = read_summary(tmp_path / "run")
    timed = {
        str(name): set(phases) - {"step", "first_step"} for name, phases in summary.groupby("implementation")["phase"]
    }
    assert timed == {name: STAGES.get(name, APART) for name in names}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in SHELF if name != "own_reference"])
def test_every_model_of_the_shelf_compiles(root: Path, tmp_path: Path, name: str) -> None:
    arguments = ("-w", name, "--budget", "800s", "--timeout", "400s")
    rows = run(root, tmp_path / "run", *arguments, files=(name,))
    assert {row["implementation"]: row["status"] for row in rows} == {f"{name}.eager": "ok", f"{name}.compiled": "ok"}
