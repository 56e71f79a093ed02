"""A double for the measuring processes, and a clock that it moves."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bench.data.manifest import Manifest
from bench.data.schema import Method, Status
from bench.data.store import RunStore
from bench.model.device import Backend
from bench.model.discovery import discover
from bench.model.problem import Problem
from bench.oracle.array_error import ArrayError
from bench.oracle.verify import Verification
from bench.run.forecast import Forecast
from bench.run.launcher import Launcher, Local
from bench.run.pairs import PairCase
from bench.run.plan import Planned, Selection, choose, plan_cases, workload_facts
from bench.run.runner import Runner
from bench.run.terms import RunTerms
from bench.timing.measure import WarmUp
from bench.timing.peaks import Peaks
from bench.timing.policy import Sample
from bench.timing.protocol import Reply, Request, Task, Turn, Turned
from bench.workloads import tutorial

SMALL = tutorial(batch=8, d_in=6, hidden=5, d_out=3)
PEAKS = Peaks(50e9, 1024, 8e9, 1 << 26)
PASSED = Verification(
    True, "", 4, tuple(ArrayError(kind, "w1", 1, 1e-7, 1e-4) for kind in ("loss", "gradient", "change"))
)


def ok(nanoseconds: int = 1000) -> Reply:
    """A reply with one whole-step sample."""
    return Reply(
        Status.OK,
        threads=1,
        facts={"blas": "test"},
        verification=PASSED,
        warmup=WarmUp(9, True, 1000.0),
        samples=(Sample("step", Method.WHOLE, 0, 1, nanoseconds),),
        peak_bytes=100,
        build_seconds=0.1,
    )


@dataclass
class Double:
    """Stands for `Pool`: answers from a script and moves its clock by a second a request; peaks and truths cost it
    nothing."""

    scratch: Path
    answer: Callable[[Request], Reply] = lambda request: ok()
    peak: Callable[[Request], Reply] = lambda request: Reply(Status.OK, peaks=PEAKS)
    asked: list[Request] = field(default_factory=list)
    asked_for_peaks: list[Request] = field(default_factory=list)
    truth: Callable[[Request], Reply] = lambda request: Reply(Status.OK)
    asked_for_truths: list[Request] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    time: float = 0.0
    renewed: int = 0

    def start(self, backends: Sequence[Backend]) -> None:
        self.started = [backend.name for backend in backends]
        self.time += 3

    def renew(self, backends: Sequence[Backend]) -> None:
        self.renewed += 1
        self.time += 3

    def ask(self, backend: Backend, request: Request, timeout: float | None) -> Reply:
        if request.task is Task.TRUTH:
            self.asked_for_truths.append(request)
            return self.truth(request)
        if request.task is Task.PEAKS:
            self.asked_for_peaks.append(request)
            return self.peak(request)
        self.asked.append(request)
        self.timeouts.append(timeout)
        self.time += 1
        return self.answer(request)

    def open(self, backend: Backend, request: Request, timeout: float | None) -> AnsweredTalk:
        """A process whose every turn finds what the script's answer holds of whole steps."""
        return AnsweredTalk(self.ask(backend, request, timeout))


@dataclass
class AnsweredTalk:
    """Stands for a process that takes turns."""

    whole: Reply

    @property
    def reply(self) -> Reply:
        return replace(self.whole, samples=(), turn_seconds=1.0)

    def turn(self, turn: Turn, timeout: float | None) -> Turned:
        return Turned(tuple(replace(sample, turn=turn.number) for sample in self.whole.samples))

    def finish(self, timeout: float | None) -> Reply:
        return replace(self.whole, samples=())

    def pause(self, on: bool) -> None: ...

    def close(self) -> None: ...


