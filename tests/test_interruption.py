"""How a command takes polite kills and the end of its terminal; what they leave behind is tried on run and ab."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys

import pytest

from bench.cli import main


def test_a_second_signal_does_not_end_the_tidying_up_and_nohup_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, object] = {}
    monkeypatch.setattr("signal.signal", handlers.__setitem__)
    monkeypatch.setattr("signal.getsignal", lambda number: signal.SIG_IGN if number == signal.SIGHUP else None)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert handlers.keys() == {signal.SIGTERM}
    with pytest.raises(KeyboardInterrupt):
        handlers[signal.SIGTERM](signal.SIGTERM, None)  # type: ignore[operator]
    assert handlers == {signal.SIGTERM: signal.SIG_IGN, signal.SIGHUP: signal.SIG_IGN}


@pytest.mark.parametrize(("status", "expected"), [(130, 130), (0, 141), (1, 141)])
def test_a_command_that_ends_with_its_terminal_was_interrupted(
    monkeypatch: pytest.MonkeyPatch, status: int, expected: int
) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

        def fileno(self) -> int:
            return os.open(os.devnull, os.O_WRONLY)

    def run(arguments: list[str], debug: bool) -> int:
        print("a table")  # noqa: T201 - as a command does
        return status

    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("bench.cli._run", run)
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == expected
