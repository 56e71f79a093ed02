"""A real step over two processes and gloo: equal to that of one process, and never an orphan."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.machine.environment import usable_cpus
from bench.model.discovery import discover
from bench.model.problem import Dtype
from bench.run.asking import Truths, ask_case
from bench.run.plan import Selection, choose, plan_cases
from bench.run.pool import Pool
from bench.run.reading import read_all
from bench.run.rounds import Rounds, Seat
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import Reply

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(usable_cpus() < 2, reason="each of two processes needs a CPU of its own"),
]

MODEL = """
import os, signal, time
from bench import Training, training

def make(name, loss, norm=False):
    @training(name, sizes={"batch": 8, "width": 16})
    def author(size, rng):
        import torch
        if name == "early" and os.environ.get("RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        layers = [torch.nn.Linear(size.width, 12), *([torch.nn.BatchNorm1d(12)] if norm else []), torch.nn.ReLU()]
        return Training(
            model=torch.nn.Sequential(*layers, torch.nn.Linear(12, 4)),
            inputs=(rng.standard_normal((size.batch, size.width)), rng.standard_normal((size.batch, 4))),
            loss=lambda model, x, y: loss((model(x) - y) ** 2),
            optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        )

calls = 0

def ending(end):
    def loss(error):
        global calls
        calls += 1
        if os.environ.get("RANK") == "1" and calls > 3:
            end()
        return error.mean()
    return loss

def fail():
    raise ValueError("no room")

make("mean", lambda error: error.mean())
make("sum", lambda error: error.sum())
make("normed", lambda error: error.mean(), norm=True)
make("killed", ending(lambda: os.kill(os.getpid(), signal.SIGKILL)))
make("failing", ending(fail))
make("hanging", ending(lambda: time.sleep(1000)))
make("early", lambda error: error.mean())
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool() as pool:
        yield pool


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "models.py"
    path.write_text(MODEL, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def verified(pool: Pool, model: Path) -> Callable[..., Reply]:
    registry = read_all([model], None)

    def ask(name: str, devices: int = 2, timeout: float = 60.0) -> Reply:
        chosen = choose(registry, [name])
        selection = Selection(chosen, dtype=Dtype.FLOAT64, devices=("cpu",), spreads=(devices,))
        (item,) = plan_cases(selection)
        return ask_case(pool, item, Truths(pool, timeout), timeout)

    return ask


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("name", ["torch_ddp", "mean.ddp"])
def test_it_equals_the_step_of_one_process_in_float64(name: str, devices: int, verified: Callable[..., Reply]) -> None:
    reply = verified(name, devices)
    assert reply.status == "ok", reply.reason
    assert reply.verification is not None
    assert max(each.error for each in reply.verification.errors) < 1e-9


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("sum.ddp", "wrong", "All gradients are 1/2 of what they must be"),
        ("normed.ddp", "wrong", "SyncBatchNorm"),
        ("killed.ddp", "failed", "rank 1 of 2 died by SIGKILL."),
        ("failing.ddp", "failed", "rank 1 of 2: ValueError: no room (models.py, line "),
        ("early.ddp", "failed", "rank 1 of 2 died by SIGKILL."),
        ("hanging.ddp", "timeout", "no answer for 8 s"),
    ],
)
def test_what_is_wrong_or_dies_costs_its_row_and_leaves_no_process(
    name: str, status: str, words: str, verified: Callable[..., Reply], pool: Pool
) -> None:
    reply = verified(name, timeout=8.0)
    assert (reply.status, words in reply.reason) == (status, True), reply.reason
    zygotes = [handle._pid for handle in pool._running.values()]
    assert [child.pid for pid in zygotes for child in psutil.Process(pid).children(recursive=True)] == []


def test_a_round_with_it_gives_steps_phases_and_the_share_of_communication(pool: Pool) -> None:
    chosen = choose(discover(), ["torch_ddp", "torch_nn"])
    planned = plan_cases(Selection(chosen, devices=("cpu",), spreads=(2,)))
    rounds = Rounds(
        Truths(pool, 60.0),
        60.0,
        random.Random(0),  # noqa: S311 - an order, not a secret
        SamplingPolicy(process_seconds=0.05, warmup_max_seconds=0.1),
        cpu=0,
    )
    for found, item in zip(rounds.measure([Seat(item, pool, fresh=True) for item in planned]), planned, strict=True):
        assert found.reply.status == "ok", found.reply.reason
        phases = {sample.phase for sample in found.samples}
        assert {"step", "forward", "backward", "update"} <= phases
        share = found.reply.communication_share
        assert (share is not None and 0 < share <= 1) if item.case.devices == 2 else share is None
