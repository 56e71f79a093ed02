"""`bench run --on`: what is refused, in one sentence and before anything is made; no Slurm is needed for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.store import read_manifest
from bench.run import queue

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Error = Callable[..., str]
SMALL = ("run", "-i", "numpy_manual", "--batch", "8", "--d-in", "6", "--hidden", "5", "--d-out", "3", "--threads", "1")
HERE = (*SMALL, "--rounds", "1", "--no-figures")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--on", "main"), "--on is 'main': write slurm:PARTITION"),
        (("--nodes", "3"), "--nodes means nothing without --on slurm:PARTITION"),
        (("--slurm", "time=3"), "--slurm means nothing without --on slurm:PARTITION"),
        (("--on", "slurm:main", "--slurm", "array=3"), "--slurm array cannot be set: bench sets it"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    here: Run, error: Error, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    assert words in error(here(*HERE, *options, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_slurm_and_an_environment_without_submitit_are_named(
    here: Run, error: Error, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_submitit", lambda: None)
    message = error(here(*HERE, "--on", "slurm:main", cwd=tmp_path, PATH=str(tmp_path)))
    assert "`sinfo` is not here: start it on a machine of the cluster" in message
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert "pip install 'stepbench[slurm]'" in error(here(*HERE, "--on", "slurm:main", cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_partition_suggests_the_nearest(
    here: Run, error: Error, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_submitit", lambda: None)
    monkeypatch.setattr(queue, "_asked", lambda *_: "gpu|1-00:00:00\nmain|infinite\nshort|30:00\n")
    assert "no such partition; did you mean 'main'?" in error(here(*HERE, "--on", "slurm:mian", cwd=tmp_path))
    minutes = [queue.longest_minutes(name) for name in ("gpu", "main", "short")]
    assert minutes == [1440, 1440, 30]


def test_a_run_goes_on_where_it_began_only(here: Run, error: Error, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert here(*HERE, "--out", out).returncode == 0
    assert read_manifest(out).machines == {}
    message = error(here("run", "--resume", out, "--on", "slurm:main", "--no-figures"))
    assert f"on this machine, without --on, and goes on there only: give `bench run --resume {out}`" in message
