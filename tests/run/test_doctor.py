from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.data.schema import Status
from bench.model.discovery import discover
from bench.run import doctor
from bench.run.doctor import backend_states, clock_cost, examine
from bench.run.plan import Selection, choose, plan_cases
from bench.stats.estimates import detectable_slowdown
from bench.timing.protocol import Reply, Request

PLANNED = plan_cases(Selection(choose(discover(), ["numpy_manual"]), {"batch": 8, "d_in": 6, "hidden": 5, "d_out": 3}))


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, make_double: Any, seen: Any) -> Callable[..., Any]:
    monkeypatch.setattr(doctor, "steal_share", lambda seconds: 0.25)

    def build(answer: Callable[[Request], Reply], pairs: int = 4) -> Any:
        double = make_double(answer)
        return examine(PLANNED, double, seen, pairs, 30.0), double

    return build


def test_an_a_a_of_pairs_gives_the_noise_floor(report: Callable[..., Any], ok_reply: Reply) -> None:
    # Chance decides which side is started first, and so on which side of its ratio a time is.
    times = iter([100, 110, 100, 100, 100, 121, 100, 100])

    def answer(_: Request) -> Reply:
        sample = replace(ok_reply.samples[0], nanoseconds=next(times))
        return replace(ok_reply, samples=(sample,), start_seconds=0.03)

    found, double = report(answer)
    (floor,) = found.noise
    assert len(double.asked) == 8
    possible = [[a * math.log(1.1), 0.0, b * math.log(1.21), 0.0] for a in (1, -1) for b in (1, -1)]
    (logs,) = [each for each in possible if detectable_slowdown(each) == pytest.approx(floor.detectable)][:1]
    assert floor.spread == pytest.approx(statistics.stdev(logs))
    assert abs(math.log(floor.ratio)) == pytest.approx(abs(statistics.median(logs)))
    assert floor.start_seconds == 0.03
    assert next(f for f in found.findings if f.name == "steal time").state == "25.0% of CPU time"


def test_a_case_that_fails_has_its_reason_instead(report: Callable[..., Any]) -> None:
    found, double = report(lambda _: Reply(Status.FAILED, "it broke"))
    assert found.noise[0].reason == "it broke"
    assert math.isnan(found.noise[0].detectable)
    assert len(double.asked) == 2


def test_every_backend_is_there_or_says_why_not() -> None:
    states = {state.name: state for state in backend_states()}
    assert states["numpy"].present
    assert all(state.present or state.reason for state in states.values())


def test_the_cost_of_a_clock_that_ticks_with_each_reading() -> None:
    ticks = iter(range(0, 10**9, 40))
    assert clock_cost(lambda: next(ticks), 1000) == pytest.approx(40e-9, rel=0.01)
