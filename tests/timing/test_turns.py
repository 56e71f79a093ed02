"""The process of one case in a round: what is planted in its turns, exactly, and how it is asked for them."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import Device
from bench.data.schema import Method, Status
from bench.errors import ChildTimeout
from bench.model.discovery import BUILT_IN
from bench.model.workload import WORKLOADS
from bench.oracle.edges import truth_by_reference
from bench.oracle.truth import FRESH_STEPS, STEPS, save_truth
from bench.timing import channel
from bench.timing.channel import Channel
from bench.timing.measure import Sampling
from bench.timing.passes import time_whole
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import REPLY, TURN, TURNED, Reply, Request, Task, Turn
from bench.timing.turns import Delay, serve_turns
from bench.workloads import tutorial

PROBLEM = tutorial(batch=8, d_in=6, hidden=5, d_out=3)
QUICK = SamplingPolicy(
    turn_seconds=1e-3, max_units=2, lead_seconds=1e-4, warmup_min_seconds=1e-4, warmup_max_seconds=1e-2
)
LOOK = "__import__('os').path.exists({!r})"


# --- a planted delay ----------------------------------------------------------------------------------------------


class Ticking:
    """The world's time, read by a spin: each look takes a nanosecond."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def __call__(self) -> int:
        self.world.time += 1
        return int(self.world.time)


def host(world: Any) -> Device:
    """A device that has finished when a call returns."""
    return Device("cpu", "", 1, None, lambda array: array, world.synchronize)


