"""`bench compare`: stored runs against each other."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.data.store import read_manifest

Run = Callable[..., subprocess.CompletedProcess[str]]
Error = Callable[..., str]
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def stored(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A run made by hand: so many processes a case, with its slowdown, evenly spread; None for a case that failed."""

    def make(cases: dict[str, float | None], spread: float = 0.004, processes: int = 10, **manifest: Any) -> Path:
        made = build.HandMade(tmp_path_factory.mktemp("stored") / "run")
        for name, slowdown in cases.items():
            case = made.plan(name)
            for number in range(processes):
                seconds = 1e-3 * (1 + (slowdown or 0.0)) * (1 + spread * (number - 4.5))
                times = {"step": [seconds], "phases": {"backward": [seconds / 2]}}
                fine = slowdown is not None or number < 9
                made.process(case, number, **times, **({} if fine else {"status": "failed", "reason": "it died"}))
        folder: Path = made.write(**manifest)
        return folder

    return make


def test_compare_judges_stored_runs_and_exits_by_the_worst_verdict(here: Run, stored: Make, tmp_path: Path) -> None:
    a = stored({"one": 0.0, "two": 0.0})
    xml = tmp_path / "verdicts.xml"
    done = here("compare", a, stored({"one": 0.001, "two": 0.2}), "--junit", xml)
    assert done.returncode == 1, done.stderr
    assert re.search(
        r"^REGRESSION +two on numpy, mlp_sgd .* backward \+20.0%, \+[0-9.]+% of the step$", done.stdout, re.MULTILINE
    )
    assert re.search(r"^PASS +one on numpy", done.stdout, re.MULTILINE)
    assert "less certain than `bench ab`" in done.stdout
    assert f"wrote {xml}" in done.stderr
    assert 'failures="1"' in xml.read_text()
    chosen = here("compare", a, stored({"one": 0.001, "two": 0.2}), "-i", "one", "--json")
    assert chosen.returncode == 0
    (case,) = json.loads(chosen.stdout)["cases"]
    assert (case["name"], case["columns"]["size.hidden"]) == ("one on numpy, mlp_sgd", 100)
    broken = here("compare", a, stored({"one": 0.001, "two": None}))
    assert broken.returncode == 4
    assert re.search("INVALID: two on numpy, .* run B: it died", " ".join(broken.stdout.split()))


def test_compare_leaves_open_what_it_cannot_tell(here: Run, stored: Make) -> None:
    a, b = stored({"one": 0.0}, spread=0.1), stored({"one": 0.001}, spread=0.1)
    assert here("compare", a, b).returncode == 3
    done = here("compare", a, b, "--allow-inconclusive", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"] == "INCONCLUSIVE"
    wide = here("compare", a, b, "--tolerance", "90%", "--alpha", "5%", "--json")
    assert (wide.returncode, json.loads(wide.stdout)["criteria"]["tolerance"]) == (0, 0.9)
    one = stored({"one": 0.0}, processes=1)
    few = here("compare", one, one)
    assert few.returncode == 3
    assert "1 against 1 processes give no bound, 5 of each run do" in " ".join(few.stdout.split())


def test_compare_refuses_other_machines_and_versions_unless_it_is_only_to_describe(
    here: Run, error: Error, stored: Make
) -> None:
    a = stored({"one": 0.0})
    machine = read_manifest(a).machine | {"cpu": "Another Processor"}
    packages = read_manifest(a).packages | {"numpy": "2.3.0", "torch": "2.12.0", "matplotlib": "3.0"}
    b = stored({"one": 0.5}, machine=machine, packages=packages)
    message = error(here("compare", a, b), 2)
    assert "cpu: Imaginary Processor 3000 @ 2.80GHz / Another Processor" in message
    assert "numpy: 2.4.6 / 2.3.0" in message
    assert "--across" in message
    assert "matplotlib" not in message
    assert "torch" not in message, "no case of theirs used it"
    done = here("compare", a, b, "--across")
    assert done.returncode == 0, done.stderr
    assert "1.500" in done.stdout
    assert "cpu: Imaginary Processor 3000 @ 2.80GHz / Another Processor" in done.stdout
    assert "matplotlib: absent / 3.0" in done.stdout
    assert not set(re.findall(r"REGRESSION|PASS|INCONCLUSIVE|INVALID", done.stdout))
    told = json.loads(here("compare", a, b, "--across", "--json").stdout)
    assert told["verdict"] is None
    (other,) = told["others"]
    assert other["cases"][0]["columns"]["implementation"] == "one"
    assert other["cases"][0]["ratio"]["value"] == pytest.approx(1.5)
    assert len(other["differences"]) == 4
    c = stored({"one": 1.0}, machine=machine | {"cpu": "A Third Processor"})
    three = here("compare", "--across", a, b, c)
    assert "2.000" in three.stdout
    assert "cpu: Imaginary Processor 3000 @ 2.80GHz / A Third Processor (A / C)" in " ".join(three.stdout.split())
    assert "--across" in error(here("compare", a, a, c), 2), "one of them is of another machine"
    assert "One run" in error(here("compare", a), 2)
    assert "leave out one of them" in error(here("compare", a, b, "--across", "--alpha", "5%"), 2)


def test_compare_has_nothing_to_say_of_runs_without_a_case_in_common(here: Run, error: Error, stored: Make) -> None:
    a, b = stored({"one": 0.0}), stored({"two": 0.0})
    for options in ([], ["--across"]):
        assert "share no case" in error(here("compare", a, b, *options), 5)
    assert "did you mean 'one'" in error(here("compare", a, b, "-i", "onne"), 2)


def test_several_runs_are_judged_against_the_first_with_one_correction(here: Run, stored: Make, tmp_path: Path) -> None:
    a, same, slow = stored({"one": 0.0}), stored({"one": 0.001}), stored({"one": 0.2})
    xml = tmp_path / "verdicts.xml"
    done = here("compare", a, same, slow, "--junit", xml)
    assert done.returncode == 1, done.stderr
    words = " ".join(done.stdout.split())
    assert re.search(r"B is .*?PASS +one on numpy.*?C is .*?REGRESSION +one on numpy", words)
    assert "Holm over 8 tests of 2 runs together" in words
    assert words.count("at most 1%") == 1, "what holds of all is said once"
    assert 'name="stepbench, C against A"' in xml.read_text()
    told = json.loads(here("compare", a, same, slow, "--json").stdout)
    assert (told["verdict"], [each["verdict"] for each in told["judged"]]) == ("REGRESSION", ["PASS", "REGRESSION"])
    alone = json.loads(here("compare", a, slow, "--json").stdout)

    def p_of(judged: dict[str, Any]) -> float:
        return float(judged["cases"][0]["timed"][0]["evidence"][0]["adjusted_p"])

    assert p_of(told["judged"][1]) == pytest.approx(2 * p_of(alone)), "twice as many tests in one family"
    assert [each["tests"] for each in told["judged"]] == [8, 8]
