"""A step in several processes, one a device: rank 0 leads, and the others follow.

Rank 0 is the measuring process. Before anything of the framework runs in it, it forks the others; each gets torchrun's
environment and builds the step of its own part of the batch. Whatever rank 0 then does with its step it orders of the
others first, with one byte a call. So they do the same calls in the same order, none begins a step that rank 0 does not
begin, and the engine knows nothing of them. To wait for the device is such a call too, the only one that is answered:
a time ends when the slowest rank is ready.

Others die with rank 0: the kernel sees to it, and they end when it hangs up. If one of them dies first, rank 0 says so
and ends, even where it waits inside of a framework for what will never come.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar

from bench.errors import StepbenchError, StepError
from bench.model.data import Data
from bench.model.device import Device
from bench.model.sizes import BATCH
from bench.model.step import Stage, Step
from bench.timing.clock import host_now
from bench.timing.guard import die_with_parent

Result = TypeVar("Result")

WAIT, FLUSH, STATE, RESET, TRACE, COUNTS, FRESH = range(248, 255)
"""Orders beside those for stages, which are the stages' numbers."""
_DONE, _FAILED = b".", b"!"
_SPIN_NANOSECONDS = 200_000
"""How long an end looks again and again before it sleeps: to be woken takes as long as a short stage."""
_CHUNK = 1 << 16
_SETTLE_SECONDS = 1.0
"""How long rank 0 waits, after an error of its own, to see whether another rank is the cause."""
_GRACE_SECONDS = 5.0
"""How long it may take to notice by itself that another rank is gone."""


@dataclass(frozen=True)
class Place:
    """One rank among those that share out a step."""

    rank: int = 0
    of: int = 1

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which torchrun tells a process which one it is, all of them on one machine."""
        rank, of = str(self.rank), str(self.of)
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": of, "LOCAL_WORLD_SIZE": of}
        return numbers | {"GROUP_RANK": "0", "GROUP_WORLD_SIZE": "1"}

    def part_of(self, data: Data, batch: int | None) -> Data:
        """Return the data with this rank's part of the batch: equal parts of each input with a row for each sample.

        Args:
            data: those of the whole step.
            batch: the size of the batch, a multiple of the number of ranks.

        Raises:
            StepError: no input has as many rows.
        """
        if self.of == 1:
            return data
        divided = {name for name, value in data.inputs.items() if value.ndim and len(value) == batch}
        if batch is None or not divided:
            raise StepError(
                f"no input has as many rows as the size {BATCH} says, so nothing can be divided among {self.of} ranks: "
                "put the samples along the first axis."
            )
        rows = batch // self.of
        mine = slice(self.rank * rows, (self.rank + 1) * rows)
        inputs = {name: value[mine] if name in divided else value for name, value in data.inputs.items()}
        return replace(data, inputs=inputs)

    def cpus(self, cpus: Sequence[int]) -> Sequence[int]:
        """Choose this rank's CPUs among those of all."""
        each = len(cpus) // self.of
        return cpus[self.rank * each : (self.rank + 1) * each]


ALONE = Place()


