from __future__ import annotations

import math
import socket

import pytest

from bench.data.schema import Method, Status
from bench.errors import ChildError, ChildTimeout
from bench.model.case import Mode
from bench.model.condition import Condition
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.oracle.array_error import ArrayError
from bench.oracle.verify import Verification
from bench.timing.measure import WarmUp
from bench.timing.peaks import Peaks
from bench.timing.policy import Sample, SamplingPolicy
from bench.timing.proof import Check
from bench.timing.protocol import REPLY, REQUEST, Channel, Reply, Request, Task
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
        policy=SamplingPolicy(),
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
        samples=(
            Sample("step", Method.WHOLE, 0, 3, 999),
            Sample("step", Method.WHOLE, 0, 1, 9, variant=2),
            Sample("update", Method.BATCHED, 0, 64, 9, clock="device", flags="launch_bound"),
        ),
        peak_bytes=5,
        condition=Condition(sm_clock_mhz=1410, throttle=("power cap", "thermal"), power_watts=299.5),
        energy_joules=0.25,
        peaks=Peaks(1e12, 4096, 1e11, 1 << 28),
        checks=(Check("hold", False, "it did not"),),
    )
    assert REPLY.validate_json(REPLY.dump_json(reply)) == reply


def test_a_request_that_says_no_more_is_of_a_full_precision_resident_warm_case() -> None:
    request = Request("file:/x.py", "mine", "numpy", tutorial(), 2, "/t.npz")
    assert (request.task, request.mode, request.precision) == (Task.CASE, Mode.RESIDENT_WARM, Precision.FULL)


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
