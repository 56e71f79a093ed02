"""A double for the measuring processes, and a clock that it moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.data.schema import Manifest, Method, Status
from bench.data.store import RunStore
from bench.model.device import Backend
from bench.model.problem import Problem
from bench.model.registry import discover
from bench.oracle.verify import Verification
from bench.run.plan import Planned, choose, plan_cases
from bench.run.runner import Limits, Runner
from bench.timing.measure import Sample, WarmUp
from bench.timing.protocol import Reply, Request

SMALL = Problem(batch=8, d_in=6, hidden=5, d_out=3)
PASSED = Verification(True, "", 4, 1e-4, 1e-7, 1e-7, 1e-7)


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
    """Stands for `Zygotes`: answers from a script and moves its clock by a second a request."""

    scratch: Path
    answer: Callable[[Request], Reply] = lambda request: ok()
    asked: list[Request] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    time: float = 0.0
    renewed: int = 0

    def start(self, backends: Sequence[Backend]) -> None:
        self.started = [backend.name for backend in backends]
        self.time += 3

    def renew(self, backends: Sequence[Backend]) -> None:
        self.renewed += 1
        self.time += 3

    def ask(self, backend: Backend, request: Request, timeout: float) -> Reply:
        self.asked.append(request)
        self.time += 1
        return self.answer(request)


@dataclass
class Seen:
    """A watcher that remembers."""

    failures: list[tuple[str, str, str]] = field(default_factory=list)
    measured: list[tuple[str, int]] = field(default_factory=list)
    widest: object = None

    def starting(self, frameworks: Sequence[str]) -> None: ...

    def measuring(self, case: object, number: int, done: int, of: int, seconds_left: float, widest: object) -> None:
        self.measured.append((case.implementation, number))  # type: ignore[attr-defined]
        self.widest = widest

    def pairing(self, case: object, pair: int, of: int) -> None: ...

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
    """Build a runner; `limits` and `answer` as the test wants them."""

    def build(limits: Limits, answer: Callable[[Request], Reply] | None = None, devices: Sequence[str] = ()) -> Bench:
        names = ("numpy_manual", "numpy_bias_sgd", "torch_nn") if "cuda" in devices else ("numpy_manual", "numpy_adam")
        planned = plan_cases(choose(discover(), names), SMALL, 1, devices)
        manifest = Manifest(
            run_id="r",
            created="2026-01-01T00:00:00+00:00",
            stepbench="0",
            command=["bench"],
            seed=7,
            budget_seconds=limits.budget_seconds,
            rounds=limits.rounds,
            machine={"cpu": "a CPU"},
            packages={},
            cases=[item.for_manifest() for item in planned],
        )
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        store = RunStore.create(folder, manifest)
        (tmp_path / "scratch").mkdir(exist_ok=True)
        double = Double(tmp_path / "scratch", *([answer] if answer else []))
        seen = Seen()
        runner = Runner(store, manifest, planned, double, limits, seen, now=lambda: double.time)
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
