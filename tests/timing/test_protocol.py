from __future__ import annotations

import socket

import pytest

from bench.data.schema import Method, Status
from bench.errors import ChildError, ChildTimeout
from bench.model.problem import Dtype, Problem
from bench.oracle.verify import Verification
from bench.timing.measure import Policy, Sample, WarmUp
from bench.timing.protocol import REPLY, REQUEST, Channel, Reply, Request


def test_messages_survive_the_wire() -> None:
    request = Request("file:/x.py", "mine", "numpy", Problem(dtype=Dtype.FLOAT64), 2, "/t.npz", Policy())
    assert REQUEST.validate_json(REQUEST.dump_json(request)) == request
    reply = Reply(
        Status.OK,
        device_name="d",
        threads=2,
        facts={"a": "b"},
        verification=Verification(True, "", 4, 1e-4, 1e-7, None, 0.0),
        warmup=WarmUp(9, False, 1.5),
        samples=(Sample("step", Method.WHOLE, 0, 3, 999), Sample("step", Method.WHOLE, 0, 1, 9, depth=2)),
        peak_bytes=5,
    )
    assert REPLY.validate_json(REPLY.dump_json(reply)) == reply


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
