from __future__ import annotations

import io
import sys
from types import ModuleType
from unittest import mock

import pytest

from bench.data.schema import Status
from bench.output.progress import Progress

CLEAR = "\r\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")


@pytest.fixture
def pipe() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def on(stream: io.StringIO) -> Progress:
    """Progress whose standard error is this stream."""
    with mock.patch.object(sys, "stderr", stream):
        return Progress()


def test_a_pipe_gets_one_line_a_round(build: ModuleType, pipe: io.StringIO) -> None:
    case = build.make_case()
    with on(pipe) as progress:
        progress.starting(["numpy", "torch"])
        for number in range(2):
            for done in range(3):
                progress.measuring(case, number, done, 3, 20.0 - number)
    assert pipe.getvalue() == "Starting numpy, torch …\nRound 1: 3 cases, 20 s left.\nRound 2: 3 cases, 19 s left.\n"


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_is_treated_like_a_pipe(
    build: ModuleType, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    with on(terminal) as progress:
        progress.measuring(build.make_case(), 0, 0, 3, 20.0)
        progress.measuring(build.make_case(), 0, 1, 3, 20.0)
    assert terminal.getvalue() == "Round 1: 3 cases, 20 s left.\n"


def test_without_a_budget_no_time_is_left(build: ModuleType, pipe: io.StringIO) -> None:
    on(pipe).measuring(build.make_case(), 0, 0, 9, 0.0)
    assert pipe.getvalue() == "Round 1: 9 cases.\n"


def test_a_terminal_has_one_line_that_is_rewritten_and_cleared_at_the_end(
    build: ModuleType, terminal: Terminal
) -> None:
    with on(terminal) as progress:
        progress.starting(["numpy"])
        progress.measuring(build.make_case(), 1, 0, 3, 9.6)
        progress.measuring(build.make_case("torch_nn", "torch-cpu"), 1, 1, 3, 9.4)
    assert terminal.getvalue().split(CLEAR) == [
        "",
        "Starting numpy …",
        "Round 2: 1 of 3, 10 s left: numpy_manual on numpy",
        "Round 2: 2 of 3, 9 s left: torch_nn on torch-cpu",
        "",
    ]


def test_the_line_is_cleared_when_the_run_breaks_off(build: ModuleType, terminal: Terminal) -> None:
    def break_off() -> None:
        with on(terminal) as progress:
            progress.measuring(build.make_case(), 0, 0, 3, 9.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert terminal.getvalue().endswith(CLEAR)


def test_a_line_never_reaches_the_edge_of_the_terminal(build: ModuleType, terminal: Terminal) -> None:
    on(terminal).measuring(build.make_case("x" * 64), 0, 0, 3, 9.0)
    line = terminal.getvalue().removeprefix(CLEAR)
    assert line == f"Round 1: 1 of 3, 9 s left: {'x' * 64}"[:59]


def test_a_failure_stays_on_a_line_of_its_own(build: ModuleType, terminal: Terminal) -> None:
    with on(terminal) as progress:
        progress.measuring(build.make_case(), 0, 0, 3, 9.0)
        progress.failed(build.make_case(), Status.FAILED, "died")
    before, after = terminal.getvalue().split("numpy_manual on numpy: failed: died")
    assert before.endswith(CLEAR)
    assert after == f"\n{CLEAR}"


def test_a_failures_reason_is_neither_wrapped_nor_read_as_markup(build: ModuleType, pipe: io.StringIO) -> None:
    reason = "RuntimeError: a[:x:] [/usr/lib] " + "and so on " * 12 + "[bold]"
    on(pipe).failed(build.make_case("torch_nn", "torch-cuda"), Status.TIMEOUT, reason)
    assert pipe.getvalue() == f"torch_nn on torch-cuda: timeout: {reason}\n"


def test_nothing_goes_to_standard_output(
    build: ModuleType, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    with on(terminal) as progress:
        progress.starting(["numpy"])
        progress.measuring(build.make_case(), 0, 0, 3, 9.0)
        progress.failed(build.make_case(), Status.FAILED, "died")
    assert capsys.readouterr().out == ""
    assert terminal.getvalue()


def test_measuring_a_peak_is_shown_where_somebody_looks(pipe: io.StringIO, terminal: Terminal) -> None:
    with on(terminal) as progress:
        progress.calibrating("torch-cuda")
    assert "Measuring the peak of the device: torch-cuda" in terminal.getvalue()
    with on(pipe) as progress:
        progress.calibrating("torch-cuda")
    assert pipe.getvalue() == ""
