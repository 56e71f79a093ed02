"""The pytest plugin, in suites of their own: a small repository each, run by a pytest of its own."""

from __future__ import annotations

import importlib
import os
import random
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import ChildError
from bench.run.pairs import Pair, PairCase, SideTurn
from bench.run.pool import Pool

Suite = Callable[..., pytest.RunResult]

STEPS = """
import time
from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation
SPIN = {}

def register(name):
    @implementation(name, framework="numpy", workload="mlp_sgd")
    def build(problem, data, device):
        import numpy as np
        x, y = data.x, data.y
        w = {key: np.array(value) for key, value in data.parameters.items()}
        g, last = {}, {}
        def forward():
            last["h"] = x @ w["w1"]
            last["e"] = np.maximum(last["h"], 0) @ w["w2"] - y
            last["loss"] = float((last["e"] ** 2).sum())
        def backward():
            g["w2"] = np.maximum(last["h"], 0).T @ (2 * last["e"])
            g["w1"] = x.T @ np.where(last["h"] > 0, 2 * last["e"] @ w["w2"].T, 0)
            end = time.perf_counter_ns() + SPIN.get(name, 0)
            while time.perf_counter_ns() < end:
                pass
        def update():
            for key in w:
                w[key] -= data.learning_rate * g[key]
        def reset():
            for key in w:
                w[key][...] = data.parameters[key]
        state = lambda: State(last["loss"], {k: v.copy() for k, v in w.items()}, dict(g))
        return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
"""
SMALL = """
import dataclasses, functools
from bench.workloads import tutorial
from bench.run import contest, terms

contest.PAIR_POLICY = dataclasses.replace(contest.PAIR_POLICY, process_seconds=0.015, max_units=4)
terms.Terms = functools.partial(terms.Terms, sizes={'batch': 20, 'd_in': 16, 'hidden': 12, 'd_out': 8})
"""
"""A conftest.py that keeps real pairs small."""
LAST = """
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.name == "test_own")
"""
"""A conftest.py that reorders tests."""
HEAVY = (
    "bench.options.judging",
    "bench.output.content.verdicts",
    "bench.output.progress",
    "bench.run.ab",
)
NANOSECONDS = {"forward": 200_000, "backward": 300_000, "update": 100_000, "step": 600_000}
SLOWER = {"slowed": {"backward": 1.2, "step": 1.1}}
NOISE = {"noisy": 0.8}


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What the plugin imports, before a suite in this process does, which forgets at its end what it imported."""
    for name in HEAVY:
        importlib.import_module(name)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started: what pairs would have said is drawn, the same in each run."""
    chance = random.Random(4)  # noqa: S311 - chance, not secrecy

    def measure(rounds: object, pair: PairCase, seats: object) -> Pair:
        name = pair.case.implementation
        if name == "broken":
            raise ChildError("side B died by SIGSEGV")
        if name == "forbidden":
            raise OSError(28, "No space left on device", "pairs.csv")

        def turn(side: str) -> SideTurn:
            factors = SLOWER.get(name, {}) if side == "B" else {}
            noise = 1 + NOISE.get(name, 0.002) * chance.uniform(-1, 1)
            times = {phase: ns * factors.get(phase, 1) * noise for phase, ns in NANOSECONDS.items()}
            return SideTurn(times, times)

        return Pair(tuple({side: turn(side) for side in "AB"} for _ in range(8)))

    monkeypatch.setattr("bench.run.contest.measure_pair", measure)
    monkeypatch.setattr(Pool, "start", lambda self, backends: None)


def steps(*names: str, spin: dict[str, int] | None = None) -> str:
    """A file that registers steps, some with a delay in backward, in nanoseconds."""
    return STEPS.replace("SPIN = {}", f"SPIN = {spin or {}}") + "".join(f"register({name!r})\n" for name in names)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, root: Path) -> Suite:
    """Make a repository whose `main` holds `before`, change it to `now`, and run its suite with the plugin.

    It does so in this process, unless `apart` asks for one of its own.
    """
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])]))
    # Only what is named, so that it is the same whether the entry point of this package is installed or not.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(
        *arguments: str,
        before: str,
        now: str,
        conftest: str = LAST,
        file: str = "steps.py",
        apart: bool = False,
    ) -> object:
        path = pytester.path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(before, encoding="utf-8")
        pytester.makeconftest(conftest)
        pytester.makepyfile(test_own="def test_own():\n    pass\n")
        git(pytester.path, "init", "--quiet", "--initial-branch", "main")
        git(pytester.path, "add", ".")
        git(pytester.path, "commit", "--quiet", "--message", "before")
        path.write_text(now, encoding="utf-8")
        started = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return started("-p", "bench.pytest_plugin", *arguments)

    return run


