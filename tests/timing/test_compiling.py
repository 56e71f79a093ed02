"""What compiling cost a process: times of first steps, what the cache did, and what was compiled while sampling."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Status
from bench.machine.disturbance import RECOMPILED
from bench.model.device import Cache, Compilations
from bench.model.discovery import BUILT_IN
from bench.model.workload import WORKLOADS
from bench.oracle.edges import truth_by_reference
from bench.oracle.truth import STEPS, save_truth
from bench.timing.compiling import Compiled, FirstSteps, cache_of
from bench.timing.imported import imported
from bench.timing.measure import Sampling
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import REPLY, TURN, Request, Task, Turn
from bench.timing.turns import serve_turns
from bench.workloads import tutorial

PROBLEM = tutorial(batch=8, d_in=6, hidden=5, d_out=3)
QUICK = SamplingPolicy(
    turn_seconds=1e-3, max_units=2, lead_seconds=1e-4, warmup_min_seconds=1e-4, warmup_max_seconds=1e-2
)


def test_compiling_is_what_first_steps_take_beyond_later_ones(world: Any) -> None:
    world.cost_of_step = lambda index: (100, 200, 300) if index > 1 else (5_000_000_000, 200, 2_000_000_300)
    steps = FirstSteps(world.rig())
    spent = [steps.run() for _ in range(4)]
    assert spent == [7_000_000_500, 7_000_000_500, 600, 600]
    assert steps.beyond(600) == pytest.approx(13.9999998)
    assert steps.beyond(1e12) == 0.0


@pytest.mark.parametrize(
    ("hits", "misses", "began_empty", "files", "expected"),
    [
        (0, 3, True, 1, Cache.COLD),
        (2, 3, True, 1, Cache.COLD),  # what it finds there it has left itself
        (0, 3, True, 0, Cache.NONE),  # asked, but nothing was kept
        (3, 0, False, 1, Cache.WARM),
        (1, 2, False, 1, Cache.MIXED),
        (0, 2, False, 1, Cache.COLD),
        (0, 0, False, 1, Cache.NONE),
    ],
)
def test_the_label_is_what_the_cache_did(
    hits: int, misses: int, began_empty: bool, files: int, expected: Cache, tmp_path: Path
) -> None:
    (tmp_path / "folders" / "alone").mkdir(parents=True)
    for number in range(files):
        (tmp_path / "folders" / f"{number}.bin").write_bytes(b"1")
    assert cache_of(Compilations(4, 0, hits, misses), str(tmp_path), began_empty) is expected
    assert cache_of(Compilations(4, 0, hits, misses), "", began_empty) is Cache.NONE
    assert cache_of(None, str(tmp_path), began_empty) is Cache.NONE


def test_a_turn_in_which_something_is_compiled_is_flagged_and_no_other(world: Any) -> None:
    compiled = iter([5, 5, 6, 6, 8])  # after the warm-up, after each turn, and at the end
    sampling = Sampling(world.rig(), resolution=0, steps=100, programs=lambda: next(compiled))
    turns = [{sample.flags for sample in sampling.turn(number)} for number in range(3)]
    assert turns == [{""}, {RECOMPILED}, {""}]
    assert sampling.recompiles == 1
    sampling.finish()
    assert sampling.recompiles == 3


# --- a whole process, with a compiler that is a counter ---------------------------------------------------------------

BACKEND = """
from pathlib import Path
from bench import backend
from bench.backends.numpy import NumpyBackend
from bench.model.device import Compilations

class Compiler:
    shapes, folder, events = set(), None, []
    hits = misses = 0

    @classmethod
    def compile(cls, shape):
        if shape in cls.shapes:
            return
        cls.shapes.add(shape)
        kept = cls.folder / str(shape)
        if kept.exists():
            cls.hits += 1
        else:
            cls.misses += 1
            kept.write_text("program")

@backend
class Compiling(NumpyBackend):
    name, framework, device = "compiling-cpu", "compiling", "cpu"

    def cache_in(self, folder):
        Compiler.folder = folder
        Compiler.events.append("cache")

    def open(self, settings):
        Compiler.events.append("open")
        return super().open(settings)

    def load_compiler(self):
        Compiler.events.append("load")

    def compilations(self):
        return Compilations(len(Compiler.shapes), 2, Compiler.hits, Compiler.misses)

    def rest_compilers(self):
        Compiler.events.append("rest")

