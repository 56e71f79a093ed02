"""A step in several processes: what each rank does, when a time ends, and what becomes of ranks that die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import BACKWARD, FORWARD, UPDATE, Data, Device, Stage, State, Step
from bench.errors import StepError
from bench.timing import ranks
from bench.timing.ranks import ALONE, Place, Team, Wire, calls_of, gather

FUNCTIONS = ("state", "reset", "trace", "counts")


class Diary:
    """A step that writes down what is done with it, in a file of its process."""

    def __init__(self, folder: Path, rank: int, late: float = 0.0, fault: Callable[[], object] | None = None) -> None:
        self.path, self.late, self.fault, self.forwards = folder / f"rank{rank}", late, fault, 0

    def note(self, word: str) -> Callable[[], Any]:
        def call() -> Any:
            if word == "forward":
                self.forwards += 1
                if self.fault and self.forwards == 3:
                    self.fault()
            with self.path.open("a") as file:
                file.write(f"{word}\n")
            return {"state": State(0.0), "counts": {}, "trace": ()}.get(word)

        return call

    def synchronize(self) -> None:
        time.sleep(self.late)
        self.note("wait")()

    def step(self) -> Step:
        phases = {"forward": FORWARD, "backward": BACKWARD, "update": UPDATE}
        stages = tuple(Stage(phase, self.note(word)) for word, phase in phases.items())
        return Step(stages, **{name: self.note(name) for name in FUNCTIONS})

    def device(self) -> Device:
        return Device("cpu", "", 1, None, np.asarray, self.synchronize, flush=self.note("flush"))


@pytest.fixture
def teams() -> Iterator[Callable[..., Team]]:
    """Gather teams, and end them."""
    made: list[Team] = []

    def make(folder: Path, of: int, **faults: Any) -> Team:
        def follow(place: Place, line: Wire) -> None:
            diary = Diary(folder, place.rank, **faults)
            assert line.told() == {"MASTER_PORT": "7"}
            line.follow(calls_of(diary.step(), diary.device(), line))

        made.append(gather(of, follow))
        made[-1].meet({"MASTER_PORT": "7"})
        return made[-1]

    yield make
    for team in made:
        team.close()


def test_every_rank_does_what_rank_0_does_in_the_same_order_and_no_step_more(
    teams: Callable[..., Team], tmp_path: Path
) -> None:
    team, diary = teams(tmp_path, 3), Diary(tmp_path, 0)
    step, device = team.leading(diary.step()), team.waiting(diary.device())
    for _ in range(50):
        step()
    device.synchronize()
    assert device.flush is not None
    device.flush()
    for name in FUNCTIONS:
        getattr(step, name)()
    step()
    device.synchronize()
    team.close()
    lines = [(tmp_path / f"rank{rank}").read_text().split() for rank in range(3)]
    assert lines[0] == lines[1] == lines[2]
    assert lines[0].count("forward") == 51
    assert lines[0][-9:] == ["wait", "flush", *FUNCTIONS, "forward", "backward", "update", "wait"][-9:]


def test_a_time_ends_when_the_slowest_rank_is_ready(teams: Callable[..., Team], tmp_path: Path) -> None:
    team, diary = teams(tmp_path, 2, late=0.05), Diary(tmp_path, 0)
    step, device = team.leading(diary.step()), team.waiting(diary.device())
    step()
    device.synchronize()
    assert (tmp_path / "rank1").read_text().split() == ["forward", "backward", "update", "wait"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise ValueError("no room\nat all")


@pytest.mark.parametrize(
    ("fault", "words"), [(die, "^rank 1 of 2 died by SIGKILL.$"), (fail, "^rank 1 of 2: no room at all$")]
)
def test_a_rank_that_ends_is_named_with_its_reason(
    fault: Callable[[], None], words: str, teams: Callable[..., Team], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "_SETTLE_SECONDS", 0.05)
    team, diary = teams(tmp_path, 2, fault=fault), Diary(tmp_path, 0)
    step, device = team.leading(diary.step()), team.waiting(diary.device())

    def train() -> None:
        for _ in range(4):
            step()
            device.synchronize()

    with pytest.raises(StepError, match=words):
        train()


def test_an_error_of_rank_0_that_another_rank_has_caused_is_put_down_to_that(
    teams: Callable[..., Team], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "_SETTLE_SECONDS", 0.3)
    team = teams(tmp_path, 2, fault=die)

    def broken() -> None:
        raise RuntimeError("Connection closed by peer")

    own = team.doing(None, broken)
    monkeypatch.setattr(ranks, "_SETTLE_SECONDS", 0.0)
    with pytest.raises(RuntimeError, match="closed by peer"):  # all are well
        own()
    step = team.leading(Diary(tmp_path, 0).step())
    for _ in range(3):
        step()
    monkeypatch.setattr(ranks, "_SETTLE_SECONDS", 0.3)
    with pytest.raises(StepError, match="rank 1 of 2 died by SIGKILL"):
        own()


def test_none_is_left_when_rank_0_hangs_up(teams: Callable[..., Team], tmp_path: Path) -> None:
    team = teams(tmp_path, 3)
    pids = [line.pid for line in team._lines]
    assert all(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None for pid in pids)
    team.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_step_in_one_process_is_left_as_it_is(tmp_path: Path) -> None:
    team, diary = gather(1, lambda place, line: None), Diary(tmp_path, 0)
    step, device = diary.step(), diary.device()
    assert team.leading(step) is step
    assert team.waiting(device) is device
    assert team.doing(None, die) is die
    assert team.place == ALONE


def test_the_parts_of_a_batch_are_equal_and_make_up_the_whole() -> None:
    mask, table = np.arange(6.0), np.arange(10.0).reshape(5, 2)
    data = Data({"x": np.arange(12.0).reshape(6, 2), "mask": mask, "table": table, "rate": np.array(0.5)})
    parts = [Place(rank, 3).part_of(data, 6) for rank in range(3)]
    for name in ("x", "mask"):
        assert np.array_equal(np.concatenate([part.inputs[name] for part in parts]), data.inputs[name])
        assert {len(part.inputs[name]) for part in parts} == {2}
    assert all(part.table is table and part.rate is data.rate for part in parts)
    assert ALONE.part_of(data, None) is data
    for batch in (None, 7):
        with pytest.raises(StepError, match="nothing can be divided among 3 ranks: put the samples along the first"):
            Place(0, 3).part_of(data, batch)


def test_each_rank_has_torchruns_environment_and_its_own_cpus() -> None:
    assert Place(2, 4).environment == {
        "RANK": "2",
        "LOCAL_RANK": "2",
        "WORLD_SIZE": "4",
        "LOCAL_WORLD_SIZE": "4",
        "GROUP_RANK": "0",
        "GROUP_WORLD_SIZE": "1",
    }
    assert [Place(rank, 2).cpus((5, 3, 1, 0)) for rank in range(2)] == [(5, 3), (1, 0)]
    assert Place(1, 2).cpus(()) == ()
