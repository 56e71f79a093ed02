from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from bench.data.manifest import Manifest
from bench.data.store import RunStore
from bench.errors import DataFormatError, LoadError, UsageError
from bench.model.case import Mode
from bench.model.condition import Condition
from bench.model.discovery import discover
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.run.plan import Selection, choose, plan_cases, workload_facts
from bench.run.records import rows_of
from bench.run.resume import check_load, check_same, done_so_far, loaded, planned_of, resuming
from bench.run.rounds import Found
from bench.run.session import circumstances, resume
from bench.run.sources import source_hashes
from bench.timing.policy import Sample
from bench.timing.protocol import Reply

NOBODY: Any = None
"""Is told about progress that there is none of."""
PLANNED = plan_cases(Selection(choose(discover(), ["numpy_manual", "torch_nn"]), {"batch": 9}, Dtype.FLOAT64, 5, (3,)))


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "run_id": "r",
        "created": "",
        "stepbench": "0",
        "command": [],
        "seed": 5,
        "budget_seconds": 60.0,
        "rounds": None,
        "machine": {"cpu": "a", "cpus_usable": 2, "memory_bytes": 8, "python": "3.12"},
        "packages": {"numpy": "2.0"},
        "sources": {"numpy_manual": "abc"},
        "cases": [item.for_manifest() for item in PLANNED],
        "workloads": workload_facts(PLANNED),
    }
    return Manifest(**{**values, **changes})


def test_the_plan_comes_back_from_the_manifest_as_it_was() -> None:
    again = planned_of(manifest(), discover())
    assert [(item.case, item.skipped) for item in again] == [(item.case, item.skipped) for item in PLANNED]


def test_an_implementation_that_is_gone_is_named() -> None:
    gone = manifest()
    gone.cases[0].columns["implementation"] = "numpy_gone"
    with pytest.raises(UsageError, match="'numpy_gone'"):
        planned_of(gone, discover())


def test_sources_are_known_by_their_content() -> None:
    hashes = source_hashes(PLANNED)
    for item in PLANNED:
        path = Path(item.implementation.origin.partition(":")[2])
        assert hashes[item.case.implementation] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"machine": {"cpu": "b", "cpus_usable": 2, "memory_bytes": 8, "python": "3.12"}}, "cpu: a / b"),
        ({"environment": {"OMP_PROC_BIND": "close"}}, "OMP_PROC_BIND: unset / close"),
        ({"packages": {"numpy": "2.1"}}, "numpy: 2.0 / 2.1"),
        ({"packages": {}}, "numpy: 2.0 / absent"),
        ({"sources": {"numpy_manual": "def"}}, "numpy_manual changed since it began"),
        ({"sources": {}}, "numpy_manual changed since it began"),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], named: str) -> None:
    check_same(manifest(), manifest(), Path("results/r"))
    with pytest.raises(UsageError, match=r"results/r cannot be resumed") as caught:
        check_same(manifest(), manifest(**change), Path("results/r"))
    assert named in str(caught.value)


def test_no_file_is_loaded_because_a_folder_names_it_nor_before_all_else_is_as_it_was(tmp_path: Path) -> None:
    """The folder may come from anybody, with a file of its own in it."""
    evil, ran = tmp_path / "r" / "evil.py", tmp_path / "ran"
    here = circumstances((), ["numpy"])
    store = RunStore.create(tmp_path / "r", manifest(**here, load=[str(evil)]))
    evil.write_text(f"open({str(ran)!r}, 'w')")
    command = re.escape(f"give `bench run --resume {store.folder} --load {evil}`.")
    with pytest.raises(UsageError, match=command):
        resume(store.folder, NOBODY)
    with pytest.raises(UsageError, match=command):
        resume(store.folder, NOBODY, load=[evil, tmp_path / "another.py"])
    for changes, named in (
        ({"machine": {**here["machine"], "cpu": "Another 9000"}}, "cpu: Another 9000 / "),
        ({"git_revision": "0" * 40}, "the harness changed since"),
        ({"loaded": {str(evil): "0" * 64}}, r"evil\.py changed since it began"),
    ):
        store.write_manifest(manifest(**{**here, "load": [str(evil)], **changes}))
        with pytest.raises(UsageError, match=named):
            resume(store.folder, NOBODY, load=[evil])
    assert not ran.exists()
    store.write_manifest(manifest(**here, **loaded([evil])))
    with pytest.raises(LoadError, match="registers nothing"):
        resume(store.folder, NOBODY, load=[evil])
    assert ran.exists()


