"""Batches of one side of a pair, with a simulated clock: what is kept of them is known exactly."""

from __future__ import annotations

import gc
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Status
from bench.model.registry import BUILT_IN
from bench.model.workload import WORKLOADS
from bench.oracle.edges import truth_by_reference
from bench.oracle.truth import save_truth
from bench.timing import pairing
from bench.timing.pairing import BatchTimer, Delay, serve_batches
from bench.timing.passes import Rig
from bench.timing.protocol import BATCH, BATCHED, REPLY, Batch, Channel, Request, Task
from bench.workloads import tutorial

PROBLEM = tutorial(batch=8, d_in=6, hidden=5, d_out=3)


def rig(world: Any, fused: bool = False, delay: Delay | None = None) -> Rig:
    step = world.step(fused)
    return Rig(step if delay is None else delay.planted(step), world.now, world.synchronize)


def test_minimum_and_median_of_each_phase_and_of_the_whole_step(world: Any) -> None:
    # One untimed step, then whole and staged steps in turn.
    costs = [(9, 9, 9), (1, 2, 3), (10, 20, 30), (3, 4, 5), (40, 10, 20), (2, 6, 7), (30, 30, 90)]
    world.cost_of_step = lambda index: costs[index]
    found = BatchTimer(rig(world), steps=100, cycle=1).batch(3)
    assert found.minimum == {"step": 6, "forward": 10, "backward": 10, "update": 20}
    assert found.median == {"step": 12, "forward": 30, "backward": 20, "update": 30}
    assert world.steps_run == 7


def test_the_first_cycle_of_a_batch_does_not_count(world: Any) -> None:
    world.cost_of_step = lambda index: (5, 5, 5) if index == 0 else (100, 200, 300)
    assert BatchTimer(rig(world), steps=100, cycle=1).batch(4).minimum["step"] == 600


def test_a_unit_is_a_whole_cycle_and_times_are_of_one_iteration(world: Any) -> None:
    world.cost_of_step = lambda index: ((100, 200, 300), (300, 400, 500))[index % 2]
    found = BatchTimer(rig(world), steps=100, cycle=2).batch(5)
    assert found.minimum == found.median == {"step": 900, "forward": 200, "backward": 300, "update": 400}
    assert world.steps_run == 2 + 5 * 2 * 2


def test_resets_are_never_inside_a_time(world: Any) -> None:
    found = BatchTimer(rig(world), steps=4, cycle=1).batch(20)
    assert world.resets > 5
    assert found.minimum == found.median == {"step": 600, "forward": 100, "backward": 200, "update": 300}


def test_a_fused_step_has_no_phases(world: Any) -> None:
    found = BatchTimer(rig(world, fused=True), steps=100, cycle=1).batch(3)
    assert found.minimum == found.median == {"step": 600}


def test_the_device_is_waited_for(world: Any) -> None:
    world.sync_cost = 7
    found = BatchTimer(rig(world), steps=100, cycle=1).batch(3)
    assert found.minimum == {"step": 607, "forward": 107, "backward": 207, "update": 307}


def test_no_garbage_is_collected_in_a_batch_and_it_is_again_afterwards(world: Any) -> None:
    enabled: list[bool] = []

    def cost(index: int) -> tuple[int, int, int]:
        enabled.append(gc.isenabled())
        if index == 5:
            raise RuntimeError("no luck")
        return 1, 1, 1

    world.cost_of_step = cost
    with pytest.raises(RuntimeError):
        BatchTimer(rig(world), steps=100, cycle=1).batch(9)
    assert gc.isenabled()
    assert True not in enabled[3:]  # the first step's three stages run before


def test_the_warm_up_is_what_the_parent_plans_by(world: Any) -> None:
    world.cost_of_step = lambda index: (100_000, 200_000, 300_000)
    found = BatchTimer(rig(world), steps=1000, cycle=1).warm_up()
    assert found.warmup.settled
    assert found.warmup.iteration_nanoseconds == 600_000
    assert found.samples == ()


# --- a planted delay ----------------------------------------------------------------------------------------------


