"""`bench ab` as a user runs it: real processes, real revisions, a real slowdown.

Nothing here asserts on how long anything takes, but for a delay that is several times the step.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from bench.data.pairs import PAIRS

Quick = tuple[str, ...]


def compare(repository: Any, *arguments: str | Path, **environment: str) -> tuple[int, dict[str, Any]]:
    """Exit status and verdicts of a comparison."""
    out = repository.out()
    done = repository.bench("ab", *arguments, "--json", "--out", out, **environment)
    told = json.loads(done.stdout)
    kept = json.loads((out / "verdicts.json").read_text())
    assert kept == {name: value for name, value in told.items() if name not in ("machine", "calibration")} | {
        "machine": kept["machine"]
    }
    return done.returncode, told


# --- revisions ----------------------------------------------------------------------------------------------------


def test_a_slowdown_between_two_revisions_is_found_and_its_phase_named_first(
    repository: Any, quick: Quick, root: Path
) -> None:
    """Only a module that the implementation imports differs, and PYTHONPATH names a third one that would be wrong."""
    repository.write({"lib/knob.py": "raise ImportError('this is the working tree')\n"})
    try:
        out = repository.out()
        done = repository.bench("ab", "base", "slow", *quick, "--out", out, PYTHONPATH=f"{root}:{repository.top}")
    finally:
        repository.git("checkout", "-q", "--", "lib/knob.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^REGRESSION +tiny on numpy ", done.stdout, flags=re.MULTILINE)
    told = json.loads((out / "verdicts.json").read_text())
    (case,) = told["cases"]
    assert case["looks"] == 1
    assert case["changed"][0]["phase"] == "backward"
    assert case["changed"][0]["seconds"] > 100e-6  # 150 µs were planted
    assert f"A is base ({repository.git('rev-parse', 'base')[:9]}), B is slow (" in done.stdout
    frame = pd.read_csv(out / PAIRS)
    assert set(frame["side"]) == {"A", "B"}
    assert frame.groupby("stage")["pair"].nunique().to_dict() == {1: 7}


@pytest.mark.parametrize(
    ("revision", "reason"),
    [
        ("wrong", "side B is wrong: the gradient of w1 is off by"),
        ("syntax", "implementations/tiny.py does not import: SyntaxError: invalid syntax"),
    ],
)
def test_a_broken_revision_is_never_a_pass_and_says_why(
    repository: Any, quick: Quick, revision: str, reason: str
) -> None:
    code, told = compare(repository, "base", revision, *quick, "-i", "tiny")
    assert (code, told["verdict"]) == (4, "INVALID")
    (case,) = told["cases"]
    assert reason in case["verdict"]["reason"]
    assert "side B" in case["verdict"]["reason"]
    assert str(repository.temporary) not in case["verdict"]["reason"]


def test_an_implementation_that_replaces_another_is_not_compared_with_it(repository: Any, quick: Quick) -> None:
    code, told = compare(repository, "base", "gone", *quick)
    assert code == 4
    reasons = {case["verdict"]["name"]: case["verdict"]["reason"] for case in told["cases"]}
    assert set(reasons) == {"tiny on numpy", "other on numpy"}
    assert "side A (base" in reasons["other on numpy"]
    assert "side B (gone" in reasons["tiny on numpy"]


def test_a_revision_that_does_not_exist_is_named(repository: Any, error: Callable[..., str], tmp_path: Path) -> None:
    message = error(repository.bench("ab", "bsae"))
    assert f"no revision 'bsae' in {repository.top}" in message
    assert "There is no revision 'v9'" in error(repository.bench("ab", "base", "v9"))
    assert not (repository.top / "results").exists()


def test_outside_a_repository(repository: Any, error: Callable[..., str], tmp_path: Path) -> None:
    assert f"{tmp_path} is in no git repository" in error(repository.bench("ab", "main", cwd=tmp_path))


def test_an_output_folder_in_use_is_refused(repository: Any, error: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "has something in it already" in error(repository.bench("ab", "base", "--out", tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_leaves_no_worktree_and_nobody_behind(
    repository: Any, quick: Quick, how: signal.Signals
) -> None:
    command = [str(Path(sys.executable).with_name("bench")), "ab", "base", "same", *quick]
    command += ["--pairs", "500", "--budget", "1h", "--out", str(repository.out())]
    with subprocess.Popen(
        command,
        cwd=repository.top,
        env=repository.full_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "pairs of tiny on numpy" in line:
                break
        assert len(repository.git("worktree", "list").splitlines()) == 3
        children = psutil.Process(running.pid).children(recursive=True)
        for _ in range(2):  # the second, as a shell may send it, must not end the tidying up
            running.send_signal(how)
        running.wait(60)
    assert running.returncode == 130
    repository.check_clean()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


# --- a repository without implementations/, and files of one's own ------------------------------------------------


@pytest.fixture(scope="module")
def plain(repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A repository with one file of a step somewhere."""
    folder = tmp_path_factory.mktemp("plain")
    for name in ("repo", "tmp", "out"):
        (folder / name).mkdir()
    made = type(repository)(
        folder / "repo", folder / "tmp", folder / "out", repository.here, environment=repository.environment
    )
    made.git("init", "-q", "-b", "main")
    source = (repository.top / "implementations" / "tiny.py").read_text().replace('"tiny"', '"mine"')
    made.commit("v1", {"src/mine.py": source.replace("from lib.knob import turn", "def turn(): pass")})
    return made


