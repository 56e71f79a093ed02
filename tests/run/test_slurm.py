"""Rounds as tasks of a queue, merged by the driver. The queue is a double, in which tasks run in this process."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench.data.manifest import Manifest
from bench.data.run import StoredRun
from bench.data.store import RunStore, read_manifest
from bench.errors import UsageError
from bench.model.discovery import discover
from bench.model.registry import Registry
from bench.run import task
from bench.run.cluster import job_name
from bench.run.queue import Standing, Whereabouts, parse_launcher, parse_settings, standing
from bench.run.resume import done_so_far, planned_of
from bench.run.runner import Runner
from bench.run.slurm import Slurm
from bench.run.task import TASKS, do_task
from bench.run.terms import RunTerms
from bench.timing.protocol import Request

Make = Callable[..., Any]
FACTS: dict[str, str | int] = {"cpu": "a CPU", "cpus": 2, "memory_bytes": 8 << 30}


@dataclass
class Cluster:
    """A queue of some nodes, each of which does one task at each look; its clock moves by a second a look."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    nodes: tuple[str, ...] = ("n1", "n2")
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    happening: dict[int, Callable[[str], str]] = field(default_factory=dict)
    """What becomes of the task that is begun as the n-th, by its name; what it returns is the state of the task."""
    time: float = 0.0
    begun: int = 0
    submitted: list[list[str]] = field(default_factory=list)
    most: int = 0
    """The most tasks that ran at once."""
    left_out: set[str] = field(default_factory=set)
    places: dict[str, tuple[str, Standing]] = field(default_factory=dict)
    """Name and place of each task, by id."""
    cancelled: list[str] = field(default_factory=list)

    def submit(self, names: Sequence[str], without: Collection[str]) -> dict[str, str]:
        self.submitted.append(list(names))
        self.left_out |= set(without)
        ids = {name: f"{len(self.submitted)}_{index}" for index, name in enumerate(names)}
        self.places |= {each: (name, Standing(Whereabouts.QUEUED)) for name, each in ids.items()}
        return ids

    def standings(self) -> dict[str, Standing]:
        running = [each for each, (_, where) in self.places.items() if where.place is Whereabouts.RUNNING]
        for each in running:
            self._do(each)
        queued = [each for each, (_, where) in self.places.items() if where.place is Whereabouts.QUEUED]
        free = [node for node in self.nodes if node not in self.left_out]
        for each, node in zip(queued, free, strict=False):
            self.places[each] = self.places[each][0], Standing(Whereabouts.RUNNING, node)
        self.most = max(self.most, min(len(queued), len(free)))
        return {each: where for each, (_, where) in self.places.items()}

    def _do(self, each: str) -> None:
        name, where = self.places[each]
        happens, self.begun = self.happening.get(self.begun), self.begun + 1
        state = happens(name) if happens else self.run(name, where.node)
        self.places[each] = name, replace(standing(state, where.node, ""), node=where.node)

    def run(self, name: str, node: str) -> str:
        """Run a task as the node would."""
        self.monkeypatch.setenv("SLURMD_NODENAME", node)
        self.monkeypatch.setattr(task, "machine_facts", lambda: self.facts.get(node, FACTS))
        do_task(str(self.folder), name, [])
        return "COMPLETED"

    def cancel(self, ids: Collection[str]) -> None:
        for each in ids:
            if self.places[each][1].place is Whereabouts.QUEUED:
                self.places[each] = self.places[each][0], Standing(Whereabouts.GONE, "", "CANCELLED")
                self.cancelled.append(each)

    def cancel_all(self, waiting: bool = False) -> None:
        self.cancel(list(self.places))

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class _Pool:
    """A double of `Pool` for a task."""

    def __init__(self, double: Any) -> None:
        self.double = double

    def __enter__(self) -> Any:
        return self.double

    def __exit__(self, *_: object) -> None: ...


