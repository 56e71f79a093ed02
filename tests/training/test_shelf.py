"""The shelf in docs/examples: every file is measured by the command, at small sizes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.store import read_summary

Here = Callable[..., subprocess.CompletedProcess[str]]
SHELF = ("accumulation", "char_lstm", "cnn", "inference", "lbfgs", "mini_gpt", "mlp_dropout", "own_reference")
MODELS = tuple(name for name in SHELF if name != "own_reference")
SMALL = "batch=8,width=8,hidden=8,length=8,context=8"
JOINED = ("cnn_jax", "cnn_keras", "mini_gpt_jax", "mini_gpt_keras")
"""Files that join the workload of the file beside them, which need not be named."""
APART = {"forward", "backward", "update"}
STAGES: dict[str, set[str]] = {
    "accumulation": {"forward+backward", "update"},
    "inference": set(),
    "lbfgs": set(),
    "softmax.numpy": {"forward+backward", "update"},
}
"""What is timed beside the whole step, where that is not each phase: a step of one stage is that stage."""


def test_the_small_gpt_takes_at_most_twenty_lines(root: Path) -> None:
    assert len((root / "docs" / "examples" / "mini_gpt.py").read_text(encoding="utf-8").splitlines()) <= 20


def measured(
    here: Here, root: Path, out: Path, names: list[str], sizes: str = SMALL
) -> dict[str, tuple[str, set[str]]]:
    """Run one round and return the status of each implementation, and what of it was timed beside the whole step."""
    load = [f"--load=docs/examples/{name}.py" for name in SHELF]
    cases = ["-i", ",".join(names), "--size", sizes, "--threads", "1", "--device", "cpu"]
    ends = ["--rounds", "1", "--budget", "1700s", "--timeout", "400s", "--no-figures", "--out", str(out)]
    done = here("run", *load, *cases, *ends, cwd=root)
    assert done.returncode in (0, 4), done.stdout + done.stderr
    rows = read_summary(out).groupby("implementation")
    return {str(name): (each["status"].iloc[0], {*each["phase"]} - {"step", "first_step"}) for name, each in rows}


def expected(names: list[str]) -> dict[str, tuple[str, set[str]]]:
    plain = {name: name.removesuffix(".eager").removesuffix(".compiled") for name in names}
    return {name: ("ok", STAGES.get(plain[name], APART)) for name in names}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_file_of_the_shelf_is_right_and_measured(here: Here, root: Path, tmp_path: Path) -> None:
    folder = root / "docs" / "examples"
    assert {path.stem for path in folder.glob("*.py")} == {
        *SHELF,
        *JOINED,
        "numpy_inplace",
        "mini_gpt_model",
        "mini_gpt_graph",
    }
    names = [f"{name}.eager" for name in MODELS] + ["softmax.numpy", "softmax.torch"]
    assert measured(here, root, tmp_path / "run", names) == expected(names)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_models_of_the_shelf_compile(here: Here, root: Path, tmp_path: Path) -> None:
    names = [f"{name}.compiled" for name in MODELS if name != "cnn"]
    assert measured(here, root, tmp_path / "run", names) == expected(names)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_cnn_is_right(here: Here, root: Path, tmp_path: Path) -> None:
    assert measured(here, root, tmp_path / "run", ["cnn.compiled"], "batch=8,width=8") == expected(["cnn.compiled"])


@pytest.mark.parametrize("library", ["jax", "keras"])
@pytest.mark.parametrize("model", ["cnn", "mini_gpt"])
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_model_in_another_framework_has_the_same_truth(here: Here, root: Path, model: str, library: str) -> None:
    name = f"{model}_{library}"
    sizes = "batch=8,width=8" + (",context=8" if model == "mini_gpt" else "")
    names = [f"{model}.eager", f"{name}.fused", *([f"{name}.staged"] if library == "jax" else [])]
    load = ["--load", f"docs/examples/{name}.py", "-i", ",".join(names), "--size", sizes]
    done = here("verify", *load, "--threads", "1", "--device", "cpu", "--timeout", "400s", "--json", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {(row["implementation"], row["backend"]): row["status"] for row in json.loads(done.stdout)}
    joined = (
        [(f"{name}.staged", "jax-cpu"), (f"{name}.fused", "jax-cpu")]
        if library == "jax"
        else [(f"{name}.fused", f"keras-{each}") for each in ("torch", "jax", "tensorflow")]
    )
    assert found == dict.fromkeys([(f"{model}.eager", "torch-cpu"), *joined], "ok")
