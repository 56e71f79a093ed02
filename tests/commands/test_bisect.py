"""`bench bisect` as a user runs it, in a repository whose history gets slower.

In most tests the log ratios of pairs are made up: how slow a commit is stands in a file of it. All else is real.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.analysis.rule import FamilyVerdict, Statistic, Verdict
from bench.analysis.verdict import Family, PairedColumn, judge
from bench.data.pairs import PAIRS
from bench.data.schema import STEP
from bench.errors import StorageError
from bench.machine.environment import machine_facts
from bench.run import bisect
from bench.run.ab import Decided
from bench.run.contest import Comparison
from bench.run.matching import Match

PAIRS_EACH = 20
Commit = Callable[..., str]


class Measuring:
    """Stands for `compare_sides`: a case is as slow as the commit's file `NAME.speed` says, `?` for nobody knows."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.alphas: list[float] = []
        self.cases: list[list[str]] = []
        self.sharing: list[str] = []
        self.interrupt_at: int | None = None
        """The comparison that Ctrl-C comes in."""

    def __call__(self, sides: Any, match: Match, watcher: Any, terms: Any) -> Comparison:
        trees = [Path(side.path[0]) for side in sides]
        self.subjects.append((trees[1] / "subject").read_text())
        self.alphas.append(terms.criteria.alpha)
        self.sharing.append(terms.sharing)
        self.cases.append([case.label for case in match.cases] + sorted(match.unmatched))
        terms.out.mkdir(parents=True)
        (terms.out / PAIRS).write_text("header\n" + "a pair\n" * len(match.cases))
        if len(self.subjects) == self.interrupt_at:
            raise KeyboardInterrupt
        found = [self.judged(case, *trees, terms) for case in match.cases]
        found += [FamilyVerdict(name, Verdict.INVALID, why, ()) for name, why in match.unmatched.items()]
        labels = (sides[0].label, sides[1].label)
        cases = tuple(Decided(each, 1) for each in found)
        return Comparison(terms.out, "2026-01-01T00:00:00+00:00", labels, terms.criteria, cases, {}, 1.0, 1)

    def judged(self, case: Any, good: Path, tree: Path, terms: Any) -> FamilyVerdict:
        name = f"{case.case.implementation}.speed"
        told = (tree / name).read_text()
        if told == "?":
            return FamilyVerdict(case.label, Verdict.INCONCLUSIVE, "who knows", ())
        factor = float(told) / float((good / name).read_text())
        logs = np.log(factor) + np.random.default_rng(PAIRS_EACH).normal(0, 0.002, PAIRS_EACH)
        column = PairedColumn(STEP, dict.fromkeys(Statistic, logs))
        return judge([Family(case.label, PAIRS_EACH, (column,))], 0, terms.criteria)[0]


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Measuring:
    made = Measuring()
    monkeypatch.setattr(bisect, "compare_sides", made)
    return made


@pytest.fixture
def history(repository: Any, step_file: Callable[..., str]) -> Iterator[Commit]:
    """Make a branch of commits, each from the speed of `tiny` or the files it changes; the first is tagged `good`."""
    count = 0

    def make(*speeds: str | dict[str, str | None]) -> str:
        nonlocal count
        if not count:
            repository.git("checkout", "-q", "--orphan", "work")
            repository.write({"implementations/tiny.py": step_file(), "lib/knob.py": "def turn():\n    pass\n"})
        for speed in speeds:
            files = {"tiny.speed": speed} if isinstance(speed, str) else speed
            repository.write({"subject": f"c{count}", **files})
            repository.git("add", "-A")
            repository.git("commit", "-q", "-m", f"c{count}")
            if not count:
                repository.git("tag", "good")
            count += 1
        return str(repository.git("rev-parse", "HEAD"))

    yield make
    repository.git("checkout", "-q", "--force", "--detach", "base")
    repository.git("branch", "-q", "-D", "work")
    repository.git("tag", "-d", "good")