@dataclass
class Elsewhere:
    """A run on the doubled cluster."""

    bench: Any
    cluster: Cluster

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(StoredRun(self.bench.folder).processes.to_dict("records"))

    def measured(self) -> Counter[tuple[str, int]]:
        return Counter((row["implementation"], row["round"]) for row in self.rows)

    def resumed(self) -> Elsewhere:
        """Another driver that takes the run up."""
        folder = self.bench.folder
        manifest = read_manifest(folder)
        cluster = replace(self.cluster, happening={}, submitted=[], places=dict(self.cluster.places))
        launcher = Slurm(folder, manifest, cluster, self.bench.seen, 2, lambda: cluster.time, cluster.sleep)
        done = done_so_far(folder, manifest)
        given = RunStore(folder), manifest, planned_of(manifest, registry()), launcher, self.bench.seen
        runner = Runner(*given, done=done, now=lambda: cluster.time)
        return Elsewhere(replace(self.bench, runner=runner), cluster)


@pytest.fixture
def elsewhere(make: Make, make_double: Make, ok_reply: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Build a run on a doubled cluster; `slow` are factors of times by node."""
    monkeypatch.setenv("STEPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(task.signal, "signal", lambda *_: None)
    monkeypatch.setattr(task, "circumstances", lambda *_: {"stepbench": "0", "git_revision": None, "packages": {}})
    monkeypatch.setattr(task, "read_all", lambda *_: registry())

    def build(terms: RunTerms, slow: dict[str, float] | None = None, **more: Any) -> Elsewhere:
        made: list[Cluster] = []
        wobble = iter(range(10**6))

        def answer(request: Request) -> Any:
            factor = (slow or {}).get(task.node_name(), 1.0) * (1 + 0.01 * (next(wobble) % 3))
            base = 2e6 if request.implementation == "numpy_manual" else 1e6
            samples = tuple(replace(each, nanoseconds=round(base * factor)) for each in ok_reply.samples)
            return replace(ok_reply, samples=samples)

        double = make_double(answer)
        monkeypatch.setattr(task, "Pool", lambda: _Pool(double))

        def launcher(folder: Path, manifest: Manifest, seen: Any) -> Slurm:
            manifest.launcher = "slurm:test"
            cluster = Cluster(folder, monkeypatch, **more)
            made.append(cluster)
            RunStore(folder).write_manifest(manifest)
            return Slurm(folder, manifest, cluster, seen, 2, lambda: cluster.time, cluster.sleep)

        bench = make(terms, elsewhere=launcher, devices=("cpu",), names=("numpy_manual", "torch_autograd"))
        bench.runner._now = lambda: made[0].time
        return Elsewhere(bench, made[0])

    return build


@cache
def registry() -> Registry:
    return discover()


ALL = {(name, number): 1 for name in ("numpy_manual", "torch_autograd") for number in range(6)}


def test_rounds_of_a_group_are_tasks_of_one_array_and_every_row_says_where_it_ran(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=6))
    run.bench.runner.execute()
    rows = run.bench.runner.finish()
    assert run.measured() == ALL
    assert [len(names) for names in run.cluster.submitted] == [6]
    assert run.cluster.most == 2
    assert {row["machine"] for row in run.rows} == {"n1", "n2"}
    by_round: dict[int, set[str]] = {}
    for row in run.rows:
        by_round.setdefault(row["round"], set()).add(row["machine"])
    assert all(len(machines) == 1 for machines in by_round.values())
    assert {row.machines for row in rows} == {"n1 n2"}
    manifest = run.bench.runner.manifest
    assert (manifest.ended_by, manifest.rounds_done) == ("rounds", 6)
    assert manifest.machines == {"n1": FACTS, "n2": FACTS}
    assert manifest.machine == FACTS
    assert manifest.peaks
    assert not (run.bench.folder / TASKS).exists()


def test_speedups_of_machines_that_differ_are_of_rounds_and_the_slow_one_is_named(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=12), slow={"n2": 1.5})
    run.bench.runner.execute()
    rows = {row.case.implementation: row for row in run.bench.runner.finish() if row.speedup is not None}
    assert rows["torch_autograd"].speedup == pytest.approx(2.0, rel=0.02)
    assert rows["torch_autograd"].median_seconds == pytest.approx(1e-3 * 1.5**0.5, rel=0.02)
    odd = read_manifest(run.bench.folder).odd_machines
    assert list(odd) == ["n2"]
    assert odd["n2"].factor == pytest.approx(1.5, rel=0.02)


def test_alike_machines_are_not_named(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=12))
    run.bench.runner.execute()
    run.bench.runner.finish()
    assert read_manifest(run.bench.folder).odd_machines == {}


def test_progress_counts_what_is_queued_running_and_done(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=3))
    run.bench.runner.execute()
    assert run.bench.seen.tasks_seen[0] == (1, 2, 0)
    assert run.bench.seen.tasks_seen[-1] == (0, 0, 3)


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED", "FAILED", "CANCELLED"])
def test_a_lost_task_is_submitted_again_and_counts_once(elsewhere: Make, state: str) -> None:
    run = elsewhere(RunTerms(1000, rounds=6), happening={1: lambda name: state, 3: lambda name: state})
    run.bench.runner.execute()
    run.bench.runner.finish()
    assert run.measured() == ALL
    assert [len(names) for names in run.cluster.submitted] == [6, 2]


def test_a_task_that_answers_after_it_was_given_up_and_runs_again_counts_once(elsewhere: Make) -> None:
    def late(name: str) -> str:
        run.cluster.happening[6] = lambda again: run.cluster.run(again, "n1") and run.cluster.run(name, "n2")
        return "NODE_FAIL"

    run = elsewhere(RunTerms(1000, rounds=6), happening={0: late})
    run.bench.runner.execute()
    run.bench.runner.finish()
    assert run.measured() == ALL


def test_a_task_that_writes_while_the_driver_goes_on_is_not_merged_twice(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=6))
    run.bench.runner.execute()
    first = run.cluster.submitted[0][0]
    again = elsewhere(RunTerms(1000, rounds=6))  # the same round of the same group, from a copy that ran somewhere else
    kept = task.part_path(again.bench.folder, first)
    again.cluster.happening[0] = lambda name: again.cluster.run(name, "n1") and _copied(kept)
    again.bench.runner.execute()
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(_copies[-1])
    again.bench.runner.finish()
    assert again.measured() == ALL


_copies: list[str] = []


def _copied(path: Path) -> str:
    _copies.append(path.read_text())
    return "COMPLETED"


def test_a_task_that_is_lost_for_good_ends_the_run_and_keeps_the_others(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=6), happening={number: lambda name: "FAILED" for number in (0, 6, 7)})
    (run.bench.folder / TASKS / "log").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"Round 1 on n1 ended without a result .FAILED., 3 times: look into"):
        run.bench.runner.execute()
    run.bench.runner.finish()
    assert len(run.rows) == 10
    assert (run.bench.folder / TASKS / "log").exists()
    again = run.resumed()
    again.bench.runner.execute()
    again.bench.runner.finish()
    assert again.measured() == ALL


def test_a_folder_that_no_node_sees_is_named_at_once(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=6), happening={number: lambda name: "FAILED" for number in range(99)})
    with pytest.raises(UsageError, match=r"nor did the node write anything into .*choose an --out on a disk"):
        run.bench.runner.execute()
    assert len(run.cluster.submitted) == 1


def test_a_killed_driver_is_resumed_without_loss_and_without_doubles(elsewhere: Make) -> None:
    class Killed(BaseException): ...

    def kill(name: str) -> str:
        run.cluster.run(name, "n1")  # it has answered, and nobody has read it
        raise Killed

    run = elsewhere(RunTerms(1000, rounds=6), happening={3: kill})
    run.cluster.cancel_all = lambda waiting=False: None  # a driver that is killed takes nothing back
    with pytest.raises(Killed):
        run.bench.runner.execute()
    before = run.measured()
    assert before.total() < len(ALL)
    del run.cluster.cancel_all
    again = run.resumed()
    again.bench.runner.execute()
    again.bench.runner.finish()
    assert again.measured() == ALL
    assert [row["process"] for row in again.rows] == list(range(12))
    merged = {row["round"] for row in again.rows} - {number for _, number in before}
    assert len(again.cluster.submitted[0]) < len(merged)  # what lay there, or was under way, was not measured again


def test_a_driver_killed_while_it_merges_keeps_the_half_once(elsewhere: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = elsewhere(RunTerms(1000, rounds=6))
    append, count = RunStore.append, iter(range(99))

    def killed(self: RunStore, *rows: Any) -> None:
        if next(count) == 3:  # the second process of the second task
            raise SystemExit
        append(self, *rows)

    monkeypatch.setattr(RunStore, "append", killed)
    with pytest.raises(SystemExit):
        run.bench.runner.execute()
    monkeypatch.setattr(RunStore, "append", append)
    assert run.measured().total() == 3
    again = run.resumed()
    again.bench.runner.execute()
    again.bench.runner.finish()
    assert again.measured() == ALL


def test_an_interrupted_run_takes_its_tasks_back_and_keeps_what_is_done(elsewhere: Make) -> None:
    def interrupt(name: str) -> str:
        raise KeyboardInterrupt

    run = elsewhere(RunTerms(1000, rounds=6), happening={2: interrupt})
    with pytest.raises(KeyboardInterrupt):
        run.bench.runner.execute()
    assert run.cluster.cancelled
    for each, (name, where) in run.cluster.places.items():
        if where.place is Whereabouts.RUNNING:
            run.cluster.places[each] = name, Standing(Whereabouts.GONE)
    run.cluster.happening = {}
    run.bench.runner.finish()
    done = run.measured()
    assert done.total() == 4
    again = run.resumed()
    again.bench.runner.execute()
    again.bench.runner.finish()
    assert again.measured() == ALL


def test_a_machine_of_another_kind_is_left_out_and_never_pooled(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=6), facts={"n2": {**FACTS, "cpu": "another CPU"}})
    run.bench.runner.execute()
    run.bench.runner.finish()
    assert run.measured() == ALL
    assert {row["machine"] for row in run.rows} == {"n1"}
    assert run.cluster.left_out == {"n2"}
    (told,) = (text for text in run.bench.runner.manifest.disturbances if "left out" in text)
    assert "n2" in told
    assert "another kind than n1 (cpu: a CPU / another CPU)" in told


def test_a_node_with_other_packages_is_named(elsewhere: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"stepbench": "9", "git_revision": None, "packages": {}}
    run = elsewhere(RunTerms(1000, rounds=6))
    monkeypatch.setattr(task, "circumstances", lambda *_: other)
    with pytest.raises(UsageError, match="n1: stepbench differs from where the run was begun: install the same"):
        run.bench.runner.execute()


def test_the_budget_takes_back_what_waits_and_begins_with_the_first_task(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(6.0, rounds=30))
    run.cluster.time = 1000.0  # a day in the queue is no measuring
    run.bench.runner.execute()
    run.bench.runner.finish()
    manifest = run.bench.runner.manifest
    assert manifest.ended_by == "budget"
    assert 6 <= len({row["round"] for row in run.rows}) < 30
    assert manifest.rounds_done >= 2
    assert run.cluster.cancelled


def test_two_machines_end_by_what_is_known_of_them_not_by_what_they_leave_open(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(10_000, within=0.03), slow={"n2": 1.5})
    run.bench.runner.execute()
    rows = {row.case.implementation: row for row in run.bench.runner.finish()}
    manifest = run.bench.runner.manifest
    assert manifest.ended_by == "precision"
    assert manifest.rounds_done < 20
    low, high = rows["torch_autograd"].low_seconds, rows["torch_autograd"].high_seconds
    assert low is not None
    assert high is not None
    assert high / low > 10  # two machines 50 % apart: one degree of freedom


@pytest.mark.parametrize("how", ["cut off", "of fewer cases", "of other cases"])
def test_a_damaged_answer_is_measured_again(elsewhere: Make, how: str) -> None:
    def damaged(name: str) -> str:
        run.cluster.run(name, "n1")
        path = task.part_path(run.bench.folder, name)
        held = json.loads(path.read_text())
        if how == "of fewer cases":
            held["found"][0].pop()
        if how == "of other cases":
            held["groups"][0][0]["implementation"] = "nobody"
        path.write_text(json.dumps(held)[: -20 if how == "cut off" else None])
        return "COMPLETED"

    run = elsewhere(RunTerms(1000, rounds=6), happening={2: damaged})
    run.bench.runner.execute()
    run.bench.runner.finish()
    assert run.measured() == ALL


def test_a_file_that_is_no_tasks_is_passed_over_when_a_run_is_resumed(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=6))
    (run.bench.folder / TASKS).mkdir()
    for name in ("x.part.json", "roundx-1.part.json", "round0001-f00.part.json"):
        (run.bench.folder / TASKS / name).write_text("{}")
    again = run.resumed()
    again.bench.runner.execute()
    again.bench.runner.finish()
    assert again.measured() == ALL


def test_slurm_that_says_nothing_for_a_while_is_waited_for(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=6))
    looks, ask = iter(range(99)), run.cluster.standings

    def silent() -> dict[str, Standing]:
        if next(looks) in (1, 2, 5):
            raise UsageError("squeue does not answer")
        return ask()

    run.cluster.standings = silent
    run.bench.runner.execute()
    assert run.measured() == ALL
    run = elsewhere(RunTerms(1000, rounds=6))
    run.cluster.standings = lambda: parse_settings(["="])
    with pytest.raises(UsageError):
        run.bench.runner.execute()


def test_a_failure_of_a_case_is_a_result_and_no_loss(elsewhere: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "_SIGNALS_COME", 0.0)
    run = elsewhere(RunTerms(1000, rounds=2))
    double = task.Pool().double
    answer = double.answer

    def failing(request: Request) -> Any:
        found = answer(request)
        return replace(found, status="failed", reason="no") if request.implementation == "torch_autograd" else found

    double.answer = failing
    run.bench.runner.execute()
    rows = {row.case.implementation: row.status.value for row in run.bench.runner.finish()}
    assert rows == {"numpy_manual": "ok", "torch_autograd": "failed"}


@pytest.mark.parametrize("text", ["slurm", "slurm:", "slurm:a b", "local", "ssh:host", "slurm:$(x)"])
def test_a_launcher_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write slurm:PARTITION"):
        parse_launcher(text)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["=3"], "write KEY=VALUE"),
        (["time="], "write KEY=VALUE"),
        (["time=3\n#SBATCH --wrap=x"], "write KEY=VALUE"),
        (["array=0-9"], "bench sets it"),
        (["--partition=x"], "--on"),
        (["time=3", "time=4"], "twice"),
        (["Time;x=3"], "write KEY=VALUE"),
    ],
)
def test_settings_that_cannot_be_are_refused(texts: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_settings(texts)


def test_settings_are_options_of_sbatch() -> None:
    found = parse_settings(["mem_per_cpu=2G", "--account=me", "exclusive"])
    assert found == {"mem-per-cpu": "2G", "account": "me", "exclusive": True}


def test_states_of_slurm() -> None:
    assert standing("PENDING", "", "Resources").place is Whereabouts.QUEUED
    assert standing("PENDING", "", "launch failed requeued held") == Standing(
        Whereabouts.GONE, "", "launch failed requeued held"
    )
    assert standing("COMPLETING", "n1", "None").place is Whereabouts.RUNNING
    assert standing("NODE_FAIL", "n1", "None").place is Whereabouts.TAKEN
    assert standing("OUT_OF_MEMORY", "n1", "None") == Standing(Whereabouts.GONE, "n1", "OUT_OF_MEMORY")


def test_a_part_file_holds_what_is_no_number_of_json(elsewhere: Make) -> None:
    run = elsewhere(RunTerms(1000, rounds=1))
    found = task.PartFile(machine="n1", found=[[{"x": float("inf")}]])
    path = run.bench.folder / "x.part.json"
    path.write_text(json.dumps(found.model_dump()))
    assert task.read_part(path) == found


def test_runs_of_one_name_in_two_folders_have_tasks_of_their_own(tmp_path: Path, elsewhere: Make) -> None:
    manifest = elsewhere(RunTerms(1000, rounds=1)).bench.runner.manifest
    assert job_name(tmp_path / "a", manifest) != job_name(tmp_path / "b", manifest)
    assert job_name(tmp_path / "a", manifest) == job_name(tmp_path / "a" / ".." / "a", manifest)