class Wire:
    """One end of the connection between rank 0 and another rank."""

    def __init__(self, end: socket.socket, rank: int, pid: int = 0) -> None:
        """Prepare.

        Args:
            end: the connection.
            rank: the rank that follows.
            pid: its process, for rank 0's end.
        """
        end.setblocking(False)
        self.rank, self.pid, self._end, self.fd = rank, pid, end, end.fileno()
        self._readable = select.poll()
        self._readable.register(self.fd, select.POLLIN)

    def take(self, most: int = _CHUNK) -> bytes:
        """Wait for what the other end sends and return it; empty once it has hung up."""
        until = host_now() + _SPIN_NANOSECONDS
        while True:
            try:
                return os.read(self.fd, most)
            except BlockingIOError:
                if host_now() > until:
                    self._readable.poll()
            except ConnectionError:
                return b""

    def send(self, what: bytes) -> None:
        """Send something short; raise ConnectionError if the other end is gone."""
        while what:
            try:
                what = what[os.write(self.fd, what) :]
            except BlockingIOError:  # it is far behind
                time.sleep(0.001)

    def told(self) -> dict[str, str]:
        """Wait for the variables that rank 0 sends before anything else, and say that this rank is ready to build."""
        text = b""
        while not text.endswith(b"\n"):
            if not (chunk := self.take()):
                os._exit(0)
            text += chunk
        self.send(_DONE)
        found: dict[str, str] = json.loads(text)
        return found

    def follow(self, calls: Mapping[int, Callable[[], object]]) -> None:
        """Do what rank 0 orders until it hangs up."""
        while orders := self.take():
            for order in orders:
                calls[order]()

    def let_go(self) -> None:
        """Close this process's copy of an end that another process keeps."""
        self._end.close()

    def close(self) -> None:
        """Hang up, even where a thread still waits for the other end to do so."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()


def calls_of(step: Step, device: Device, line: Wire) -> dict[int, Callable[[], object]]:
    """Return what a rank that follows does on each order but `FRESH`."""
    returned: dict[int, object] = {}

    def keeping(number: int, run: Callable[[], object]) -> Callable[[], None]:
        def call() -> None:
            returned[number] = run()

        return call

    def wait() -> None:
        if device.ready is not None:
            device.ready([*returned.values()])
        device.synchronize()
        returned.clear()
        line.send(_DONE)

    named = {STATE: step.state, RESET: step.reset, TRACE: step.trace, COUNTS: step.counts, FLUSH: device.flush}
    stages = {number: keeping(number, stage.run) for number, stage in enumerate(step.stages)}
    return {**stages, WAIT: wait, **{order: call for order, call in named.items() if call is not None}}


class Team:
    """The ranks of one step, as rank 0 sees them; of a step in one process there is no other."""

    def __init__(self, lines: Sequence[Wire] = ()) -> None:
        self._lines, self.place = tuple(lines), Place(0, 1 + len(lines))
        self._over = False
        if lines:
            threading.Thread(target=self._watch, daemon=True).start()

    def meet(self, variables: Mapping[str, str]) -> Mapping[str, str]:
        """Send the variables that lead to the meeting place, and return them once every rank is ready to build."""
        self._order(json.dumps(dict(variables)).encode() + b"\n")
        self._hear()
        return variables

    def doing(self, order: int | None, call: Callable[..., Result]) -> Callable[..., Result]:
        """Return a call that is ordered of the others first; with no order it only says whose fault an error is."""
        code = b"" if order is None else bytes([order])

        def led(*given: Any) -> Result:
            try:
                self._order(code)
                return call(*given)
            except Exception as error:
                raise self._cause(error) from error

        return led if self._lines else call

    def leading(self, step: Step) -> Step:
        """Return a step whose every call is done by all ranks; `feed` alone is rank 0's."""
        if not self._lines:
            return step
        return replace(
            step,
            stages=tuple(Stage(each.phases, self.doing(place, each.run)) for place, each in enumerate(step.stages)),
            state=self.doing(STATE, step.state),
            reset=self.doing(RESET, step.reset),
            trace=None if step.trace is None else self.doing(TRACE, step.trace),
            counts=None if step.counts is None else self.doing(COUNTS, step.counts),
        )

    def waiting(self, device: Device) -> Device:
        """Return the device as rank 0 waits for it: until all ranks are ready."""
        if not self._lines:
            return device

        def synchronize() -> None:
            device.synchronize()
            self._hear()

        flush = None if device.flush is None else self.doing(FLUSH, device.flush)
        return replace(device, synchronize=self.doing(WAIT, synchronize), flush=flush)

    def close(self) -> None:
        """Hang up, and wait until all others have ended."""
        self._over = True
        for line in self._lines:
            line.close()
        for line in self._lines:
            with suppress(ChildProcessError):
                os.waitpid(line.pid, 0)

    def _order(self, code: bytes) -> None:
        for line in self._lines:
            line.send(code)

    def _hear(self) -> None:
        for line in self._lines:
            if (answer := line.take(1)) != _DONE:
                raise StepError(self._end_of(line, answer))

    def _cause(self, error: Exception) -> Exception:
        """Return what became of another rank, if that is the reason for an error of rank 0; else the error."""
        if isinstance(error, StepbenchError):
            return error
        time.sleep(_SETTLE_SECONDS)
        ends = [self._end_of(line, b"") for line in self._lines if _has_ended(line.pid)]
        killed = [end for end in ends if " died " in end]  # the others may have ended because of it
        return StepError((killed or ends)[0]) if ends else error

    def _end_of(self, line: Wire, answer: bytes) -> str:
        """Say in one sentence how a rank ended; `answer` is what it has sent last."""
        while (answer or b"")[:1] != _FAILED or not answer.endswith(b"\n"):
            if not (chunk := line.take()):
                break
            answer += chunk
        words = answer.partition(_FAILED)[2].decode(errors="replace").strip()
        who = f"rank {line.rank} of {self.place.of}"
        return f"{who}: {words}" if words else f"{who} died {_death(line.pid)}."

    def _watch(self) -> None:
        """Wait, in a thread that sleeps, until a rank has hung up; then end this process if it does not end itself."""
        gone = select.poll()
        for line in self._lines:
            gone.register(line.fd, 0)  # that the other end is gone is always told
        (fd, _), *_ = gone.poll()
        time.sleep(_GRACE_SECONDS)
        if not self._over:
            (line,) = (line for line in self._lines if line.fd == fd)
            print(self._end_of(line, b""), file=sys.stderr, flush=True)  # noqa: T201 - the command reads the last line
            os._exit(1)


def _has_ended(pid: int) -> bool:
    """Tell whether a child has ended; it stays to be asked again."""
    with suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def _death(pid: int) -> str:
    """Say how a child that has hung up died."""
    with suppress(ChildProcessError):
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if found is not None and found.si_code != os.CLD_EXITED:
            return f"by {signal.Signals(found.si_status).name}"
    return "without a word"


def gather(ranks: int, follow: Callable[[Place, Wire], None], reason: Callable[[BaseException], str] = str) -> Team:
    """Fork the other ranks of a step; the process that calls is rank 0.

    Args:
        ranks: how many there are, this one included.
        follow: what each other one does until rank 0 hangs up.
        reason: puts an exception that ends a rank into one sentence.
    """
    me, lines = os.getpid(), list[Wire]()
    for rank in range(1, ranks):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            for line in lines:
                line.let_go()
            _live(me, Place(rank, ranks), Wire(theirs, rank), follow, reason)
        theirs.close()
        lines.append(Wire(ours, rank, pid))
    return Team(lines)


def _live(
    leader: int,
    place: Place,
    line: Wire,
    follow: Callable[[Place, Wire], None],
    reason: Callable[[BaseException], str],
) -> NoReturn:
    """Live as a rank that follows, and end without running anybody's exit handlers."""
    code = 1
    try:
        die_with_parent(leader)
        follow(place, line)
        code = 0
    except BaseException as error:  # noqa: BLE001 - nothing may return into what rank 0 does
        with suppress(OSError):
            line.send(_FAILED + " ".join(reason(error).split()).encode() + b"\n")
    os._exit(code)
