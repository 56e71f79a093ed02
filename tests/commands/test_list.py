"""`bench list`: every implementation on every backend, and why it cannot run."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_list_shows_every_pair_and_why_not(here: Run, root: Path, tmp_path: Path) -> None:
    rows = json.loads(here("list", "--json").stdout)
    assert {row["implementation"] for row in rows} == {path.stem for path in (root / "implementations").glob("*.py")}
    assert {row["backend"] for row in rows if row["implementation"] == "torch_nn"} == {"torch-cpu", "torch-cuda"}
    fused = {row["implementation"] for row in rows if row["fused"]}
    assert {"tf_static_graph", "torch_cuda_graph", "torch_cuda_graph_adam", "jax_fused"} <= fused
    assert not fused & {"numpy_manual", "torch_compiled", "jax_staged"}
    assert all(row["available"] or row["reason"] for row in rows)
    text = here("list", cwd=tmp_path).stdout
    assert "numpy_manual" in text
    assert "separable" in text


def test_without_tensorflow_everything_else_is_listed_and_its_rows_say_how_to_install_it(
    here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path finder that hides one package stands for an environment without it."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow" else real(name))
    rows = json.loads(here("list", "--json").stdout)
    reasons = {row["reason"] for row in rows if row["backend"] == "tf-graph"}
    assert reasons == {"tensorflow is not installed: pip install tensorflow==2.21.0"}
    assert sum(row["available"] for row in rows) >= 11