@dataclass
class Seen:
    """A watcher that remembers."""

    failures: list[tuple[str, str, str]] = field(default_factory=list)
    measured: list[tuple[str, int]] = field(default_factory=list)
    calibrated: list[str] = field(default_factory=list)
    plan: tuple[int, int, float] | None = None
    overruns: list[tuple[float, float]] = field(default_factory=list)
    forecasts: list[Forecast] = field(default_factory=list)
    widest: object = None
    unwritten_files: list[str] = field(default_factory=list)
    tasks_seen: list[tuple[int, int, int]] = field(default_factory=list)

    def planned(self, cases: int, groups: int, seconds: float) -> None:
        self.plan = (cases, groups, seconds)

    def overrunning(self, seconds: float, budget_seconds: float) -> None:
        self.overruns.append((seconds, budget_seconds))

    def foreseen(self, found: Forecast) -> None:
        self.forecasts.append(found)

    def starting(self, frameworks: Sequence[str]) -> None: ...

    def measuring(
        self, case: object, number: int, done: int, of: int, seconds_left: float, widest: object = None
    ) -> None:
        self.measured.append((case.implementation, number))  # type: ignore[attr-defined]
        self.widest = widest

    def tasks(self, queued: int, running: int, done: int) -> None:
        self.tasks_seen.append((queued, running, done))

    def pairing(self, case: object, pair: int, of: int) -> None: ...

    def measuring_peak(self, backend: str) -> None:
        self.calibrated.append(backend)

    def waiting(self, who: str, seconds: float, working: bool) -> None: ...

    def queued(self, reason: str) -> None:
        pass

    def unwritten(self, reason: str) -> None:
        self.unwritten_files.append(reason)

    def failed(self, case: object, status: Status, reason: str) -> None:
        self.failures.append((case.implementation, status.value, reason))  # type: ignore[attr-defined]


@dataclass
class Bench:
    """A runner over the numpy implementations, its double and its watcher."""

    runner: Runner
    double: Double
    seen: Seen
    folder: Path
    planned: tuple[Planned, ...]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Bench]:
    """Build a runner; `terms` and `answer` as the test wants them."""

    def build(
        terms: RunTerms,
        answer: Callable[[Request], Reply] | None = None,
        devices: Sequence[str] = (),
        threads: Sequence[int] = (1,),
        elsewhere: Callable[[Path, Manifest, Seen], Launcher] | None = None,
        names: Sequence[str] = (),
    ) -> Bench:
        default = (
            ("numpy_manual", "numpy_bias_sgd", "torch_nn") if "cuda" in devices else ("numpy_manual", "numpy_adam")
        )
        names = names or default
        planned = plan_cases(
            Selection(choose(discover(), names), SMALL.sizes, threads=tuple(threads), devices=tuple(devices))
        )
        manifest = Manifest(
            run_id="r",
            created="2026-01-01T00:00:00+00:00",
            stepbench="0",
            command=["bench"],
            seed=7,
            budget_seconds=terms.budget_seconds,
            rounds=terms.rounds,
            within=terms.within,
            machine={"cpu": "a CPU"},
            packages={},
            cases=[item.for_manifest() for item in planned],
            workloads=workload_facts(planned),
        )
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        store = RunStore.create(folder, manifest)
        (tmp_path / "scratch").mkdir(exist_ok=True)
        double = Double(tmp_path / "scratch", *([answer] if answer else []))
        seen = Seen()
        clock = lambda: double.time  # noqa: E731
        launcher = elsewhere(folder, manifest, seen) if elsewhere else Local(double, manifest, seen, clock)
        runner = Runner(store, manifest, planned, launcher, seen, now=clock)
        return Bench(runner, double, seen, folder, planned)

    return build


@pytest.fixture
def ok_reply() -> Reply:
    """A reply with one whole-step sample of a microsecond."""
    return ok()


@pytest.fixture
def small_problem() -> Problem:
    """A problem of a few numbers."""
    return SMALL


@pytest.fixture
def seen() -> Seen:
    """A watcher that remembers."""
    return Seen()