"""
Serve = Callable[..., Any]


class Parent:
    """Stands for the channel to a parent that asks for so many turns, and for the end."""

    def __init__(self, turns: int) -> None:
        self.asked: list[Turn | None] = [*map(Turn, range(turns)), None]
        self.sent: list[bytes] = []

    def send(self, line: bytes) -> None:
        self.sent.append(line)

    def receive(self) -> bytes:
        return TURN.dump_json(self.asked.pop(0))

    def beat(self) -> None: ...


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Run the process of a case whose every step compiles what `shape` is, an expression of the step's `number`."""

    def do(shape: str, name: str, compiles: bool = True) -> Any:
        source = (BUILT_IN / "numpy_manual.py").read_text(encoding="utf-8")
        says = f'"mine", framework="compiling", workload="mlp_sgd", compiles={compiles}'
        source = source.replace('"numpy_manual", framework="numpy", workload="mlp_sgd"', says)
        run = "    def forward():\n        nonlocal number\n        number += 1\n"
        source = source.replace(
            "    def forward():\n", f"    number = 0\n\n{run}        Compiler.compile({shape})\n", 1
        )
        source = source.replace("\n@implementation", f"{BACKEND}\n@implementation", 1)
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        save_truth(truth_by_reference(WORKLOADS["mlp_sgd"], PROBLEM), tmp_path / "truth.npz")
        (tmp_path / "cache").mkdir(exist_ok=True)
        request = Request(
            origins=(f"file:{tmp_path / f'{name}.py'}",),
            implementation="mine",
            backend="compiling-cpu",
            problem=PROBLEM,
            threads=1,
            truth=str(tmp_path / "truth.npz"),
            task=Task.TURNS,
            policy=QUICK,
            fresh=False,
            cache=str(tmp_path / "cache"),
        )
        parent = Parent(3)
        serve_turns(request, parent)  # type: ignore[arg-type]
        reply = REPLY.validate_json(parent.sent[-1])
        assert reply.status is Status.OK, reply.reason
        return reply.compiled

    return do


def test_a_process_tells_what_compiling_cost_and_what_the_cache_did(serve: Serve) -> None:
    cold, warm = serve("number <= 2", "one"), serve("number <= 2", "two")
    assert (cold.cache, cold.graph_breaks, cold.recompiles) == (Cache.COLD, 2, 0)
    assert (warm.cache, warm.graph_breaks, warm.recompiles) == (Cache.WARM, 2, 0)
    assert cold.seconds is not None
    assert cold.seconds >= 0


def test_a_step_whose_shape_changes_while_it_is_sampled_is_found_out(serve: Serve) -> None:
    assert serve("number", "ever").recompiles > 3


def test_one_that_does_not_compile_has_no_time_of_compiling(serve: Serve) -> None:
    assert serve("1", "undeclared", compiles=False) == Compiled(None, Cache.NONE, 2, 0)


def test_a_compiler_is_loaded_before_the_build_and_rests_before_the_first_turn(serve: Serve, tmp_path: Path) -> None:
    heard = f"open({str(tmp_path / 'events')!r}, 'w').write(repr(Compiler.events)) and 1"
    serve(heard, "heard")
    assert (tmp_path / "events").read_text() == "['cache', 'open', 'load', 'rest']"


def test_what_a_compiler_wrote_into_its_cache_is_no_module_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kernel", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"its_{name}.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path / name)
        monkeypatch.delitem(sys.modules, f"its_{name}", raising=False)
        importlib.import_module(f"its_{name}")
    assert {"its_kernel", "its_mine"} <= imported([])["modules"].keys()
    assert {"its_kernel", "its_mine"} & imported([], str(tmp_path / "kernel"))["modules"].keys() == {"its_mine"}
    for name in ("its_kernel", "its_mine"):
        del sys.modules[name]


def test_three_steps_run_before_anything_is_timed() -> None:
    assert STEPS >= 3  # torch.compile(mode="reduce-overhead") warms up, captures and replays in them
