"""Compiling through the commands: cold and warm, what is compiled anew while sampled, and an absent compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.store import read_processes, read_samples
from bench.machine.disturbance import RECOMPILED

Bench = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("--batch", "8", "--d-in", "6", "--hidden", "5", "--d-out", "3", "--threads", "1", "--device", "cpu")
TINY = '''
from bench import Training, training


@training("tiny", sizes={"batch": 4, "width": 8})
def tiny(size, rng):
    """A tiny model, SGD."""
    import torch

    return Training(
        model=torch.nn.Linear(size.width, 1),
        inputs=(rng.standard_normal((size.batch, size.width)).astype("float32"),),
        loss=lambda model, x: model(x).square().mean(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.01),
    )
'''


@pytest.mark.slow
def test_jax_is_cold_as_often_as_asked_then_warm_and_a_new_shape_in_a_turn_is_flagged(
    here: Bench, root: Path, tmp_path: Path
) -> None:
    source = (root / "implementations" / "jax_staged.py").read_text(encoding="utf-8")
    planted = "    shapes = 0\n\n    def forward():\n        nonlocal shapes\n        shapes += 1\n"
    planted += "        jax.jit(lambda values: values * 2)(jnp.ones(shapes))\n"
    source = source.replace('"jax_staged"', '"growing"').replace("    def forward():\n", planted, 1)
    (tmp_path / "growing.py").write_text(source, encoding="utf-8")
    chosen = ("-i", "numpy_manual,jax_staged,growing", "--load", "growing.py", *SMALL)
    done = here("run", *chosen, "--cold", "2", "--rounds", "3", "--no-figures", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    processes, samples = read_processes(tmp_path / "run"), read_samples(tmp_path / "run")
    of = {name: rows.sort_values("round") for name, rows in processes.groupby("implementation")}
    assert list(of["jax_staged"]["cache"]) == ["cold", "cold", "warm"]
    assert list(of["jax_staged"]["recompiles"]) == [0, 0, 0]
    assert of["numpy_manual"]["compile_seconds"].isna().all()
    assert (of["growing"]["recompiles"] > 0).all()
    flagged = samples["flags"].astype(str).str.contains(RECOMPILED)
    assert set(samples["process"][flagged]) == set(of["growing"]["process"])
    assert "Compiled anew while it was sampled: growing on jax-cpu" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_without_a_compiler_one_sentence_names_it_and_the_eager_case_is_measured(
    here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    monkeypatch.setenv("CXX", "/nonexistent")
    chosen = ("--load", "tiny.py", "-w", "tiny", "--threads", "1", "--device", "cpu")
    done = here("run", *chosen, "--rounds", "1", "--no-figures", "--out", "run", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    rows = read_processes(tmp_path / "run").set_index("implementation")
    assert dict(rows["status"]) == {"tiny.eager": "ok", "tiny.compiled": "failed"}
    reason = str(rows["reason"]["tiny.compiled"])
    assert "No working C++ compiler" in reason
    assert reason.endswith("install g++, or name one in CXX")
    assert len(reason) < 300


@pytest.mark.slow
def test_a_step_that_torch_would_go_on_without_compiling_is_refused(here: Bench, tmp_path: Path) -> None:
    """Every step hands over another text, so that the same function would be compiled without end."""
    changing = TINY.replace(
        "    import torch\n", "    import itertools\n    import torch\n\n    numbers = itertools.count()\n"
    )
    loss = "loss=lambda model, x: model(x).square().mean()"
    assert loss in changing
    (tmp_path / "tiny.py").write_text(changing.replace(loss, f"{loss} + 0 * len('x' * next(numbers))"))
    chosen = ("--load", "tiny.py", "-w", "tiny", "-i", "tiny.compiled", "--threads", "1", "--device", "cpu")
    done = here("run", *chosen, "--rounds", "1", "--no-figures", "--out", "run", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    (reason,) = read_processes(tmp_path / "run")["reason"]
    assert "FailOnRecompileLimitHit" in reason
    assert "without its compiler" in reason
