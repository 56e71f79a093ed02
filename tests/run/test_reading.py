"""The user's files are loaded in a process of their own: whatever they do there is a sentence here."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.errors import LoadError
from bench.model.backends import BACKENDS
from bench.model.registry import Registry
from bench.model.workload import WORKLOADS, Cost, Memory
from bench.run import guarded
from bench.run.reader import DistantWorkload
from bench.run.reading import read_all, read_each

MINE = """
from bench import Cost, Data, Memory, implementation, workload
import numpy as np

@workload("mine", sizes={"n": 4, "m": 3}, baseline="one", title="a title", unverified="it is a test")
class Mine:
    def data(self, size, rng):
        return Data(inputs={"x": np.ones((size.n, 2))}, parameters={"w": np.zeros(size.m)}, constants={"rate": 0.5})
    def cost(self, size, phase):
        return Cost(flops=2 * size.n * {"step": 3, "forward": 1}[phase], values=np.float32(size.m))
    def memory(self, size, itemsize):
        if size.n == 13:
            raise ValueError("unlucky")
        return Memory(host=size.n * itemsize, device=size.m)

@implementation("one", framework="numpy", workload="mine", precisions=("full",))
def build(problem, data, device):
    '''The first line.'''
"""


@pytest.fixture
def mine(tmp_path: Path, own_backends: None) -> Callable[..., Path]:
    def write(text: str, name: str = "mine.py") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_what_is_read_is_what_would_be_loaded_here(mine: Callable[[str], Path], fakecpu: Path) -> None:
    path = mine(MINE)
    registry = read_all([path, fakecpu])
    item, workload = registry["one"], registry["one"].workload
    here = Registry()
    here.load(f"file:{path}")
    loaded, program = here["one"], here["one"].workload
    same = ("name", "framework", "fused", "origin", "summary", "devices", "precisions", "compiles", "by_default")
    assert {name: getattr(item, name) for name in same} == {name: getattr(loaded, name) for name in same}
    assert item.baseline == item
    assert {"one", "numpy_manual"} <= {each.name for each in registry}
    same = ("name", "title", "baseline", "sizes", "phases", "origin", "unverified", "has_reference", "knows_edges")
    assert {name: getattr(workload, name) for name in same} == {name: getattr(program, name) for name in same}
    small, large = workload.problem(), workload.problem({"n": 50})
    for problem in (small, large):
        assert isinstance(workload, DistantWorkload)
        assert workload.cost(problem, "step") == program.cost(problem, "step") == Cost(problem.n * 6, 3.0)
        assert workload.memory(problem) == program.memory(problem) == Memory(problem.n * 4, 3)
    assert workload.given() == program.given()
    assert workload.given()[:2] == (("problem.n", "4"), ("problem.m", "3"))
    fake = BACKENDS["numpy-fakecpu"]
    assert (fake.device, fake.interpreter, fake.precisions, fake.host_memory) == ("fakecpu", "numpy", ("full",), False)
    assert fake.availability().present
    assert fake.origin == f"file:{fakecpu}"


def test_a_program_that_fails_later_costs_a_rate_or_a_sentence(mine: Callable[[str], Path]) -> None:
    workload = read_all([mine(MINE)])["one"].workload
    assert workload.cost(workload.problem(), "backward") == Cost(), "a phase that its author forgot"
    with pytest.raises(LoadError, match="mine: its memory cannot be asked for: ValueError: unlucky"):
        workload.memory(workload.problem({"n": 13}))
    assert workload.memory(workload.problem()) is not None, "and it goes on"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os; os._exit(0)", "ends the process that loads it, which exited with status 0"),
        ("import os; os.kill(os.getpid(), 11)", "ends the process that loads it, which died by SIGSEGV"),
        ("import sys; sys.exit(0)", "does not import: SystemExit: 0"),
        ("raise KeyboardInterrupt", "does not import: KeyboardInterrupt: no message"),
        ("class Skipped(BaseException): pass\nraise Skipped('no cupy here')", "does not import: Skipped: no cupy here"),
        ("raise ValueError('x' * 200_000)", f"does not import: ValueError: {'x' * 400} ...$"),
        ("while True: pass", "does not end when it is loaded: no answer for 1 s, so it was killed: raise --timeout"),
        ("import time; time.sleep(1000)", "does not end when it is loaded: no answer for 1 s"),
        (MINE.replace('"step": 3, ', ""), "registers the workload 'mine', whose cost fails: KeyError: 'step'"),
    ],
    ids=["exits at once", "crashes", "exits", "interrupts", "skips", "a long reason", "spins", "sleeps", "cost"],
)
def test_a_file_that_does_not_only_register_is_one_sentence(mine: Callable[..., Path], text: str, said: str) -> None:
    path, good = mine(text), mine(MINE.replace('"mine"', '"well"').replace('"one"', '"good"'), "good.py")
    with pytest.raises(LoadError, match=f"{path} {said}"):
        read_all([path], 1.0)
    registry, broken = read_each([path, good], timeout=1.0)
    assert [item.name for item in registry] == ["good"]
    assert list(broken) == [path]


def test_a_file_that_closes_our_files_is_not_said_to_have_been_killed(
    mine: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "LEAVE_SECONDS", 0.5)
    with pytest.raises(LoadError, match=r"ends the process that loads it, which hung up and lived on"):
        read_all([mine("import os, time; os.closerange(3, 99); time.sleep(1000)")])


def test_what_it_prints_is_not_on_standard_output(
    mine: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    read_all([mine("import os\nprint('loading')\nos.system('echo below')\n" + MINE)])
    shown = capfd.readouterr()
    assert (shown.out, sorted(shown.err.split())) == ("", ["below", "loading"])


def test_what_reads_ends_with_what_was_read(mine: Callable[[str], Path]) -> None:
    before = set(psutil.Process().children())
    registry = read_all([mine(MINE)])
    (reader,) = set(psutil.Process().children()) - before
    assert registry["one"].workload.memory(registry["one"].workload.problem())
    del registry
    WORKLOADS.pop("mine")
    gc.collect()
    psutil.wait_procs([reader], timeout=20)
    assert not reader.is_running()
