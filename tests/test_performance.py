"""What `make perf` runs, without running all of it: that nothing is left out, and that a step stays sound under it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench import BACKWARD, FORWARD, UPDATE, Device, Stage, State, Step
from bench.model.discovery import discover
from bench.timing.measure import Course


@pytest.fixture(scope="module")
def timing() -> ModuleType:
    """The module `tests/performance/test_time.py`; test files do not import one another."""
    path = Path(__file__).parent / "performance" / "test_time.py"
    spec = importlib.util.spec_from_file_location("stepbench_performance", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for the module of their annotations
    spec.loader.exec_module(module)
    return module


def make_perf(root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The command of `make perf`, with this interpreter and further arguments."""
    makefile = (root / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
    (recipe,) = re.findall(r"^perf:.*\n\t(.*)$", makefile, flags=re.MULTILINE)
    assert "$(BIN)/python " in recipe
    command = [*shlex.split(recipe.replace("$(BIN)/python", shlex.quote(sys.executable))), *more]
    # Where this suite itself runs in several processes, theirs must not take itself for one of them.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)


def collected(done: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"test_time\[(.*)\]", done.stdout)


def test_make_perf_takes_every_phase_of_what_is_measured_by_default_and_can_run_here(
    root: Path, tmp_path: Path
) -> None:
    found = collected(make_perf(root, "--collect-only", "--quiet", f"--benchmark-json={tmp_path / 'unused.json'}"))
    assert len(found) == len(set(found))
    for item in discover():
        for backend in item.backends:
            phases = ["step"] if item.fused else ["forward", "backward", "update", "step"]
            wanted = [f"{item.name}-{backend.name}-{phase}" for phase in phases]
            here = [name for name in found if name.startswith(f"{item.name}-{backend.name}-")]
            assert here == (wanted if item.by_default and backend.availability().present else [])


def test_the_ordinary_suite_leaves_them_out(root: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "tests/performance"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert collected(done) == []
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, "and a run of nothing is a failure"


def test_a_run_that_could_collect_nothing_fails(pytester: pytest.Pytester, root: Path) -> None:
    """Cases that come from the registry might one day be none."""
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('case', [])\ndef test_time(case): pass\n")
    done = pytester.runpytest_subprocess("-c", root / "pyproject.toml", "--rootdir", pytester.path, "-m", "")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(["*Empty parameter set*"])


def test_its_file_says_what_was_timed(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "perf.json"
    done = make_perf(root, "-k", "numpy_manual and backward", f"--benchmark-json={out}")
    assert done.returncode == 0, done.stdout
    (benchmark,) = json.loads(out.read_text(encoding="utf-8"))["benchmarks"]
    assert benchmark["name"] == "test_time[numpy_manual-numpy-backward]"
    assert benchmark["group"] == "mlp_sgd: backward"
    assert benchmark["extra_info"] == {
        "workload": "mlp_sgd",
        "implementation": "numpy_manual",
        "backend": "numpy",
        "phase": "backward",
        "threads": 1,
    }
    assert benchmark["stats"]["rounds"] % 4 == 0, "each depth of a dynamic network equally often"


def test_a_new_file_is_covered_by_itself(timing: ModuleType, write: Callable[[str, str], Path], root: Path) -> None:
    text = (root / "implementations" / "numpy_manual.py").read_text(encoding="utf-8")
    registry = discover([write("brand_new.py", text.replace('"numpy_manual"', '"brand_new"'))])
    names = [case.name for case in timing.timed_cases(registry) if case.implementation.name == "brand_new"]
    assert names == [f"brand_new-numpy-{phase}" for phase in ("forward", "backward", "update", "step")]


def test_what_is_wrong_is_not_timed(timing: ModuleType, write: Callable[[str, str], Path], root: Path) -> None:
    text = (root / "implementations" / "numpy_manual.py").read_text(encoding="utf-8")
    wrong = text.replace('"numpy_manual"', '"wrong"').replace("2.0 * (y_pred", "2.02 * (y_pred")
    assert wrong.count("2.02") == 1
    (case, *_) = (each for each in timing.timed_cases(discover([write("wrong.py", wrong)])) if "wrong" in each.name)
    with pytest.raises(
        AssertionError, match=r"wrong-numpy-forward is not timed: the gradient of w[12] is off by 1.0e-02"
    ):
        timing.verified_step(case, timing.opened(case.backend))


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def step(log: list[str]) -> Step:
    """A step that only says what it does."""
    stages = [Stage(phases, lambda name=str(phases[0])[0]: log.append(name)) for phases in (FORWARD, BACKWARD, UPDATE)]
    return Step(tuple(stages), lambda: State(0.0, {}), lambda: log.append("reset"))


@pytest.mark.parametrize(("index", "timed"), [(0, "F"), (1, "B"), (2, "U")])
def test_each_phase_is_timed_at_its_place_in_a_whole_course(
    timing: ModuleType, step: Step, log: list[str], index: int, timed: str
) -> None:
    """Three steps a course: then training starts over, and the first step after that is not timed."""
    turns = timing.Turns(Course(step, steps=3), step.stages, index, lambda: log.append("wait"))
    for _ in range(6):
        turns.bring()
        assert log[-1] == "wait", "nothing is on its way when the timing begins"
        step.stages[index].run()
        log[-1] = timed  # the call that is timed
    turns.finish()
    turns.finish()
    course = "".join(entry for entry in log if entry != "wait").replace("reset", "|")
    steps = course.upper().split("|")
    assert steps == ["FBU" * 3, "FBU" * 3, "FBU" * 2]
    assert [part.count(timed) for part in course.split("|")] == [3, 2, 1]


def test_a_whole_step_is_a_stage_by_itself(timing: ModuleType, step: Step, log: list[str]) -> None:
    whole = (Stage(FORWARD + BACKWARD + UPDATE, step),)
    turns = timing.Turns(Course(step, steps=3), whole, 0, lambda: None)
    for _ in range(4):
        turns.bring()
        whole[0].run()
    turns.finish()
    assert "".join(log) == "fbu" * 3 + "reset" + "fbu" * 2


def test_a_device_behind_the_hosts_back_is_waited_for_inside_the_timing(timing: ModuleType, log: list[str]) -> None:
    def device(stream: Any) -> Device:
        return Device("cuda", "", 1, None, lambda array: array, lambda: log.append("wait"), stream=stream)

    timing.finished(lambda: log.append("run"), device(None))()
    assert log == ["run"]
    timing.finished(lambda: log.append("run"), device(object()))()
    assert log == ["run", "run", "wait"]