def worktrees(folder: Path) -> int:
    done = subprocess.run(["git", "worktree", "list"], cwd=folder, check=True, capture_output=True, text=True)
    return len(done.stdout.splitlines())


@pytest.mark.slow
def test_a_planted_delay_fails_and_names_its_phase(suite: Suite, pytester: pytest.Pytester) -> None:
    """With real processes; what was freed of a delay passes, whatever the machine does meanwhile."""
    found = suite(
        *("-v", "--bench-gate", "main", "--bench-gate-pairs", "22", "--bench-gate-tolerance", "50%"),
        before=steps("slowed", "freed", spin={"freed": 300_000}),
        now=steps("slowed", "freed", spin={"slowed": 300_000}),
        conftest=SMALL,
        file="implementations/steps.py",
        apart=True,
    )
    found.assert_outcomes(passed=2, failed=1)
    assert found.ret == pytest.ExitCode.TESTS_FAILED
    found.stdout.fnmatch_lines(
        [
            "test_own.py::test_own PASSED*",
            "stepbench::slowed on numpy FAILED*",
            "stepbench::freed on numpy PASSED*",
            "REGRESSION: slower in backward +*",
            "step: REGRESSION: the minimum is slower by *",
            "*stepbench: working tree against main*",
            "PASS*freed on numpy: -*",
        ]
    )
    assert worktrees(pytester.path) == 1, "the revision's checkout is gone"
    assert list(pytester.path.glob("results/ab-*/pairs.csv")), "what was measured is kept"


@pytest.mark.usefixtures("simulated")
def test_each_verdict_is_a_test_after_the_suites_own(suite: Suite, pytester: pytest.Pytester) -> None:
    found = suite(
        *("--bench-gate", "main", "--bench-gate-load", "steps.py", "--junitxml", "verdicts.xml"),
        before=steps("slowed", "same", "noisy", "broken", "gone"),
        now=steps("slowed", "same", "noisy", "broken"),
    )
    found.assert_outcomes(passed=2, failed=4)
    found.stdout.fnmatch_lines(["test_own.py . *", "stepbench *"])
    found.stdout.no_fnmatch_line("*Traceback*")
    written = ElementTree.parse(pytester.path / "verdicts.xml")  # noqa: S314 - our own file
    cases = {case.get("name"): case for case in written.iter("testcase")}
    assert list(cases) == ["test_own", *(f"{name} on numpy" for name in ("slowed", "same", "noisy", "broken", "gone"))]
    assert {case.get("classname") for name, case in cases.items() if name != "test_own"} == {"stepbench"}
    said = {name: failure.text for name, case in cases.items() if (failure := case.find("failure")) is not None}
    assert set(said) == {f"{name} on numpy" for name in ("slowed", "noisy", "broken", "gone")}
    first, *others = said["slowed on numpy"].splitlines()
    assert first.startswith("REGRESSION: slower in backward +")
    assert "update" not in first
    assert [line.split(": ")[:2] for line in others] == [
        ["step", "REGRESSION"],
        ["forward", "PASS"],
        ["backward", "REGRESSION"],
        ["update", "PASS"],
    ]
    assert said["noisy on numpy"].startswith("INCONCLUSIVE: step: the slowdown of the minimum is between ")
    assert said["broken on numpy"] == "INVALID: side B died by SIGSEGV"
    assert said["gone on numpy"] == "INVALID: side B (working tree) does not have it"
    assert found.stderr.str().count("Starting numpy") == 1, "measured once for all of them"


@pytest.mark.usefixtures("simulated")
def test_what_is_open_may_be_allowed_and_only_chosen_cases_are_measured(suite: Suite) -> None:
    """A time limit for tests does not end the comparison, which has its own."""
    found = suite(
        *("-p", "pytest_timeout", "--timeout", "0.001", "-rs", "-k", "stepbench and (noisy or same)"),
        *("--bench-gate", "main", "--bench-gate-load", "steps.py", "--bench-gate-allow-inconclusive"),
        before=steps("slowed", "same", "noisy"),
        now=steps("slowed", "same", "noisy"),
    )
    found.assert_outcomes(passed=1, skipped=1, deselected=2)
    assert found.ret == pytest.ExitCode.OK
    found.stdout.fnmatch_lines(["*SKIPPED*INCONCLUSIVE: step: *", "* 1 passed, 1 skipped, 2 deselected*"])
    found.stdout.fnmatch_lines(["INCONCLUSIVE noisy on numpy*"])
    found.stdout.no_fnmatch_line("*slowed*")