def search(repository: Any, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON of a search from `good` to `work`."""
    done = repository.bench("bisect", "good", "work", "--json", "--out", repository.out(), *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def first(told: dict[str, Any]) -> list[str]:
    return [each["subject"] for each in told["first_slow"]]


# --- what is found ------------------------------------------------------------------------------------------------


def test_the_first_slow_commit_is_found_each_compared_with_good(
    repository: Any, history: Commit, measuring: Measuring
) -> None:
    history("1", "1", "1.01", "0.9", "1", "1.2", "1.2", "1.21", "1.2")
    code, told = search(repository)
    assert (code, first(told)) == (0, ["c5"])
    assert measuring.subjects == ["c8", "c4", "c6", "c5"]
    assert set(measuring.alphas) == {0.01 / 8}  # four tests find it, and four more might stay open
    assert [each["commit"]["subject"] for each in told["tested"]] == measuring.subjects
    assert {each["folder"][:2] for each in told["tested"]} == {"01", "02", "03", "04"}


def test_a_decision_that_cannot_be_written_counts_all_the_same(
    repository: Any, history: Commit, measuring: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    history("1", "1", "1.2")
    write = bisect.write_atomically

    def full_later(path: Path, content: str) -> None:
        if measuring.subjects:
            raise StorageError(f"{path} cannot be written")
        write(path, content)

    monkeypatch.setattr(bisect, "write_atomically", full_later)
    done = repository.bench("bisect", "good", "work", "--json", "--out", repository.out())
    assert (done.returncode, first(json.loads(done.stdout))) == (0, ["c2"])
    assert done.stderr.count("Warning: ") == 2


def test_the_table_shows_every_step_and_the_conclusion_says_that_there_are_two(
    repository: Any, history: Commit, measuring: Measuring
) -> None:
    history("1", "1", "1.1", "1.1", "1.3")
    done = repository.bench("bisect", "good", "work", "--out", repository.out())
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    tested = [repository.git("rev-parse", f"work~{back}")[:9] for back in (3, 2, 0)]
    shown = {line.split()[2]: line for line in lines if line[:9] in tested and line[9:11] == "  "}
    assert list(shown) == ["c1", "c2", "c4"]
    assert "+10." in shown["c2"]
    assert "+30." in shown["c4"]
    assert any(line.startswith(f"The first slow commit is {tested[1]} (") and line.endswith(" c2") for line in lines)
    assert f"bench bisect {tested[1]} {tested[2]}" in lines
    assert "in the whole search is at most 1%: each commit was tested at 0.167%" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_what_does_not_load_is_passed_over_and_named_and_takes_no_part_of_alpha(
    repository: Any, history: Commit, measuring: Measuring, step_file: Callable[..., str]
) -> None:
    broken = {"implementations/tiny.py": "from bench import implementation, x\n@implementation"}
    history("1", "1", *[broken] * 8, {"implementations/tiny.py": step_file(), "tiny.speed": "2"}, "2.1")
    done = repository.bench("bisect", "good", "work", "--out", repository.out())
    assert done.returncode == 3
    assert len(measuring.subjects) == 11  # ten may be measured
    _, _, conclusion = done.stdout.partition("The first slow commit is one of:\n\n")
    named = [line.split()[-1] for line in conclusion.splitlines()[:9]]
    assert named == [f"c{number}" for number in range(2, 11)]
    assert done.stdout.count(" INVALID ") == 8
    assert done.stdout.count("does not import") == 8


@pytest.mark.slow
def test_what_stays_inconclusive_is_passed_over_until_the_risk_is_spent(
    repository: Any, history: Commit, measuring: Measuring
) -> None:
    history("1", *["?"] * 15, "2")
    out = repository.out()
    done = repository.bench("bisect", "good", "work", "--json", "--out", out)
    assert (done.returncode, len(first(json.loads(done.stdout)))) == (3, 16)
    assert len(measuring.subjects) == 10  # twice the five that would find it
    done = repository.bench("bisect", "--resume", out)
    assert len(measuring.subjects) == 10
    assert "No more commits may be measured at that risk" in " ".join(done.stdout.split())


@pytest.mark.parametrize(("speed", "status", "word"), [("1", 3, "PASS"), ("?", 3, "INCONCLUSIVE")])
def test_nothing_is_searched_for_if_bad_is_not_surely_slower(
    repository: Any, history: Commit, measuring: Measuring, speed: str, status: int, word: str
) -> None:
    history("1", "2", "2", speed)
    code, told = search(repository)
    assert (code, first(told), len(measuring.subjects)) == (status, [], 1)
    assert told["tested"][0]["cases"][0]["verdict"]["verdict"] == word


def test_a_bad_commit_that_does_not_load_cannot_be_searched_by(
    repository: Any, history: Commit, measuring: Measuring
) -> None:
    history("1", "2", {"implementations/tiny.py": "from bench import implementation, x\n@implementation\n"})
    assert search(repository)[0] == 4


def test_only_the_cases_that_are_slow_in_bad_are_watched(
    repository: Any, history: Commit, measuring: Measuring, step_file: Callable[..., str]
) -> None:
    other = {"implementations/other.py": step_file("other"), "other.speed": "1"}
    history({"tiny.speed": "1", **other}, {"other.speed": "9"}, {"implementations/other.py": "@implementation("})
    history("1", "3", {**other, "tiny.speed": "3.1"})
    code, told = search(repository)
    assert (code, first(told)) == (0, ["c4"])
    assert measuring.cases[0] == ["other on numpy", "tiny on numpy"]
    assert {name for each in measuring.cases[1:] for name in each} == {"tiny on numpy"}


# --- going on -----------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_was_decided_and_the_search_goes_on(
    repository: Any, history: Commit, measuring: Measuring
) -> None:
    history("1", *["1"] * 5, *["1.5"] * 11)
    out, measuring.interrupt_at = repository.out(), 3
    done = repository.bench("bisect", "good", "work", "--no-wait", "--out", out)
    assert done.returncode == 130
    assert f"bench bisect --resume {out}" in done.stderr
    assert measuring.subjects == ["c16", "c8", "c4"]
    measuring.interrupt_at = None
    # What the branch is by now does not matter, nor the folder: the commits are kept.
    repository.git("commit", "-q", "--allow-empty", "-m", "later")
    done = repository.bench("bisect", "--resume", out, "--budget", "1m", "--json", cwd=repository.top / "lib")
    assert (done.returncode, first(json.loads(done.stdout))) == (0, ["c6"])
    assert measuring.subjects[3:] == ["c4", "c6", "c5"]
    assert measuring.sharing == ["refuse"] * 3 + ["wait"] * 3, "who else measures is asked anew"
    assert sorted(path.name[:2] for path in out.iterdir() if path.is_dir()) == ["01", "02", "03", "04", "05", "06"]
    again = repository.bench("bisect", "--resume", out, "--json")
    assert (again.returncode, first(json.loads(again.stdout))) == (0, ["c6"])
    assert len(measuring.subjects) == 6


def test_a_folder_gets_no_file_loaded_and_no_commit_checked_out_that_is_not_of_the_search(
    repository: Any, history: Commit, measuring: Measuring, error: Callable[..., str]
) -> None:
    history("1", "1", "2")
    out, load, measuring.interrupt_at = repository.out(), repository.top / "implementations" / "tiny.py", 1
    command = f"bench bisect --resume {out} --load {load}"
    assert command in repository.bench("bisect", "good", "work", "--load", load, "--out", out).stderr
    measuring.interrupt_at = None
    assert f"give `{command}`" in error(repository.bench("bisect", "--resume", out))
    path, other = out / bisect.SEARCH, repository.git("rev-parse", "base")
    kept = path.read_text()
    for name in (other, "--output=evil"):
        told = json.loads(kept)
        told["commits"][0]["name"] = name
        path.write_text(json.dumps(told))
        assert f"{out} names commits otherwise" in error(repository.bench("bisect", "--resume", out, "--load", load))
    assert len(measuring.subjects) == 1
    path.write_text(kept)
    done = repository.bench("bisect", "--resume", out, "--load", load, "--json")
    assert (done.returncode, first(json.loads(done.stdout))) == (0, ["c2"])


@pytest.mark.slow
def test_an_interrupted_comparison_has_taken_its_part_of_alpha(
    repository: Any, history: Commit, measuring: Measuring
) -> None:
    history("1", "?", "2")
    out = repository.out()
    for number in range(1, 5):  # four comparisons may measure anything
        how = ("--resume", out) if out.exists() else ("good", "work", "--out", out)
        measuring.interrupt_at = max(number + 1, 2)
        assert repository.bench("bisect", *how).returncode == (130 if number < 4 else 3)
    assert len(measuring.subjects) == 4


def test_a_search_of_another_machine_or_without_its_file_is_refused(
    repository: Any,
    history: Commit,
    measuring: Measuring,
    error: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    history("1", "2")
    out = repository.out()
    assert repository.bench("bisect", "good", "work", "--out", out).returncode == 0
    facts = machine_facts()
    monkeypatch.setattr("bench.run.circumstances.machine_facts", lambda: {**facts, "cpu": "Another 9000"})
    assert "cpu: " in error(repository.bench("bisect", "--resume", out))
    assert "is not the folder of a search" in error(repository.bench("bisect", "--resume", tmp_path))
    (out / bisect.SEARCH).write_text("{}")
    assert f"{out / bisect.SEARCH} is damaged at manifest" in error(repository.bench("bisect", "--resume", out))


# --- wrong use ----------------------------------------------------------------------------------------------------


def test_wrong_use_is_one_sentence_and_leaves_nothing(
    repository: Any, history: Commit, measuring: Measuring, error: Callable[..., str]
) -> None:
    history("1", "2")
    for arguments, message in (
        ([], "GOOD and BAD are missing"),
        (["good"], "GOOD and BAD are missing"),
        (["good", "good"], "GOOD and BAD are the same commit"),
        (["work", "good"], "is no ancestor of BAD"),
        (["base", "work"], "is no ancestor of BAD"),
        (["godo", "work"], "There is no revision 'godo'"),
        (["good", "work", "-i", "tyni"], "did you mean 'tiny'?"),
        (["good", "work", "--margin", "5%"], "--margin is 0.05 and --tolerance 0.05"),
        (["good", "work", "--load", "elsewhere.py"], "There is no file elsewhere.py on either side"),
        (["good", "work", "--resume", "x"], "leave out good, bad"),
    ):
        out = repository.out()
        more = [] if "--resume" in arguments else ["--out", str(out)]
        assert message in error(repository.bench("bisect", *arguments, *more)), arguments
        assert not out.exists(), arguments


def test_what_a_commit_says_cannot_steer_a_terminal(repository: Any, history: Commit, measuring: Measuring) -> None:
    history("1", "2")
    repository.git("commit", "-q", "--amend", "-m", "slow \x1b[31m[bold]red[/bold]\x07")
    done = repository.bench("bisect", "good", "work", "--out", repository.out())
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr
    assert r"slow \x1b[31m[bold]red[/bold]\x07" in done.stdout


# --- and with real processes --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_planted_slowdown_is_found_past_a_commit_that_does_not_load(
    repository: Any, step_file: Callable[..., str], slow_knob: str, history: Commit
) -> None:
    """With the installed command and the criteria that a user gets; the backward phase is made several times slower."""
    broken = step_file().replace("return Step", "return return Step")
    history("", "a", {"implementations/tiny.py": broken}, {"implementations/tiny.py": step_file()})
    history({"lib/knob.py": slow_knob}, "b", "c")
    out = repository.out()
    command = [sys.executable, "-m", "bench", "bisect", "good", "work", "-i", "tiny", "--out", str(out), "--json"]
    small = ["--batch", "16", "--d-in", "64", "--hidden", "32", "--d-out", "4"]
    environment = {**repository.full_environment(), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(
        [*command, *small], cwd=repository.top, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert first(told) == ["c4"]
    assert json.loads((out / bisect.SEARCH).read_text())["tested"] == told["tested"]
    repository.check_clean()
