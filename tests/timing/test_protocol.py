from __future__ import annotations

import math
import socket
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from bench.data.schema import Method, Status
from bench.errors import ChildError, ChildTimeout
from bench.model.case import Mode
from bench.model.condition import Condition
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.oracle.array_error import ArrayError
from bench.oracle.verify import Verification
from bench.timing.channel import Channel
from bench.timing.measure import WarmUp
from bench.timing.peaks import Peaks
from bench.timing.policy import Sample, SamplingPolicy
from bench.timing.proof import Check
from bench.timing.protocol import REPLY, REQUEST, TURN, TURNED, Reply, Request, Task, Turn, Turned
from bench.workloads import tutorial

INFINITE = ArrayError("loss", "", 1, math.inf, 1e-4, True)


def test_messages_survive_the_wire() -> None:
    request = Request(
        ("file:/y.py", "file:/x.py"),
        "mine",
        "numpy",
        tutorial(dtype=Dtype.FLOAT64),
        2,
        "/t.npz",
        mode=Mode.TRANSFERRED_COLD,
        precision=Precision.TF32,
        task=Task.PROVE,
        policy=SamplingPolicy(process_seconds=1.5),
        plant=True,
        asked_nanoseconds=7,
    )
    assert REQUEST.validate_json(REQUEST.dump_json(request)) == request
    reply = Reply(
        Status.OK,
        device_name="d",
        threads=2,
        facts={"a": "b"},
        verification=Verification(
            False, "far off", 4, (ArrayError("loss", "", 1, math.inf, 1e-4, True),), ("the loss",), "dropout"
        ),
        warmup=WarmUp(9, False, 1.5),
        turn_seconds=0.5,
        samples=(
            Sample("step", Method.WHOLE, 0, 3, 999),
            Sample("step", Method.WHOLE, 0, 1, 9, variant=2),
            Sample("update", Method.BATCHED, 0, 64, 9, clock="device", flags="launch_bound"),
        ),
        peak_bytes=5,
        framework_bytes=2,
        step_peak_bytes=3,
        phase_peaks={"forward": 3, "backward+update": 1},
        reserved_bytes=8,
        memory=((100, 5000), (200, 6000)),
        condition=Condition(sm_clock_mhz=1410, throttle=("power cap", "thermal"), power_watts=299.5),
        energy_joules=0.25,
        peaks=Peaks(1e12, 4096, 1e11, 1 << 28),
        checks=(Check("hold", False, "it did not"),),
    )
    assert REPLY.validate_json(REPLY.dump_json(reply)) == reply
    for turn in (Turn(3, "update", 50), None):
        assert TURN.validate_json(TURN.dump_json(turn)) == turn
    for answer in (Turned(reply.samples), Turned(()), Reply(Status.FAILED, "it raised")):
        assert TURNED.validate_json(TURNED.dump_json(answer)) == answer


def test_a_request_that_says_no_more_is_of_a_full_precision_resident_warm_case() -> None:
    request = Request("file:/x.py", "mine", "numpy", tutorial(), 2, "/t.npz")
    assert (request.task, request.mode, request.precision) == (Task.VERIFY, Mode.RESIDENT_WARM, Precision.FULL)


def test_lines_arrive_whole_and_in_order_however_they_are_cut() -> None:
    a, b = socket.socketpair()
    with a, b:
        a.sendall(b'{"one": 1}\n{"tw')
        channel = Channel(b)
        assert channel.receive_object(1) == {"one": 1}
        a.sendall(b'o": 2}\n')
        assert channel.receive_object(1) == {"two": 2}


def test_silence_and_hanging_up_are_different_errors() -> None:
    a, b = socket.socketpair()
    with a, b:
        with pytest.raises(ChildTimeout, match=r"no answer for 0\.01 s"):
            Channel(b).receive(0.01)
        a.sendall(b"half a line")
        a.close()
        with pytest.raises(ChildError, match="hung up") as caught:
            Channel(b).receive(1)
        assert not isinstance(caught.value, ChildTimeout)
        with pytest.raises(ChildError, match="no longer listens"):
            Channel(b).send(b"x")


# --- signs of life ------------------------------------------------------------------------------------------------


@dataclass
class Slow:
    """Stands for a socket whose pieces come after so many seconds each, without waiting for them."""

    pieces: list[tuple[float, bytes]]
    timeout: float = 0.0

    def settimeout(self, timeout: float) -> None:
        self.timeout = timeout

    def recv(self, size: int) -> bytes:
        after, piece = self.pieces.pop(0)
        if after > self.timeout:
            raise TimeoutError
        return piece


def slow(*pieces: tuple[float, bytes]) -> Channel:
    return Channel(Slow(list(pieces)))  # type: ignore[arg-type]


def test_an_answer_may_take_longer_than_the_timeout_while_signs_of_life_come() -> None:
    assert slow(*[(0.9, b"\n")] * 10, (0.9, b'{"a": 1}\n')).receive_object(1) == {"a": 1}
    channel = slow((0.9, b'\n\n{"a"'), (0.9, b': 1}\n\n{"b": 2}\n'))
    assert [channel.receive_object(1), channel.receive_object(1)] == [{"a": 1}, {"b": 2}]


def test_signs_of_life_alone_are_no_answer() -> None:
    with pytest.raises(ChildTimeout, match="no answer for 1 s"):
        slow(*[(0.9, b"\n")] * 3, (1.1, b'{"a": 1}\n')).receive(1)
    with pytest.raises(ChildError, match="hung up"):
        slow((0.9, b"\n\n"), (0.9, b"")).receive(1)


def test_signs_of_life_are_given_once_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: clock.time, time=50.0)
    monkeypatch.setattr("bench.timing.channel.time", clock)
    a, b = socket.socketpair()
    with a, b:
        beating = Channel(a)
        for clock.time in (50.5, 50.9, 51.0, 51.5, 51.9, 52.0, 52.1, 60.0, 60.9):
            beating.beat()
        assert b.recv(100) == b"\n" * 3