class Planted:
    """A step in the simulated world that can be delayed: what a turn finds of each phase."""

    def __init__(self, world: Any, fused: bool = False) -> None:
        self.delay = Delay(Ticking(world))
        rig = world.rig(step=self.delay.planted(world.step(fused), host(world)))
        policy = SamplingPolicy(warmup_min_seconds=6e-6, lead_seconds=600e-9)
        self.sampling = Sampling(rig, resolution=0, steps=100, policy=policy)

    def turn(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for sample in self.sampling.turn(0):
            found.setdefault(sample.phase, set()).add(sample.nanoseconds)
        return found


@pytest.mark.parametrize("phase", ["forward", "backward", "update"])
def test_a_delay_is_in_the_phase_asked_for_and_in_the_whole_step_only(world: Any, phase: str) -> None:
    step = Planted(world)
    plain = {"step": 600, "forward": 100, "backward": 200, "update": 300}
    more = 51  # the look that begins the spin, and fifty more
    delayed = {**plain, phase: plain[phase] + more, "step": 600 + more}
    for asked, nanoseconds, expected in (
        ("", 0, plain),
        (phase, 50, delayed),
        (phase, 0, plain),
        ("", 50, plain),
    ):
        step.delay.phase, step.delay.nanoseconds = asked, nanoseconds
        assert step.turn() == {name: {took} for name, took in expected.items()}


def test_a_fused_step_carries_the_delay_of_any_of_its_phases_once(world: Any) -> None:
    step = Planted(world, fused=True)
    step.delay.phase, step.delay.nanoseconds = "backward", 50
    assert step.turn() == {"step": {651}}


def test_planting_keeps_everything_else_of_a_step(world: Any) -> None:
    step = world.step(fused=True)
    planted = Delay(world.now).planted(step, host(world))
    assert (planted.state, planted.reset, planted.trace) == (step.state, step.reset, step.trace)
    assert [stage.phases for stage in planted.stages] == [stage.phases for stage in step.stages]


@pytest.mark.parametrize(("launch", "bound_by"), [(5_000, "the device"), (400_000, "the host")])
def test_a_delay_is_seen_whether_a_step_waits_for_the_device_or_for_the_host(
    gpu: Any, launch: int, bound_by: str
) -> None:
    gpu.launch, gpu.unit = launch, 2.0
    spun = gpu.now

    def spinning() -> int:  # each look of the spin takes a microsecond
        gpu.time += 1_000
        return int(spun())

    delay = Delay(spinning)
    step = delay.planted(gpu.step(), gpu.device())

    def nanoseconds() -> float:
        return time_whole(gpu.rig(step=step), 20).nanoseconds[0] / 20

    plain = nanoseconds()
    delay.phase, delay.nanoseconds = "backward", 100_000
    assert nanoseconds() - plain == pytest.approx(100_000, rel=0.1), bound_by


# --- serving ------------------------------------------------------------------------------------------------------


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    save_truth(truth_by_reference(WORKLOADS["mlp_sgd"], PROBLEM), tmp_path / "truth.npz")
    origin = f"file:{BUILT_IN / 'numpy_manual.py'}"
    case = ((origin,), "numpy_manual", "numpy", PROBLEM, 1, str(tmp_path / "truth.npz"))
    return Request(*case, task=Task.TURNS, policy=QUICK, plant=True)


@pytest.fixture
def changed(request_: Request, write: Callable[[str, str], Path]) -> Callable[..., Request]:
    """The request, for the same implementation with one thing replaced."""

    def make(old: str, new: str) -> Request:
        text = (BUILT_IN / "numpy_manual.py").read_text(encoding="utf-8")
        assert text.count(old) == 1
        return replace(request_, origins=(f"file:{write('changed.py', text.replace(old, new))}",))

    return make


class Parent(Channel):
    """The parent's end of the channel."""

    def reply(self) -> Reply:
        return REPLY.validate_json(self.receive(60))

    def turn(self, turn: Turn) -> Any:
        self.send(TURN.dump_json(turn))
        return TURNED.validate_json(self.receive(60))

    def finish(self) -> Reply:
        self.send(b"null")
        return self.reply()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Request], Parent]]:
    """Serve a request in a thread; gives the parent's end of the channel."""
    monkeypatch.setattr("gc.freeze", lambda: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    ours, theirs = socket.socketpair()
    threads: list[threading.Thread] = []

    def do(request: Request) -> Parent:
        threads.append(threading.Thread(target=serve_turns, args=(request, Channel(theirs)), daemon=True))
        threads[0].start()
        return Parent(ours)

    yield do
    ours.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()  # it leaves when the parent hangs up
    theirs.close()


def test_it_answers_the_request_then_every_turn_and_at_the_end_what_belongs_to_none(
    served: Any, request_: Request
) -> None:
    parent = served(request_)
    first = parent.reply()
    assert (first.status, first.samples) == (Status.OK, ())
    assert first.verification is not None
    assert first.warmup is not None
    assert first.turn_seconds > 0
    for turn in (Turn(3), Turn(4, "backward", 5_000_000)):
        found = parent.turn(turn).samples
        assert {(s.phase, s.method) for s in found} == {
            ("step", Method.WHOLE),
            *((phase, Method.STAGED) for phase in ("forward", "backward", "update")),
        }
        assert {s.turn for s in found} == {turn.number}
        assert all(s.nanoseconds > 0 for s in found)
    # A spin of 5 ms cannot be shorter, however fast the machine is.
    assert all(s.nanoseconds >= 5e6 * s.iterations for s in found if s.phase in ("backward", "step"))
    last = parent.finish()
    assert (last.status, [s.phase for s in last.samples]) == (Status.OK, ["first_step"])
    assert (last.warmup, last.turn_seconds) == (first.warmup, first.turn_seconds)
    with pytest.raises(ChildTimeout):
        parent.receive(0.01)  # that was all


def test_it_may_be_asked_for_the_end_at_once_and_left_at_any_time(served: Any, request_: Request) -> None:
    parent = served(request_)
    parent.reply()
    assert parent.finish().status is Status.OK


def test_what_raises_in_a_turn_is_a_reply(served: Any, changed: Any, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    parent = served(
        changed("        h = x @ w1\n", f"        h = x @ w1\n        assert not {LOOK.format(str(sign))}, 'no luck'\n")
    )
    parent.reply()
    assert parent.turn(Turn(0)).samples
    sign.touch()
    found = parent.turn(Turn(1))
    assert found.status is Status.FAILED
    assert found.reason.startswith("AssertionError: no luck (changed.py, line")


def test_what_goes_wrong_after_it_was_verified_is_found_out_at_the_end(
    served: Any, changed: Any, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    parent = served(changed("w1 -= learning_rate", f"w1 -= (1 + {LOOK.format(str(sign))}) * learning_rate"))
    assert parent.reply().status is Status.OK
    sign.touch()
    assert parent.turn(Turn(0)).samples
    last = parent.finish()
    assert (last.status, last.samples) == (Status.WRONG, ())
    assert last.reason.startswith("after it was timed, the change of w1 is off")


def test_a_delay_is_planted_only_where_it_may_be(
    served: Any, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Delay, "planted")
    assert served(replace(request_, plant=False)).reply().status is Status.OK


def test_it_shows_that_it_is_alive_while_it_verifies_and_samples(
    served: Any, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "BEAT_SECONDS", 0.0)
    parent = served(request_)
    beats: list[bytes] = []
    monkeypatch.setattr(
        Parent, "line", lambda parent, timeout: beats.append(Channel.line(parent, timeout)) or beats[-1]
    )
    assert parent.reply().warmup is not None
    assert len(beats) > STEPS + QUICK.warmup_min_cycles
    beats.clear()
    found = parent.turn(Turn(0)).samples
    assert len(beats) > sum(sample.phase in ("step", "update") for sample in found)
    beats.clear()
    assert parent.finish().status is Status.OK
    assert len(beats) > STEPS + FRESH_STEPS


def test_what_cannot_be_built_or_is_wrong_is_a_reply(served: Any, changed: Any) -> None:
    reply = served(changed("grad_w1 = x.T @ grad_h", "grad_w1 = 2 * (x.T @ grad_h)")).reply()
    assert reply.status is Status.WRONG
    assert reply.reason.startswith("the gradient of w1 is off")
    assert (reply.warmup, reply.turn_seconds) == (None, None)


def test_an_import_that_fails_is_a_reply(served: Any, changed: Any) -> None:
    reply = served(changed("from bench import", "import nothing_like_it\nfrom bench import")).reply()
    assert reply.status is Status.FAILED
    assert "nothing_like_it" in reply.reason


def test_its_own_side_comes_first_where_modules_are_looked_for(served: Any, changed: Any, tmp_path: Path) -> None:
    """Even before a folder of PYTHONPATH, which may well be the working tree."""
    for side, factor in (("other", 2), ("own", 1)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "stepbench_test_neighbour.py").write_text(f"FACTOR = {factor}")
    sys.path.insert(0, str(tmp_path / "other"))
    asked = changed(
        "    import numpy as np\n", "    import numpy as np\n    from stepbench_test_neighbour import FACTOR\n"
    )
    path = Path(asked.origins[0].removeprefix("file:"))
    path.write_text(path.read_text().replace("grad_w1 = x.T @ grad_h", "grad_w1 = FACTOR * (x.T @ grad_h)"))
    try:
        assert served(replace(asked, path=(str(tmp_path / "own"),))).reply().status is Status.OK
    finally:
        sys.modules.pop("stepbench_test_neighbour", None)
