from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from bench.errors import ChildError, ChildTimeout
from bench.run.patience import BUSY_SECONDS, IDLE_SECONDS, Activity, hear
from bench.timing.channel import Channel


@dataclass
class Silent:
    """Stands for a socket and the process behind it: pieces come after so many seconds of silence each."""

    pieces: list[tuple[float, bytes]]
    works: float = 0.0
    """So many seconds of each silence it is at work, the first ones."""
    waited: float = 0.0
    """How long it has been listened to in vain since the last piece."""
    told: list[tuple[float, bool]] = field(default_factory=list)
    looks: int = 0
    limit: float = 0.0

    def settimeout(self, timeout: float) -> None:
        self.limit = timeout

    def recv(self, size: int) -> bytes:
        if self.waited + self.limit < self.pieces[0][0]:
            self.waited += self.limit
            raise TimeoutError
        self.waited = 0.0
        return self.pieces.pop(0)[1]

    def at_work(self, seconds: float) -> bool:
        self.looks += 1
        return self.waited <= self.works

    def hear(self, timeout: float | None = None) -> bytes:
        channel = Channel(self)  # type: ignore[arg-type]
        return hear(channel, self.at_work, timeout, lambda *told: self.told.append(told))


NEVER = (1e9, b"")


def test_by_default_one_that_works_may_take_long_and_is_told_of_ever_more_seldom() -> None:
    silent = Silent([(3500.0, b"{}\n")], works=3600.0)
    assert silent.hear() == b"{}"
    assert silent.told == [(60.0 * 2**number, True) for number in range(6)]


def test_by_default_one_that_works_without_end_is_ended_all_the_same() -> None:
    silent = Silent([NEVER], works=1e9)
    with pytest.raises(ChildTimeout, match=f"no answer for {BUSY_SECONDS:.0f} s, .* raise --timeout"):
        silent.hear()
    assert silent.waited == BUSY_SECONDS


@pytest.mark.parametrize("works", [0.0, 1200.0])
def test_by_default_one_that_does_nothing_is_ended_sooner(works: float) -> None:
    silent = Silent([NEVER], works)
    with pytest.raises(ChildTimeout, match=f"no use of the CPU for {IDLE_SECONDS:.0f} s"):
        silent.hear()
    assert silent.waited == works + IDLE_SECONDS
    assert [working for _, working in silent.told] == [seconds <= works for seconds, _ in silent.told] != []


def test_signs_of_life_begin_the_count_anew_and_are_no_answer() -> None:
    silent = Silent([(IDLE_SECONDS - 40, b"\n")] * 5 + [(1.0, b"{}\n")])
    assert silent.hear() == b"{}"
    with pytest.raises(ChildTimeout):
        Silent([(1.0, b"\n"), NEVER]).hear()
    with pytest.raises(ChildError, match="hung up") as caught:
        Silent([(1.0, b"\n\n"), (1.0, b"")]).hear()
    assert not isinstance(caught.value, ChildTimeout)


@pytest.mark.parametrize("timeout", [0.4, 3.0, 30.0, 1000.0, 7200.0])
def test_a_limit_that_was_asked_for_holds_whatever_the_process_does(timeout: float) -> None:
    silent = Silent([NEVER], works=1e9)
    with pytest.raises(ChildTimeout, match=f"no answer for {timeout:g} s, so it was killed: raise --timeout"):
        silent.hear(timeout)
    assert silent.waited == pytest.approx(timeout)


def test_a_step_of_seconds_is_never_looked_at() -> None:
    silent = Silent([(29.0, b"{}\n")])
    silent.hear()
    assert silent.looks == 0


# --- what a process does ------------------------------------------------------------------------------------------


@dataclass
class Times:
    """CPU times as psutil tells of them."""

    user: float = 0.0
    system: float = 0.0
    children_user: float = 0.0
    children_system: float = 0.0


def test_it_is_at_work_if_it_or_what_it_started_used_a_hundredth_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    own, helper = Times(), Times()

    class Fake:
        def __init__(self, times: Any = own) -> None:
            self.cpu_times = lambda: times

        def children(self, recursive: bool) -> list[Fake]:
            return [Fake(helper)]

        def status(self) -> str:
            return psutil.STATUS_SLEEPING

    monkeypatch.setattr(psutil, "Process", lambda pid: Fake())
    activity, found = Activity(7), []
    for times, name, more in ((own, "user", 1.0), (own, "system", 0.2), (own, "user", 0.4), (helper, "user", 0.4)):
        setattr(times, name, getattr(times, name) + more)
        found.append(activity(30.0))
    helper.user, own.children_user = 0.0, 0.4  # it has ended
    found.append(activity(30.0))
    assert found == [False, False, True, True, False]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as process:
        yield process
        process.kill()


def test_one_that_is_stopped_is_not_idle_and_one_that_is_gone_is(sleeper: subprocess.Popen[bytes]) -> None:
    activity = Activity(sleeper.pid)
    os.kill(sleeper.pid, signal.SIGSTOP)
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)  # the kernel takes a moment; the test's timeout ends what it never does
    assert activity(1e6) is True
    sleeper.kill()
    sleeper.wait()
    assert activity(1e6) is False
