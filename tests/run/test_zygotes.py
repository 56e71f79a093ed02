"""Real processes: what they survive and what they leave behind. Nothing here asserts on how long anything takes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.model.data import make_data
from bench.model.device import BACKENDS
from bench.model.problem import Problem
from bench.model.registry import BUILT_IN
from bench.model.workload import WORKLOADS
from bench.oracle.truth import make_truth, save_truth
from bench.run.zygotes import Interpreter, ZygoteGone, Zygotes
from bench.timing.measure import Policy
from bench.timing.protocol import Reply, Request

SMALL = Problem(batch=8, d_in=6, hidden=5, d_out=3)
QUICK = Policy(sample_seconds=1e-4, process_seconds=1e-3, warmup_min_seconds=1e-4, warmup_max_seconds=1e-2)
SOURCE = (BUILT_IN / "numpy_manual.py").read_text(encoding="utf-8")
PROBLEM = Problem(batch=20, d_in=16, hidden=12, d_out=8)
Ask = Callable[..., Reply]


@pytest.fixture(params=["fork", "spawn"])
def zygotes(request: pytest.FixtureRequest) -> Iterator[Zygotes]:
    with Zygotes(Interpreter(fork=request.param == "fork")) as running:
        yield running


@pytest.fixture
def ask(zygotes: Zygotes, tmp_path: Path) -> Ask:
    workload = WORKLOADS["mlp_sgd"]
    save_truth(make_truth(workload, make_data(PROBLEM, workload), PROBLEM.dtype), tmp_path / "truth.npz")

    def do(body: str = "", timeout: float = 60.0) -> Reply:
        path = tmp_path / "mine.py"
        path.write_text(
            SOURCE.replace("    def forward():\n", f"    import os, sys, time\n{body}\n    def forward():\n")
        )
        request = Request(f"file:{path}", "numpy_manual", "numpy", PROBLEM, 1, str(tmp_path / "truth.npz"), QUICK)
        return zygotes.ask(BACKENDS["numpy"], request, timeout)

    return do


def test_each_request_has_a_process_of_its_own(ask: Ask, tmp_path: Path) -> None:
    body = f"    open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}}\\n')"
    assert [ask(body).status for _ in range(3)] == [Status.OK] * 3
    pids = (tmp_path / "pids").read_text().split()
    assert len(set(pids)) == 3
    assert str(os.getpid()) not in pids


def test_a_child_that_dies_by_a_signal_says_which(ask: Ask) -> None:
    with pytest.raises(ChildError, match="its process died by SIGSEGV"):
        ask("    os.kill(os.getpid(), 11)")
    with pytest.raises(ChildError, match="died by SIGKILL, perhaps for want of memory"):
        ask("    os.kill(os.getpid(), 9)")
    assert ask().status is Status.OK


def test_a_child_that_leaves_without_a_word_is_quoted(ask: Ask) -> None:
    with pytest.raises(ChildError, match="exited with status 3 and no answer; it said: last words"):
        ask("    print('first'); print('last words', file=sys.stderr, flush=True); os._exit(3)")


def test_a_child_that_hangs_is_killed_with_what_it_started(ask: Ask, tmp_path: Path) -> None:
    body = (
        "    import subprocess\n"
        "    helper = subprocess.Popen(['sleep', '1000'])\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(helper.pid))\n"
        "    time.sleep(1000)"
    )
    with pytest.raises(ChildTimeout):
        ask(body, timeout=3.0)
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert ask().status is Status.OK


def test_what_an_implementation_prints_does_not_get_into_the_protocol(ask: Ask) -> None:
    assert ask('    print(\'{"status": "failed"}\', flush=True)').status is Status.OK


def test_a_zygote_that_is_killed_is_started_again_and_the_request_repeated(tmp_path: Path) -> None:
    workload = WORKLOADS["mlp_sgd"]
    save_truth(make_truth(workload, make_data(PROBLEM, workload), PROBLEM.dtype), tmp_path / "truth.npz")
    origin = f"file:{BUILT_IN / 'numpy_manual.py'}"
    request = Request(origin, "numpy_manual", "numpy", PROBLEM, 1, str(tmp_path / "truth.npz"), QUICK)
    with Zygotes(Interpreter(fork=True)) as running:
        running.start([BACKENDS["numpy"]])
        for _ in range(3):
            (zygote,) = (p for p in psutil.Process().children() if "bench.timing.zygote" in p.cmdline())
            zygote.send_signal(signal.SIGKILL)
            assert running.ask(BACKENDS["numpy"], request, 60.0).status is Status.OK


def test_nothing_is_left_running(ask: Ask, zygotes: Zygotes) -> None:
    ask()
    zygotes.close()
    assert [
        p for p in psutil.Process().children(recursive=True) if "bench.timing.zygote" in " ".join(p.cmdline())
    ] == []


def test_an_interpreter_that_cannot_start_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("raise RuntimeError('this is another bench')")
    broken = replace(Interpreter(fork=True), path=(str(tmp_path),))
    with Zygotes(broken) as running:
        running.start([BACKENDS["numpy"]])
        request = Request("file:x.py", "x", "numpy", SMALL, 1, "t", None)
        with pytest.raises(ZygoteGone, match="did not start: RuntimeError: this is another bench"):
            running.ask(BACKENDS["numpy"], request, 60.0)