def test_a_run_without_files_takes_none_when_it_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give `bench run --resume r`"):
        check_load(manifest(), [tmp_path / "mine.py"], ("run", "--resume", "r"))
    check_load(manifest(), [], ("run", "--resume", "r"))


def test_a_path_in_the_command_is_quoted_and_has_no_control_characters() -> None:
    assert resuming(["run", "--resume", "my run"], ["/a\x1b[2J.py"]) == (
        "bench run --resume 'my run' --load '/a\\x1b[2J.py'"
    )


def test_what_a_run_did_not_record_when_it_began_does_not_end_it() -> None:
    here = manifest(environment={"LD_PRELOAD": "libjemalloc.so.2"}, looked_for="LD_PRELOAD")
    here.machine["cpu_model"] = "family 6"
    check_same(manifest(), here, Path("r"))


def test_a_load_average_is_not_a_difference() -> None:
    one, other = manifest(), manifest()
    one.machine["load_1min"], other.machine["load_1min"] = 0.1, 3.0
    check_same(one, other, Path("r"))


def test_progress_is_read_back_from_the_files(tmp_path: Path, ok_reply: Reply) -> None:
    mine = manifest()
    store = RunStore.create(tmp_path / "r", mine)
    numpy_case, torch_case = PLANNED[0].case, PLANNED[1].case
    samples = tuple(Sample("step", ok_reply.samples[0].method, i, 2, 2000 * (i + 1)) for i in range(3))
    store.append(*rows_of("r", numpy_case, 0, 0, Found(Reply(ok_reply.status, samples=samples), seconds=1.5)))
    store.append(*rows_of("r", torch_case, 0, 1, Found(Reply("failed", "it broke"), seconds=2.5)))  # type: ignore[arg-type]
    done = done_so_far(tmp_path / "r", mine)
    assert done.rounds == {numpy_case: {0: pytest.approx({0: 1e-6, 1: 2e-6, 2: 3e-6})}, torch_case: {0: None}}
    assert (done.processes, done.seconds) == (2, 4.0)


def test_a_run_that_had_only_begun_has_no_progress(tmp_path: Path) -> None:
    RunStore.create(tmp_path / "r", manifest())
    done = done_so_far(tmp_path / "r", manifest())
    assert (done.rounds, done.processes, done.seconds) == ({}, 0, 0.0)


def test_modes_threads_and_precision_come_back_with_the_plan(tmp_path: Path) -> None:
    chosen = Selection(
        choose(discover(), ["torch_nn"]), {}, Dtype.FLOAT32, 5, (1, 2), (), tuple(Mode), tuple(Precision)
    )
    planned = plan_cases(chosen)
    again = planned_of(manifest(cases=[item.for_manifest() for item in planned]), discover())
    assert [item.case for item in again] == [item.case for item in planned]


@pytest.mark.parametrize(("column", "value"), [("mode", "floating"), ("precision", "half"), ("backend", "gone")])
def test_a_plan_that_makes_no_sense_here_is_refused(column: str, value: str) -> None:
    odd = manifest()
    odd.cases[0].columns[column] = value
    with pytest.raises(DataFormatError, match="makes no sense"):
        planned_of(odd, discover())


def test_throttled_rounds_are_read_back_from_the_files(tmp_path: Path, ok_reply: Reply) -> None:
    mine = manifest()
    store = RunStore.create(tmp_path / "r", mine)
    hot = Reply(ok_reply.status, samples=ok_reply.samples, condition=Condition(throttle=("thermal",)))
    for number, reply in enumerate((ok_reply, hot, ok_reply)):
        store.append(*rows_of("r", PLANNED[0].case, number, number, Found(reply, seconds=1.0)))
    done = done_so_far(tmp_path / "r", mine)
    assert done.invalid == {1}
    assert set(done.rounds[PLANNED[0].case]) == {0, 1, 2}