def test_a_loaded_file_that_did_not_change_passes(plain: Any, quick: Quick) -> None:
    code, told = compare(plain, "v1", "--load", "src/mine.py", *quick)
    assert (code, told["verdict"], told["b"]) == (0, "PASS", "working tree")
    (case,) = told["cases"]
    assert case["verdict"]["name"] == "mine on numpy"
    columns = {column["name"]: column["evidence"] for column in case["verdict"]["columns"]}
    assert list(columns) == ["step", "forward", "backward", "update"]
    assert all(each["pairs"] == 7 and each["high"] < 0.95 for evidence in columns.values() for each in evidence)
    assert told["calibration"] is None
    assert told["threads"] == 1


def test_without_the_folder_or_from_outside_it_is_refused(
    plain: Any, repository: Any, error: Callable[..., str]
) -> None:
    assert "name the files that hold them with --load" in error(plain.bench("ab", "v1"))
    outside = repository.top / "implementations" / "tiny.py"
    assert f"{outside} is outside the repository {plain.top}" in error(plain.bench("ab", "v1", "--load", outside))


# --- implementations and interpreters -----------------------------------------------------------------------------


@pytest.mark.slow
def test_two_implementations_of_one_workload(
    repository: Any, quick: Quick, step_file: Any, slow_knob: str, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(step_file("slow", slow_knob))
    code, told = compare(repository, "numpy_manual", "slow", "--load", tmp_path / "slow.py", *quick)
    assert (code, told["verdict"]) == (1, "REGRESSION")
    (case,) = told["cases"]
    assert case["verdict"]["name"] == "numpy_manual / slow on numpy"
    assert case["changed"][0]["phase"] == "backward"
    assert (told["a"], told["b"]) == ("numpy_manual", "slow")


def test_two_implementations_of_different_workloads_or_one_that_is_unknown(
    repository: Any, error: Callable[..., str]
) -> None:
    message = error(repository.bench("ab", "numpy_manual", "numpy_adam"))
    assert "numpy_manual computes mlp_sgd and numpy_adam mlp_bias_adam" in message
    assert "did you mean 'numpy_adam'?" in error(repository.bench("ab", "numpy_manual", "numpy_adma"))


def test_the_same_interpreter_twice(repository: Any, quick: Quick) -> None:
    python = ("--python-a", sys.executable, "--python-b", sys.executable)
    code, told = compare(repository, *python, "-i", "numpy_manual", *quick)
    assert (code, told["verdict"]) == (0, "PASS")
    assert (told["a"], told["b"]) == (sys.executable, sys.executable)


def test_an_interpreter_that_does_not_exist_is_named_with_its_side(repository: Any, quick: Quick) -> None:
    python = ("--python-a", sys.executable, "--python-b", "nowhere/bin/python")
    code, told = compare(repository, *python, "-i", "numpy_manual", *quick)
    assert (code, told["verdict"]) == (4, "INVALID")
    (case,) = told["cases"]
    assert (
        "side B failed: nowhere/bin/python cannot be started (No such file or directory)" in case["verdict"]["reason"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is nothing to compare: give a revision"),
        (["--python-a", "python3"], "--python-a and --python-b belong together"),
        (["main", "--python-a", "x", "--python-b", "y"], "--python-a and --python-b belong together"),
        (["base", "--margin", "5%"], "--margin is 0.05 and --tolerance 0.05"),
        (["base", "-i", "tyni"], "There is no implementation 'tyni' on either side: did you mean 'tiny'?"),
    ],
)
def test_wrong_use_is_one_sentence(
    repository: Any, error: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in error(repository.bench("ab", *arguments))
