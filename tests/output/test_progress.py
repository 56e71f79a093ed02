from __future__ import annotations

import io
import sys
from types import ModuleType
from unittest import mock

import pytest

from bench.data.schema import Status
from bench.output.progress import Progress
from bench.run.forecast import foresee

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


@pytest.mark.parametrize(("seconds", "left"), [(20.0, ", 20 s left"), (0.0, "")])
def test_a_pipe_gets_one_line_a_round(build: ModuleType, pipe: io.StringIO, seconds: float, left: str) -> None:
    with on(pipe) as progress:
        progress.starting(["numpy", "torch"])
        for number in range(2):
            for done in range(3):
                progress.measuring(build.make_case(), number, done, 3, seconds)
    assert pipe.getvalue() == f"Starting numpy, torch …\nRound 1: 3 cases{left}.\nRound 2: 3 cases{left}.\n"


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_is_treated_like_a_pipe(
    build: ModuleType, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    with on(terminal) as progress:
        progress.measuring(build.make_case(), 0, 0, 3, 20.0)
        progress.measuring(build.make_case(), 0, 1, 3, 20.0)
    assert terminal.getvalue() == "Round 1: 3 cases, 20 s left.\n"


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


def test_measuring_a_peak_is_shown_where_somebody_looks(pipe: io.StringIO, terminal: Terminal) -> None:
    on(terminal).measuring_peak("torch-cuda")
    on(pipe).measuring_peak("torch-cuda")
    assert "Measuring the peak of the device: torch-cuda" in terminal.getvalue()
    assert pipe.getvalue() == ""


@pytest.mark.parametrize(("working", "doing"), [(True, "at work"), (False, "idle")])
def test_a_long_silence_is_told_with_what_the_process_does(
    pipe: io.StringIO, terminal: Terminal, working: bool, doing: str
) -> None:
    for stream in (pipe, terminal):
        on(stream).waiting("mine on torch-cpu", 120.0, working)
        assert "mine on torch-cpu" in stream.getvalue()
        assert "for 2 min" in stream.getvalue()
        assert doing in stream.getvalue()


def test_the_plan_and_its_forecast_are_told(pipe: io.StringIO, terminal: Terminal) -> None:
    for stream in (pipe, terminal):
        with on(stream) as progress:
            progress.planned(24, 2, 53.0)
            progress.overrunning(200.0, 53.0)
            progress.foreseen(foresee("round", 40.0, 6, "an interval", left=13.0, budget=53.0))
            progress.foreseen(foresee("pair of each case", 2.0, 8, "a first look", left=298.0, budget=300.0))
            progress.starting(["numpy"])
    lines = pipe.getvalue().splitlines()
    for words, line in zip(
        (
            ("24 cases in 2 groups", "53 s", "always finished"),
            ("3 min", "53 s"),
            ("40 s", "holds 1,", "an interval takes 6", "--budget 5m"),
            ("pair of each case", "2.0 s", "holds 150", "a first look takes 8"),
        ),
        lines[:-1],
        strict=True,
    ):
        assert [word for word in words if word not in line] == []
    stays = [line.rpartition(CLEAR)[2] for line in terminal.getvalue().split("\n")[:3]]
    assert stays == lines[:3]


def test_pairs_and_the_widest_interval_are_told(build: ModuleType, pipe: io.StringIO) -> None:
    case = build.make_case()
    for pair in range(2):
        on(pipe).pairing(case, pair, 8)
    on(pipe).measuring(case, 0, 0, 3, 0.0, (case, 0.034))
    told = "Round 1: 3 cases, widest interval ±3.4 % (numpy_manual on numpy)."
    assert pipe.getvalue() == f"8 pairs of numpy_manual on numpy.\n{told}\n"


def test_nothing_in_a_line_is_obeyed(build: ModuleType, pipe: io.StringIO, terminal: Terminal) -> None:
    evil = "red\x1b[31m\x1b]0;owned\x07\r\n\u202e"
    for stream in (pipe, terminal):
        with on(stream) as progress:
            progress.failed(build.make_case(), Status.FAILED, evil)
            progress.starting([evil])
            progress.waiting(evil, 120.0, working=True)
            progress.note(evil)
        shown = stream.getvalue().replace(CLEAR, "")
        assert shown.count("red\\x1b[31m\\x1b]0;owned\\x07") >= 3
        assert not set("\x1b\x07\r\u202e") & set(shown)


def test_tasks_are_counted_and_a_pipe_is_told_when_one_is_done(pipe: io.StringIO, terminal: Terminal) -> None:
    for stream in (pipe, terminal):
        progress = on(stream)
        for queued, running, done in ((3, 0, 0), (1, 2, 0), (1, 1, 1), (0, 2, 1), (0, 0, 3)):
            progress.tasks(queued, running, done)
    said = pipe.getvalue().splitlines()
    assert said == [
        f"3 tasks: {each}."
        for each in ("3 queued, 0 running, 0 done", "1 queued, 1 running, 1 done", "0 queued, 0 running, 3 done")
    ]
    assert "3 tasks: 1 queued, 2 running, 0 done" in terminal.getvalue()
