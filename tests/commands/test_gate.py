"""`bench gate` as a build server runs it: lines on standard output, a summary, JUnit, an exit status."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from junitparser import Failure, JUnitXml

from bench.analysis.rule import Criteria, FamilyVerdict, Verdict
from bench.options.judging import finish
from bench.run.ab import Decided
from bench.run.contest import Comparison

Quick = tuple[str, ...]


@pytest.fixture
def changed(repository: Any, slow_knob: str) -> Iterator[Any]:
    """The repository with a slower helper that is not committed."""
    repository.write({"lib/knob.py": slow_knob})
    yield repository
    repository.git("checkout", "-q", "--", ".")


def test_changes_that_are_not_committed_count_and_every_report_says_so(
    changed: Any, quick: Quick, tmp_path: Path
) -> None:
    summary, xml, out = tmp_path / "summary.md", tmp_path / "reports" / "junit.xml", tmp_path / "out"
    summary.write_text("from an earlier step\n")
    done = changed.bench(
        "gate", "--base", "HEAD", *quick, "--junit", xml, "--out", out, GITHUB_STEP_SUMMARY=str(summary)
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("A is HEAD (")
    assert re.search(
        r"\), B is working tree; 1 CPU thread, (\d+ pairs at once, )?pinned to CPU [\d,-]+(, a fast core)?\.$", lines[0]
    )
    assert lines[1].startswith("REGRESSION   tiny on numpy: +")
    assert "; backward +" in lines[1]
    assert "This machine is not calibrated: " in done.stdout

    text = summary.read_text()
    assert text.startswith("from an earlier step\n## stepbench: REGRESSION\n")
    assert "| **REGRESSION** | tiny on numpy | " in text

    (suite,) = JUnitXml.fromfile(str(xml))
    (case,) = [case for case in suite if case.name == "tiny on numpy"]
    assert isinstance(case.result[0], Failure)
    assert f"wrote {xml}" in done.stderr
    assert json.loads((out / "verdicts.json").read_text())["verdict"] == "REGRESSION"


def test_files_as_they_were_pass_and_say_what_could_have_been_seen(repository: Any, quick: Quick) -> None:
    done = repository.bench("gate", "--base", "same", *quick, "--out", repository.out())
    assert done.returncode == 0, done.stdout + done.stderr
    line = done.stdout.splitlines()[1]
    assert line.startswith("PASS         tiny on numpy: ")
    assert ", detectable +" in line


def test_too_little_time_is_inconclusive_and_no_pass(repository: Any, quick: Quick) -> None:
    """Nothing changed, and so small a tolerance takes more than the pairs of the first look."""
    strict = ("--margin", "0.001%", "--tolerance", "0.002%", "--pairs", "44", "--budget", "10ms")
    done = repository.bench("gate", "--base", "same", *quick, *strict, "--out", repository.out())
    assert done.returncode == 3, done.stdout + done.stderr
    assert "INCONCLUSIVE tiny on numpy: " in done.stdout
    assert "raise --budget" in done.stdout


@pytest.mark.parametrize(("allow", "status", "skipped"), [(False, 3, 0), (True, 0, 1)])
def test_inconclusive_passes_only_where_that_is_allowed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    allow: bool,
    status: int,
    skipped: int,
) -> None:
    monkeypatch.setenv("STEPBENCH_HOME", str(tmp_path))
    case = Decided(FamilyVerdict("x on numpy", Verdict.INCONCLUSIVE, "who knows", ()), 1)
    found = Comparison(tmp_path, "2026-01-01T00:00:00+00:00", ("a", "b"), Criteria(), (case,), {}, 1.0, 1)
    with pytest.raises(SystemExit) as ended:
        finish(found, as_json=True, junit=tmp_path / "x.xml", allow_inconclusive=allow)
    assert ended.value.code == status
    assert JUnitXml.fromfile(str(tmp_path / "x.xml")).skipped == skipped
    assert json.loads(capsys.readouterr().out)["verdict"] == "INCONCLUSIVE"


@pytest.mark.parametrize("verdict", [Verdict.REGRESSION, Verdict.PASS])
def test_a_report_that_cannot_be_written_is_a_warning_and_the_verdict_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verdict: Verdict
) -> None:
    monkeypatch.setenv("STEPBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "nowhere" / "summary.md"))
    (tmp_path / "file").touch()
    case = Decided(FamilyVerdict("x on numpy", verdict, "as it is\x1b[2J", ()), 1)
    found = Comparison(tmp_path, "2026-01-01T00:00:00+00:00", ("a", "b"), Criteria(), (case,), {}, 1.0, 1)
    with pytest.raises(SystemExit) as ended:
        finish(found, as_json=False, junit=tmp_path / "file" / "x.xml", allow_inconclusive=False, lines=True)
    assert ended.value.code == found.exit_code() == {"REGRESSION": 1, "PASS": 0}[verdict]
    shown = capsys.readouterr()
    assert "x on numpy" in shown.out
    assert "\x1b" not in shown.out
    junit, summary = shown.err.splitlines()
    assert junit.startswith(f"Warning: {tmp_path / 'file' / 'x.xml'} cannot be ")
    assert summary.startswith(f"Warning: GITHUB_STEP_SUMMARY: {tmp_path / 'nowhere'}/summary.md cannot be written (")


def test_judged_code_that_exits_is_no_verdict_and_hides_no_other(
    repository: Any, quick: Quick, step_file: Callable[..., str]
) -> None:
    leaves = f"import os; os._exit(0)\n{step_file().replace('tiny', 'leaves')}"
    repository.write({"implementations/leaves.py": leaves})
    try:
        done = repository.bench("gate", "--base", "same", *quick, "-i", "tiny", "--out", repository.out())
        assert done.returncode == 0, done.stdout + done.stderr
        assert "PASS         tiny on numpy" in done.stdout
        done = repository.bench("gate", "--base", "same", *quick, "-i", "leaves", "--out", repository.out())
        assert done.returncode != 0
        assert "ends the process that loads it, which exited with status 0" in done.stdout + done.stderr
    finally:
        (repository.top / "implementations" / "leaves.py").unlink()


def test_what_cannot_be_judged_says_why_on_its_line(repository: Any, quick: Quick) -> None:
    done = repository.bench("gate", "--base", "gone", *quick, "-i", "tiny", "--out", repository.out())
    assert done.returncode == 4
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("INVALID")]
    assert line.startswith("INVALID      tiny on numpy: -; side A (gone (")
    assert line.endswith(") does not have it")


def test_a_base_is_needed_and_must_exist(repository: Any, error: Callable[..., str]) -> None:
    done = repository.bench("gate")
    assert done.returncode == 2
    assert "--base" in done.stderr
    assert "There is no revision 'origin/main'" in error(repository.bench("gate", "--base", "origin/main"))