@pytest.mark.usefixtures("simulated")
def test_what_is_unchanged_passes_with_a_wide_tolerance(suite: Suite) -> None:
    found = suite(
        *("--bench-gate", "main", "--bench-gate-load", "steps.py"),
        *("--bench-gate-pairs", "8", "--bench-gate-tolerance", "60%"),
        before=steps("noisy"),
        now=steps("noisy"),
    )
    found.assert_outcomes(passed=2)
    found.stdout.fnmatch_lines(["PASS*noisy on numpy*detectable*", "*PASS: surely not slower by more than 60%*"])
    found.stderr.fnmatch_lines(["*8 pairs of noisy*"])


@pytest.mark.usefixtures("simulated")
def test_a_budget_that_is_too_small_says_which_option_to_raise(suite: Suite) -> None:
    found = suite(
        *("--bench-gate", "main", "--bench-gate-load", "steps.py", "--bench-gate-budget", "1ms"),
        before=steps("noisy"),
        now=steps("noisy"),
    )
    found.assert_outcomes(passed=1, failed=1)
    found.stdout.fnmatch_lines(["INCONCLUSIVE: * the budget has no room for its next pairs: raise --bench-gate-budget"])


@pytest.mark.usefixtures("simulated")
def test_a_comparison_that_breaks_off_fails_every_case_and_is_not_tried_again(suite: Suite) -> None:
    found = suite(
        *("--bench-gate", "main", "--bench-gate-load", "steps.py", "--bench-gate-implementation", "forbidden,same"),
        before=steps("forbidden", "same", "slowed"),
        now=steps("forbidden", "same", "slowed"),
    )
    found.assert_outcomes(passed=1, failed=2)
    found.stdout.fnmatch_lines(["The comparison broke off (*No space left on device*): free space *"] * 2)
    found.stdout.no_fnmatch_line("*Traceback*")
    assert found.stderr.str().count("Starting numpy") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bench-gate", "nowhere", "--bench-gate-load", "steps.py"], "There is no revision 'nowhere' in *"),
        (["--bench-gate", "main"], "*: name the files that hold them with --bench-gate-load."),
        (
            ["--bench-gate", "main", "--bench-gate-budget", "soon"],
            "*'soon' is not a time from 1ms to 168h*",
        ),
        (["--bench-gate", "main", "--bench-gate-tolerance", "1%"], "*margin is 0.01 and --bench-gate-tolerance 0.01:*"),
        (
            ["--bench-gate", "main", "--bench-gate-tolerance", "0%"],
            "*'0%' is not a share from 0.0001% to*",
        ),
        (
            ["--bench-gate", "main", "--bench-gate-pairs", "3"],
            "*--bench-gate-pairs: '3' is not a whole number from 7 to 10000.",
        ),
    ],
    ids=["revision", "load", "budget", "criteria", "tolerance", "pairs"],
)
def test_wrong_use_is_one_sentence(suite: Suite, arguments: list[str], message: str) -> None:
    found = suite(*arguments, before=steps("same"), now=steps("same"), conftest="")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines([f"*{message}"])
    assert "Traceback" not in found.stderr.str() + found.stdout.str()


def test_it_does_not_measure_beside_xdist(suite: Suite) -> None:
    """A double of the option that `-n 2` sets."""
    conftest = "def pytest_addoption(parser): parser.addoption('--tx', action='append')\n"
    arguments = ["--tx", "popen", "--bench-gate", "main", "--bench-gate-load", "steps.py"]
    found = suite(*arguments, before=steps("same"), now=steps("same"), conftest=conftest)
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["*needs the machine for itself: run it without -n."])


def test_without_the_option_nothing_happens(suite: Suite) -> None:
    test = "import sys\ndef pytest_sessionfinish():\n    print('HEAVY', sorted(HEAVY & set(sys.modules)))\n"
    heavy = "HEAVY = {'numpy', 'pandas', 'pydantic', 'torch', 'click', 'rich', 'matplotlib'}\n"
    found = suite(
        *("-s", "--bench-gate-load", "nowhere.py"),
        before=steps("same"),
        now=steps("same"),
        conftest=test + heavy,
        apart=True,
    )
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["*HEAVY []"])
    found.stdout.no_fnmatch_line("*stepbench*")


def test_the_module_alone_imports_nothing_heavy() -> None:
    code = "import sys, bench.pytest_plugin; print({'numpy', 'pandas', 'pydantic', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_it_is_an_entry_point_of_this_package(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"stepbench": "bench.pytest_plugin"}
