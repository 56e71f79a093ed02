"""A run is killed at random moments, in all its processes, and finished by `--resume` every time."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from bench.data.run import StoredRun
from bench.data.store import read_manifest, read_processes, read_samples, read_summary

BENCH = Path(sys.executable).with_name("bench")
Run = Callable[..., subprocess.CompletedProcess[str]]
NAMES = ("numpy_manual", "numpy_bias_sgd")
SIZES = ["--batch", "20", "--d-in", "16", "--hidden", "12", "--d-out", "8", "--threads", "1"]
FRAMEWORKS = ("numpy_manual", "torch_autograd", "tf_static_graph", "jax_staged")


def below(parent: psutil.Process) -> dict[str, list[psutil.Process]]:
    """The processes of a run, by what they are: each guard is above one zygote, and this above the children."""
    guards = parent.children()
    zygotes = [each for guard in guards for each in guard.children()]
    return {"guard": guards, "zygote": zygotes, "child": [each for zygote in zygotes for each in zygote.children()]}


def wait_for_children(running: subprocess.Popen[bytes]) -> None:
    """Until a measuring process is at work, or the run has ended."""
    while running.poll() is None:
        try:
            if below(psutil.Process(running.pid))["child"]:
                return
        except psutil.NoSuchProcess:
            return
        time.sleep(0.01)


def strike(running: subprocess.Popen[bytes], rng: random.Random) -> str:
    """Kill the parent or one of the processes below it; gives which."""
    parent = psutil.Process(running.pid)
    found = {"parent": [parent], **below(parent)}
    victim = rng.choice(list(found))
    targets = found[victim]
    if targets:
        rng.choice(targets).kill()
    return victim if targets else "nobody"


def complete(out: Path, rounds: int, names: Sequence[str]) -> bool:
    if not (out / "processes.csv").exists():
        return False
    lines = (out / "processes.csv").read_bytes().count(b"\n")
    return lines > rounds * len(names)


def survive(out: Path, rounds: int, kills: int, seed: int, names: Sequence[str]) -> dict[str, int]:
    """Run, kill, resume, until so many kills have struck; then let it finish. Gives who was killed how often."""
    rng = random.Random(seed)  # noqa: S311 - chance, not secrecy
    struck: dict[str, int] = {}
    known: list[psutil.Process] = []
    while sum(struck.values()) < kills and not complete(out, rounds, names):
        arguments = ["run", "--resume", str(out), "--budget", "500s", "--no-figures"]
        if not (out / "manifest.json").exists():
            start = ["run", "-i", ",".join(names), "--device", "cpu", *SIZES, "--no-figures"]
            arguments = [*start, "--rounds", str(rounds), "--budget", "500s", "--out", str(out)]
        with subprocess.Popen(
            [str(BENCH), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as running:
            while running.poll() is None and sum(struck.values()) < kills:
                if rng.random() < 0.9:  # now and then it strikes while everything is still starting
                    wait_for_children(running)
                time.sleep(rng.uniform(0.0, 0.5))
                if running.poll() is None:
                    try:
                        known += itertools.chain(*below(psutil.Process(running.pid)).values())
                        victim = strike(running, rng)
                    except psutil.NoSuchProcess:
                        continue
                    if victim != "nobody":
                        struck[victim] = struck.get(victim, 0) + 1
                    if victim == "parent":
                        break
            if running.poll() is None and sum(struck.values()) >= kills:
                running.kill()
        if running.returncode >= 0:
            break  # it ended by itself: all is done, or every case has been killed
    _, alive = psutil.wait_procs(known, timeout=20)
    assert alive == [], "orphans are left"
    return struck


def check_finished(out: Path, rounds: int, names: Sequence[str]) -> None:
    """Every case has every round once, or a row that says how it was killed; nothing is torn or doubled."""
    processes, samples = read_processes(out), read_samples(out)
    assert processes["process"].is_unique
    assert not processes.duplicated(["implementation", "round"]).any()
    assert set(samples["process"]) <= set(processes["process"])
    joined = StoredRun(out).joined
    steps = joined[joined["phase"] == "step"]
    for name in names:
        mine = processes[processes["implementation"] == name]
        failed = mine[mine["status"] != "ok"]
        if len(failed):
            # A child that was killed, or an interpreter that was killed twice while it served the same request.
            assert failed["reason"].str.contains("SIGKILL|interpreter died").all(), failed["reason"].tolist()
        else:
            assert sorted(mine["round"]) == list(range(rounds))
        ok = set(mine[mine["status"] == "ok"]["process"])
        assert ok <= set(steps[steps["implementation"] == name]["process"])
    summary = read_summary(out)
    assert set(summary["implementation"]) == set(names)
    assert read_manifest(out).ended_by in ("rounds", "failures")


def finish(out: Path) -> None:
    arguments = ["run", "--resume", str(out), "--budget", "500s", "--no-figures"]
    done = subprocess.run([str(BENCH), *arguments], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr


def killed_and_finished(
    folder: Path, rounds: int, kills: int, seed: int, names: Sequence[str] = NAMES
) -> dict[str, int]:
    """Until so many kills have struck, over as many runs as it takes; every run is finished and checked."""
    struck: dict[str, int] = {}
    number = 0
    while sum(struck.values()) < kills:
        out = folder / f"run{number}"
        number += 1
        for victim, count in survive(out, rounds, kills - sum(struck.values()), seed + number, names).items():
            struck[victim] = struck.get(victim, 0) + count
        if not (out / "manifest.json").exists():
            continue  # killed before it had begun
        finish(out)
        check_finished(out, rounds, names)
    return struck


@pytest.mark.slow
def test_a_run_survives_kills_at_random_moments(tmp_path: Path) -> None:
    struck = killed_and_finished(tmp_path, rounds=3, kills=2, seed=1)
    assert sum(struck.values()) >= 2


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_hundred_kills(tmp_path: Path) -> None:
    struck = killed_and_finished(tmp_path, rounds=40, kills=100, seed=2)
    print(f"survived {sum(struck.values())} kills: {struck}")  # noqa: T201 - shown by `make survival`
    assert sum(struck.values()) >= 100
    assert set(struck) == {"parent", "guard", "zygote", "child"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_hang_ups(tmp_path: Path) -> None:
    """What was finished is in the summary, nothing is left running or lying about, and each next one goes on."""
    rng, out, temporary = random.Random(4), tmp_path / "run", tmp_path / "tmp"  # noqa: S311 - chance, not secrecy
    temporary.mkdir()
    start = ["run", "-i", ",".join(NAMES), *SIZES, "--no-figures", "--rounds", "1000", "--out", str(out)]
    go_on = ["run", "--resume", str(out), "--no-figures"]
    for _ in range(20):
        command = [str(BENCH), *(go_on if (out / "manifest.json").exists() else start), "--budget", "500s"]
        with subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(temporary)},
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        ) as running:
            wait_for_children(running)
            time.sleep(rng.uniform(0.0, 0.5))
            known = psutil.Process(running.pid).children(recursive=True)
            for _ in range(rng.choice([1, 2])):  # a shell that goes sends its own beside the kernel's
                running.send_signal(signal.SIGHUP)
            assert running.wait(60) == 130
        _, alive = psutil.wait_procs(known, timeout=20)
        assert alive == [], "orphans are left"
        assert list(temporary.iterdir()) == []
        assert read_manifest(out).ended_by == "interrupted"
        assert set(read_summary(out)["implementation"]) == set(NAMES)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_over_all_frameworks_survives_kills(tmp_path: Path) -> None:
    """Interpreters that have imported a framework take seconds to come back, and their children start threads."""
    struck = killed_and_finished(tmp_path, rounds=3, kills=6, seed=3, names=FRAMEWORKS)
    assert sum(struck.values()) >= 6


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A limit on the size of files, for this process and those that it starts, stands for a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.slow
def test_a_full_disk_loses_nothing_that_was_finished_and_the_run_can_be_resumed(here: Run, tmp_path: Path) -> None:
    """A write that crosses the limit fails half-way."""
    out = tmp_path / "r"
    sizes = ["--batch", "4", "--d-in", "5", "--hidden", "4", "--d-out", "3", "--threads", "1"]
    few = ["run", "-i", "numpy_manual", *sizes, "--rounds", "20", "--no-figures", "--out"]
    with files_of_at_most(10_000):
        tiny = here(*few, tmp_path / "tiny")
    assert tiny.returncode == 2
    assert "cannot be written (File too large): raise the limit on file sizes (ulimit -f) or set TMPDIR" in tiny.stderr
    with files_of_at_most(30_000):
        done = here(*few, out)
    assert done.returncode == 2, done.stderr
    assert "cannot be extended" in done.stderr
    finished = read_processes(out)
    assert 0 < len(finished) < 20
    whole = read_samples(out)
    done = here("run", "--resume", str(out), "--no-figures", "--budget", "60s")
    assert done.returncode == 0, done.stderr
    after = read_samples(out)
    assert len(read_processes(out)) == 20
    # Text by text: a flag that only later samples carry is a category more.
    assert after.iloc[: len(whole)].astype("str").equals(whole.astype("str"))


@pytest.mark.slow
def test_a_resumed_run_is_like_one_that_was_never_interrupted(here: Run, tmp_path: Path) -> None:
    few = ["run", "-i", "numpy_manual", *SIZES, "--rounds", "3", "--no-figures"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert here(*few, "--out", str(whole)).returncode == 0
    with subprocess.Popen(
        [str(BENCH), *few, "--out", str(cut)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("Round 2"):
                break
        running.send_signal(signal.SIGKILL)
    done = here("run", "--resume", str(cut), "--no-figures")
    assert done.returncode == 0, done.stderr
    for read in (read_processes, read_summary):
        one, other = read(whole), read(cut)
        assert list(one.columns) == list(other.columns)
        assert len(one) == len(other)
        for column in ("implementation", "phase", "round", "process", "status", "verified"):
            if column in one:
                assert one[column].tolist() == other[column].tolist()
    assert sorted(path.name for path in whole.iterdir()) == sorted(path.name for path in cut.iterdir())
    again = here("run", "--resume", str(cut), "--no-figures")
    assert again.returncode == 0
    assert len(read_processes(cut)) == 3  # nothing was missing, nothing was done again


def test_what_changed_since_is_named_and_the_run_is_refused(here: Run, tmp_path: Path) -> None:
    out = tmp_path / "r"
    mine = tmp_path / "mine.py"
    example = Path(__file__).resolve().parents[1] / "docs" / "examples" / "numpy_inplace.py"
    mine.write_text(example.read_text(encoding="utf-8"))
    arguments = ["run", "-i", "numpy_inplace", "--load", str(mine), *SIZES, "--rounds", "1", "--no-figures"]
    assert here(*arguments, "--out", str(out)).returncode == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    manifest = json.loads((out / "manifest.json").read_text())
    for where, name, value in (("machine", "cpu", "another CPU"), ("packages", "numpy", "1.0")):
        odd = json.loads(json.dumps(manifest))
        odd[where][name] = value
        (out / "manifest.json").write_text(json.dumps(odd))
        done = here("run", "--resume", str(out))
        assert done.returncode == 2
        assert f"{name}: {value} / " in done.stderr
    (out / "manifest.json").write_bytes(before["manifest.json"])
    done = here("run", "--resume", str(out))
    assert (done.returncode, f"`bench run --resume {out} --load {mine}`" in done.stderr) == (2, True)
    mine.write_text(mine.read_text() + "# changed\n")
    done = here("run", "--resume", str(out), "--load", str(mine))
    assert done.returncode == 2
    assert "mine.py changed since it began" in done.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    done = here("run", "--resume", str(out), "--batch", "3")
    assert done.returncode == 2
    assert "leave out --batch" in done.stderr
    done = here("run", "--resume", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "is not the folder of a run" in done.stderr


def test_a_child_without_memory_costs_its_own_row(here: Run, tmp_path: Path) -> None:
    greedy = tmp_path / "greedy.py"
    example = Path(__file__).resolve().parents[1] / "docs" / "examples" / "numpy_inplace.py"
    limit = "    import resource\n    resource.setrlimit(resource.RLIMIT_AS, (1, 1))\n    np.ones(10**8)\n"
    text = example.read_text(encoding="utf-8").replace("    x, y = ", limit + "    x, y = ")
    greedy.write_text(text.replace('"numpy_inplace"', '"greedy"'))
    names = ["-i", "greedy,numpy_manual", "--load", str(greedy)]
    done = here("run", *names, *SIZES, "--rounds", "1", "--no-figures", "--out", str(tmp_path / "r"))
    assert done.returncode == 4, done.stderr
    rows = read_summary(tmp_path / "r").set_index(["implementation", "phase"])
    assert "MemoryError" in rows.loc[("greedy", "step"), "reason"]
    assert rows.loc[("numpy_manual", "step"), "status"] == "ok"


assert os.name == "posix", "these tests send signals"