class Ticking:
    """The world's time, read by a spin: each look takes a nanosecond."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def __call__(self) -> int:
        self.world.time += 1
        return int(self.world.time)


@pytest.mark.parametrize("phase", ["forward", "backward", "update"])
def test_a_delay_is_in_the_phase_asked_for_and_in_the_whole_step_only(world: Any, phase: str) -> None:
    delay = Delay(Ticking(world))
    timer = BatchTimer(rig(world, delay=delay), steps=100, cycle=1)
    plain = {"step": 600, "forward": 100, "backward": 200, "update": 300}
    assert timer.batch(3).minimum == plain
    delay.phase, delay.nanoseconds = phase, 50
    more = 51  # the look that begins the spin, and fifty more
    assert timer.batch(3).minimum == {**plain, phase: plain[phase] + more, "step": 600 + more}
    delay.nanoseconds = 0
    assert timer.batch(3).minimum == plain
    delay.phase, delay.nanoseconds = "", 50
    assert timer.batch(3).minimum == plain


def test_a_fused_step_carries_the_delay_of_any_of_its_phases_once(world: Any) -> None:
    delay = Delay(Ticking(world))
    timer = BatchTimer(rig(world, fused=True, delay=delay), steps=100, cycle=1)
    delay.phase, delay.nanoseconds = "backward", 50
    assert timer.batch(3).minimum == {"step": 651}


def test_planting_keeps_everything_else_of_a_step(world: Any) -> None:
    step = world.step(fused=True)
    planted = Delay(world.now).planted(step)
    assert (planted.state, planted.reset, planted.trace) == (step.state, step.reset, step.trace)
    assert [stage.phases for stage in planted.stages] == [stage.phases for stage in step.stages]


# --- serving ------------------------------------------------------------------------------------------------------


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    workload = WORKLOADS["mlp_sgd"]
    save_truth(truth_by_reference(workload, PROBLEM), tmp_path / "truth.npz")
    origin = f"file:{BUILT_IN / 'numpy_manual.py'}"
    return Request(
        (origin,), "numpy_manual", "numpy", PROBLEM, 1, str(tmp_path / "truth.npz"), task=Task.PAIR, plant=True
    )


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Serve a request in a thread; gives the parent's end of the channel."""
    monkeypatch.setattr(pairing.gc, "freeze", lambda: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    ours, theirs = socket.socketpair()
    threads: list[threading.Thread] = []

    def do(request: Request) -> Channel:
        threads.append(threading.Thread(target=serve_batches, args=(request, Channel(theirs)), daemon=True))
        threads[0].start()
        return Channel(ours)

    yield do
    ours.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()  # it leaves when the parent hangs up
    theirs.close()


def test_it_answers_the_request_and_then_every_batch_until_the_parent_hangs_up(served: Any, request_: Request) -> None:
    channel = served(request_)
    reply = REPLY.validate_json(channel.receive(60))
    assert reply.status is Status.OK
    assert [sample.phase for sample in reply.samples] == ["first_step"]
    assert reply.verification is not None
    assert reply.warmup is not None
    for batch in (Batch(3), Batch(1, "backward", 20_000_000)):
        channel.send(BATCH.dump_json(batch))
        found = BATCHED.validate_json(channel.receive(60))
        assert set(found.minimum) == set(found.median) == {"step", "forward", "backward", "update"}
        assert all(0 < found.minimum[phase] <= found.median[phase] for phase in found.minimum)
    # A spin of 20 ms cannot be shorter, however fast the machine is.
    assert found.minimum["backward"] >= 20e6
    assert found.minimum["step"] >= 20e6


def test_what_cannot_be_built_or_is_wrong_is_a_reply(served: Any, request_: Request, tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    source = (
        (BUILT_IN / "numpy_manual.py").read_text().replace("grad_w1 = x.T @ grad_h", "grad_w1 = 2 * (x.T @ grad_h)")
    )
    path.write_text(source)
    wrong = Request(**{**vars(request_), "origins": (f"file:{path}",)})
    reply = REPLY.validate_json(served(wrong).receive(60))
    assert reply.status is Status.WRONG
    assert reply.reason.startswith("the gradient of w1 is off")
    assert reply.warmup is None


def test_an_import_that_fails_is_a_reply(served: Any, request_: Request, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import nothing_like_it")
    reply = REPLY.validate_json(served(Request(**{**vars(request_), "origins": (f"file:{path}",)})).receive(60))
    assert reply.status is Status.FAILED
    assert "nothing_like_it" in reply.reason


def test_its_own_side_comes_first_where_modules_are_looked_for(served: Any, request_: Request, tmp_path: Path) -> None:
    """Even before a folder of PYTHONPATH, which may well be the working tree."""
    for side, factor in (("other", 2), ("own", 1)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "stepbench_test_neighbour.py").write_text(f"FACTOR = {factor}")
    sys.path.insert(0, str(tmp_path / "other"))
    path = tmp_path / "uses.py"
    text = (BUILT_IN / "numpy_manual.py").read_text()
    text = text.replace("    import numpy", "    from stepbench_test_neighbour import FACTOR\n    import numpy")
    path.write_text(text.replace("grad_w1 = x.T @ grad_h", "grad_w1 = FACTOR * (x.T @ grad_h)"))
    asked = Request(**{**vars(request_), "origins": (f"file:{path}",), "path": (str(tmp_path / "own"),)})
    try:
        assert REPLY.validate_json(served(asked).receive(60)).status is Status.OK
    finally:
        sys.modules.pop("stepbench_test_neighbour", None)
