"""Lines over a socket, between the command and a process of ours."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

from bench.errors import ChildError, ChildTimeout

_CHUNK = 1 << 16
BEAT_SECONDS = 1.0


class Channel:
    """Lines over a socket."""

    def __init__(self, connection: socket.socket, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Prepare.

        Args:
            connection: the socket.
            meanwhile: called with each sign of life, sent or not.
        """
        self.socket, self._meanwhile = connection, meanwhile
        self._rest = b""
        self._beaten = time.monotonic()

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
        """Receive the next line.

        Raises:
            ChildTimeout: none came within `timeout` seconds of silence.
            ChildError: the other end closed first.
        """
        while not (line := self.line(timeout)):
            pass
        return line

    def line(self, timeout: float | None = None) -> bytes:
        """Receive the next line or sign of life, which is an empty line; raise as `receive` does."""
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

    def beat(self) -> None:
        """Say that this end is still at work, if it has not said so for a while."""
        self._meanwhile()
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            self._beaten = time.monotonic()
            self.send(b"")

    def send_object(self, value: dict[str, Any]) -> None:
        """Send a small JSON object."""
        self.send(json.dumps(value).encode())

    def receive_object(self, timeout: float | None = None) -> dict[str, Any]:
        """Receive the next line, as a JSON object."""
        value: dict[str, Any] = json.loads(self.receive(timeout))
        return value

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
