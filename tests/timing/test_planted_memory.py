"""Memory planted in a step must show in the result, by the real command and the real kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bench.data.store import read_processes

MEGABYTES = 64
PLANTED = """
from bench import BACKWARD, FORWARD, UPDATE, Data, Stage, State, Step, implementation, workload


@workload("planted", sizes={"megabytes": 1}, baseline="planted_numpy", unverified="plants memory")
class Planted:
    def data(self, size, rng):
        return Data({"x": rng.normal(size=(4, 4))}, {"w": rng.normal(size=(4, 4))})


def step(problem, allocate):
    def forward():
        allocate(problem.megabytes << 18)

    stages = (Stage(FORWARD, forward), Stage(BACKWARD, lambda: None), Stage(UPDATE, lambda: None))
    return Step(stages, lambda: State(0.0, {}), lambda: None)


@implementation("planted_numpy", framework="numpy", workload="planted")
def in_numpy(problem, data, device):
    import numpy as np

    return step(problem, lambda count: np.ones(count, dtype=np.float32).sum())


@implementation("planted_torch", framework="torch", workload="planted")
def in_torch(problem, data, device):
    import torch

    return step(problem, lambda count: torch.ones(count).sum())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only there can a peak be begun anew")
def test_a_temporary_that_is_planted_in_a_step_shows_within_a_tenth(here: Any, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    found = {}
    for size in (1, 1 + MEGABYTES):
        out = tmp_path / str(size)
        options = ["-w", "planted", "--size", f"megabytes={size}", "--threads", "1", "--rounds", "2", "--no-figures"]
        done = here("run", "--load", tmp_path / "planted.py", *options, "--out", out)
        assert done.returncode == 0, done.stderr
        found[size] = read_processes(out).groupby("implementation")["step_peak_bytes"]
    smaller, larger = found.values()
    for name in ("planted_numpy", "planted_torch"):
        least = larger.min()[name] - smaller.max()[name]
        most = larger.max()[name] - smaller.min()[name]
        planted = MEGABYTES << 20
        assert 0.9 * planted < least <= most < 1.1 * planted, name
        assert larger.max()[name] < 1.2 * (MEGABYTES + 1 << 20), (
            "neither the framework nor what verifying took is in it"
        )