@pytest.fixture
def make_double(tmp_path: Path) -> Callable[..., Double]:
    """A double that answers by a function."""
    (tmp_path / "doubles").mkdir()
    return lambda answer: Double(tmp_path / "doubles", answer)


PHASE_NANOSECONDS = {"step": 6e7, "forward": 1e7, "backward": 2e7, "update": 3e7}


@dataclass
class Arena:
    """Stands for the processes of pairs: known times, a clock that moves by a second a process, and deaths on request.

    `factor` is told side, phase and pair, and says how much longer than `PHASE_NANOSECONDS` a turn's steps take;
    `trouble` is told side and pair before each turn. Pairs are counted by implementation and from 0, whatever their
    stage.
    """

    factor: Callable[[str, str, int], float] = lambda side, phase, pair: 1.0
    trouble: Callable[[str, int], None] = lambda side, pair: None
    reply: Callable[[str], Reply] = lambda side: replace(ok(), turn_seconds=0.2)
    last: Callable[[str], Reply] = lambda side: replace(ok(), samples=())
    phases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a side; all if it is not named."""
    noise: float = 0.01
    time: float = 0.0
    seconds_a_process: float = 1.0
    opened: list[tuple[str, Request]] = field(default_factory=list)
    turns: list[tuple[str, Turn]] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    paused: list[tuple[str, bool]] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311 - noise

    def opens(self, side: str) -> _Opens:
        """Who starts the processes of one side."""
        return _Opens(self, side)


@dataclass
class _Opens:
    arena: Arena
    side: str

    def open(self, backend: Backend, request: Request, timeout: float | None) -> _Talk:
        number = sum(
            side == self.side and asked.implementation == request.implementation for side, asked in self.arena.opened
        )
        self.arena.time += self.arena.seconds_a_process
        self.arena.opened.append((self.side, request))
        self.arena.live.append(self.side)
        return _Talk(self.arena, self.side, number, self.arena.reply(self.side))


@dataclass
class _Talk:
    arena: Arena
    side: str
    number: int
    reply: Reply
    closed: bool = False

    def turn(self, turn: Turn, timeout: float | None) -> Turned:
        arena = self.arena
        arena.turns.append((self.side, turn))
        arena.trouble(self.side, self.number)
        samples = []
        for phase, nanoseconds in PHASE_NANOSECONDS.items():
            if phase in arena.phases.get(self.side, PHASE_NANOSECONDS):
                drift = arena.chance.lognormvariate(0.0, arena.noise)
                shortest = nanoseconds * drift * arena.factor(self.side, phase, self.number)
                method = Method.WHOLE if phase == "step" else Method.STAGED
                times = (shortest, 1.1 * shortest, 1.1 * shortest)
                samples += [Sample(phase, method, turn.number, 1, round(each)) for each in times]
        return Turned(tuple(samples))

    def finish(self, timeout: float | None) -> Reply:
        return self.arena.last(self.side)

    def pause(self, on: bool) -> None:
        self.arena.paused.append((self.side, on))

    def close(self) -> None:
        if not self.closed:  # it is ended when it has finished, and again with its round
            self.closed = True
            self.arena.live.remove(self.side)


@pytest.fixture
def arena() -> Arena:
    """Processes whose times are known: both sides the same, until a test says otherwise."""
    return Arena()


@pytest.fixture
def pair_cases() -> tuple[PairCase, ...]:
    """Two implementations, each against itself."""
    planned = plan_cases(Selection(choose(discover(), ("numpy_manual", "numpy_adam")), SMALL.sizes))
    return tuple(PairCase(item, item) for item in planned)


@pytest.fixture
def measures_little(few: type[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes take few samples, and what a device can do at most is left out: it takes longer than all else."""
    monkeypatch.setattr("bench.run.runner.SamplingPolicy", few)
    monkeypatch.setattr("bench.run.known_peaks.ask_device", lambda *arguments: Reply(Status.OK))
