"""What the parent and its measuring processes say to each other: one JSON object a line, over a socket.

parent -> zygote    fork        with one end of a fresh socket attached
zygote -> parent    {"pid"}
parent -> child     Request     over that socket
child  -> parent    Reply
parent -> zygote    wait        once the child's socket is closed
zygote -> parent    {"exit"}    as os.waitstatus_to_exitcode gives it
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.model.problem import Problem
from bench.oracle.verify import Verification
from bench.timing.measure import Policy, Sample, WarmUp

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Request:
    """What one child is to do."""

    origin: str
    implementation: str
    backend: str
    problem: Problem
    threads: int
    truth: str
    """Path of the oracle's file; see `bench.oracle.truth`."""
    policy: Policy | None = None
    """How to sample; None to verify only."""
    asked_nanoseconds: int | None = None
    """`time.monotonic_ns()` of the parent when it asked; the clock is one for all processes of a machine."""


@dataclass(frozen=True)
class Reply:
    """What one child did."""

    status: Status
    reason: str = ""
    device_name: str = ""
    threads: int | None = None
    facts: dict[str, str] = field(default_factory=dict)
    verification: Verification | None = None
    warmup: WarmUp | None = None
    samples: tuple[Sample, ...] = ()
    peak_bytes: int | None = None
    build_seconds: float | None = None
    start_seconds: float | None = None
    """From the asking to the end of the first step."""
    zygote: int | None = None
    """Which of the framework's interpreters it was forked from; filled in by the parent."""


REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)


class Channel:
    """Lines over a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._rest = b""

    def send(self, line: bytes) -> None:
        """Send one line.

        Raises:
            ChildError: the other end is gone.
        """
        try:
            self.socket.sendall(line + b"\n")
        except OSError as error:
            raise ChildError(f"a measuring process no longer listens ({error.strerror}).") from error

    def receive(self, timeout: float | None = None) -> bytes:
        """The next line.

        Raises:
            ChildTimeout: none came within `timeout` seconds of silence.
            ChildError: the other end closed first.
        """
        self.socket.settimeout(timeout)
        while b"\n" not in self._rest:
            try:
                chunk = self.socket.recv(_CHUNK)
            except TimeoutError as error:
                raise ChildTimeout(f"no answer for {timeout:g} s") from error
            except OSError as error:
                raise ChildError(f"a measuring process hung up ({error.strerror}).") from error
            if not chunk:
                raise ChildError("a measuring process hung up.")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def send_object(self, value: dict[str, Any]) -> None:
        """Send a small JSON object."""
        self.send(json.dumps(value).encode())

    def receive_object(self, timeout: float | None = None) -> dict[str, Any]:
        """The next line, as a JSON object."""
        value: dict[str, Any] = json.loads(self.receive(timeout))
        return value

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
