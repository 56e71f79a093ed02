"""A real Slurm of two nodes on this machine: what the doubled queue of `tests/run/test_slurm.py` cannot show."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.data.run import StoredRun
from bench.data.store import read_manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HERE = Path(__file__).parent
STEPS = ["--load", str(HERE / "two_steps.py"), "-i", "long_step,short_step", "--baseline", "long_step"]
SIZES = ["--threads", "1", "--batch", "20", "--d-in", "16", "--hidden", "12", "--d-out", "8"]
ON = ["--on", "slurm:test"]
Needs = Callable[[str, str], str]


@pytest.fixture(scope="module")
def cluster(needs: Needs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of a command that finds the cluster."""
    for program in ("sbatch", "slurmctld", "slurmd", "munged"):
        needs("slurm", program)
    if os.getuid() != 0:
        pytest.skip("only root can start a cluster of its own")
    folder = tmp_path_factory.mktemp("cluster")
    script = ["bash", str(HERE / "cluster.sh")]
    subprocess.run([*script, "start", str(folder)], check=True, timeout=60)
    variables = {"SLURM_CONF": str(folder / "slurm.conf"), "STEPBENCH_HOME": str(folder / "home")}
    roots = os.pathsep.join(filter(None, (str(HERE.parents[1]), os.environ.get("PYTHONPATH"))))
    try:
        yield {**os.environ, **variables, "PYTHONPATH": roots}
    finally:
        subprocess.run([*script, "stop", str(folder)], check=False, timeout=60)


def bench(cluster: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", *map(str, arguments), "--no-figures"]
    return subprocess.Popen(command, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ask(cluster: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=cluster, check=True, capture_output=True, text=True, timeout=60).stdout


def wait_for(what: Callable[[], object], running: subprocess.Popen[str]) -> None:
    while not what():
        assert running.poll() is None, running.communicate()
        time.sleep(0.2)


def running_on(cluster: dict[str, str], node: str) -> str:
    return ask(
        cluster, "squeue", "--noheader", "--array", "--states=RUNNING", f"--nodelist={node}", "--format=%i"
    ).strip()


def measured(folder: Path) -> Counter[tuple[str, int]]:
    rows = StoredRun(folder).processes
    return Counter(zip(rows["implementation"], rows["round"], strict=True))


def once(rounds: int) -> dict[tuple[str, int], int]:
    return {(name, number): 1 for name in ("long_step", "short_step") for number in range(rounds)}


def test_the_slow_node_of_two_is_named_and_nothing_stays_behind(cluster: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    running = bench(cluster, "run", *STEPS, *SIZES, *ON, "--rounds", 6, "--budget", "100s", "--out", out)
    shown, progress = running.communicate(timeout=150)
    assert running.returncode == 0, progress
    assert measured(out) == once(6)
    processes = StoredRun(out).processes
    assert set(processes["machine"]) == {"n1", "n2"}
    assert processes.groupby("round")["machine"].nunique().max() == 1
    assert processes["verified"].all()
    odd = read_manifest(out).odd_machines
    assert list(odd) == ["n2"]
    assert odd["n2"].factor == pytest.approx(3.0, rel=0.4)
    assert "The odd machine is n2: steps take" in " ".join(shown.split())
    assert "6 done" in progress
    (row,) = StoredRun(out).summary.query("implementation == 'short_step' and phase == 'step'").to_dict("records")
    assert row["speedup"] == pytest.approx(2.0, rel=0.2)
    assert not (out / "tasks").exists()
    folder = str(out.resolve())
    assert [each.pid for each in psutil.process_iter() if folder in " ".join(_words(each))] == []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_node_that_dies_and_a_task_that_is_cancelled_lose_and_double_nothing(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    running = bench(cluster, "run", *STEPS, *SIZES, *ON, "--rounds", 4, "--budget", "100s", "--out", out)
    wait_for(lambda: running_on(cluster, "n1") and running_on(cluster, "n2"), running)
    ask(cluster, "scancel", running_on(cluster, "n1"))
    ask(cluster, "scontrol", "update", "nodename=n2", "state=down", "reason=test")
    _, progress = running.communicate(timeout=150)
    back = ["scontrol", "update", "nodename=n2", "state=resume"]
    subprocess.run(back, env=cluster, check=False, capture_output=True, timeout=60)  # it may have come back by itself
    assert running.returncode == 0, progress
    assert measured(out) == once(4)
    assert set(StoredRun(out).processes["status"]) == {"ok"}


def test_a_driver_that_is_killed_is_resumed(cluster: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("run", *STEPS, *SIZES, *ON, "--rounds", 4, "--budget", "100s", "--out", out)
    running = bench(cluster, *arguments)
    wait_for(lambda: (out / "processes.csv").exists() and measured(out).total() >= 2, running)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    kept = measured(out)
    assert once(4).items() >= kept.items()
    refused = bench(cluster, "run", "--resume", out)
    assert "goes on there only: give `bench run --resume" in " ".join(refused.communicate(timeout=60)[1].split())
    resumed = bench(cluster, "run", "--resume", out, *STEPS[:2], *ON)
    _, progress = resumed.communicate(timeout=150)
    assert resumed.returncode == 0, progress
    assert measured(out) == once(4)
    assert json.loads((out / "manifest.json").read_text())["ended_by"] == "rounds"


def test_ctrl_c_takes_back_what_waits_and_keeps_what_is_done(cluster: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    running = bench(cluster, "run", *STEPS, *SIZES, *ON, "--nodes", 1, "--rounds", 50, "--budget", "100s", "--out", out)
    wait_for(lambda: (out / "processes.csv").exists() and measured(out).total() >= 2, running)
    running.send_signal(signal.SIGTERM)  # as Ctrl-C, which a process in the background may not hear
    shown, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "--on slurm:test" in " ".join(shown.split())
    assert measured(out).total() >= 2
    assert ask(cluster, "squeue", "--noheader", "--states=PENDING,RUNNING") == ""


def test_a_partition_that_is_none_and_a_setting_that_slurm_refuses_are_named(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    wrong = bench(cluster, "run", *STEPS, *SIZES, "--on", "slurm:tst", "--out", tmp_path / "a")
    assert "there is no such partition; did you mean 'test'?" in wrong.communicate(timeout=60)[1]
    assert wrong.returncode == 2
    assert not (tmp_path / "a").exists()
    odd = bench(cluster, "run", *STEPS, *SIZES, *ON, "--slurm", "frobnicate=1", "--out", tmp_path / "b")
    assert "Slurm refuses the tasks" in odd.communicate(timeout=60)[1]
    assert odd.returncode == 2
