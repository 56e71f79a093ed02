"""`bench plot` and `bench report` of several runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bench.data.foreign import FOREIGN

Run = Callable[..., subprocess.CompletedProcess[str]]
Error = Callable[..., str]
HOSTILE = "<script>alert(1)</script> $x_1$ & \\input{x} \x1b[31m"


@pytest.fixture(scope="module")
def runs(build: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs of two machines, the second with a case of its own and a name that no format may take for its own words."""
    found = []
    for number, machine in enumerate(("one", HOSTILE)):
        made = build.HandMade(tmp_path_factory.mktemp("runs") / f"run{number}")
        names = [("numpy_manual", 1.0), ("fast", 0.5 - 0.1 * number), ("alone", 2.0)][: 2 + number]
        cases = [(made.plan(name), factor) for name, factor in names]
        for process in range(8):
            for case, factor in cases:
                made.process(case, process, step=[1e-3 * factor * (1 + process / 1000)])
        facts = build.make_manifest().machine | {"cpu": machine}
        from bench.data.store import RunStore

        RunStore(made.folder).write_summary(made.summary(run_id=f"run{number}", machine=facts))
        found.append(Path(made.folder))
    return found


class Page(HTMLParser):
    """The text of a page, and the elements in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_says_times_speedups_machines_and_no_verdict(runs: list[Path], here: Run, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for run in runs for path in run.iterdir() if path.is_file()}
    done = here("report", *runs, "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    page = Page((tmp_path / "page.html").read_text())
    words = " ".join(page.text.split())
    assert (
        "The largest speedup is 2.50x: fast on numpy, mlp_sgd, over numpy_manual of the same run, in B: <script>"
        in words
    )
    assert "it is 2.00x in A: one" in words
    assert "No verdict: B differs from A in the machine or in versions" in words
    assert "In B only: alone on numpy, mlp_sgd." in words
    assert "The runs differ in cpu: one / <script>alert(1)</script>" in words
    assert "script" not in page.elements
    assert "\x1b" not in page.text
    assert not {"REGRESSION", "PASS", "INCONCLUSIVE"} & set(words.split())
    assert page.elements.count("svg") == 4, "two figures, each for wide and narrow screens"
    assert before == {path: path.read_bytes() for run in runs for path in run.iterdir() if path.is_file()}


@pytest.mark.parametrize(("kind", "ending"), [("markdown", "md"), ("latex", "tex")])
def test_pictures_lie_beside_a_report_of_several(
    kind: str, ending: str, runs: list[Path], here: Run, tmp_path: Path
) -> None:
    done = here("report", *runs, "--to", kind, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "several" / f"report.{ending}").read_text()
    pictures = [path.name for path in (tmp_path / "several" / "figures").iterdir()]
    assert len(pictures) == 2
    assert all(f"figures/{name}" in text for name in pictures)
    assert "\\input{x}" not in text


def test_figures_of_several_runs_go_where_they_are_told(
    runs: list[Path], here: Run, error: Error, tmp_path: Path
) -> None:
    done = here("plot", *runs, "--format", "svg", "--out", tmp_path / "there", "--figure", "runs_time")
    assert done.stdout.split() == [str(tmp_path / "there" / "figures" / "runs_time.svg")]
    assert "--output" in error(here("plot", runs[0], "--out", tmp_path))
    assert "shows one run" in error(here("plot", *runs, "--figure", "phases", "--out", tmp_path))
    assert "--columns is for the report of one run" in error(here("report", *runs, "--columns", "step"))
    data = runs[0] / "summary.csv"
    assert "data files of a run" in error(here("report", *runs, "--out", data))


def test_explain_finds_the_runs_of_a_figure(runs: list[Path], here: Run, tmp_path: Path) -> None:
    here("plot", *runs, "--format", "svg", "--figure", "runs_time", cwd=tmp_path)
    figure = tmp_path / "several" / "figures" / "runs_time.svg"
    unknown = here("explain", figure, cwd=tmp_path)
    assert "unknown whether the files changed: its runs are not all in results/." in " ".join(unknown.stdout.split())
    (tmp_path / "results").mkdir()
    for run in runs:
        (tmp_path / "results" / run.name).symlink_to(run)
    told = json.loads(here("explain", figure, "--json", cwd=tmp_path).stdout)
    assert (told["files"], told["run_id"]) == ("same", "run0, run1")
    (tmp_path / "results" / "run1").unlink()
    (tmp_path / "results" / "run1").symlink_to(runs[0])
    assert json.loads(here("explain", figure, "--json", cwd=tmp_path).stdout)["files"] == "changed"


def test_ours_and_theirs_on_one_page(runs: list[Path], here: Run, tmp_path: Path) -> None:
    held = {
        "foreign_version": 1,
        "run_id": "theirs",
        "created": "2026-03-01T00:00:00+00:00",
        "tool": "pyperf",
        "measured_by": "pyperf 2.10.0",
        "file": "x.json",
        "sha256": "0",
        "benchmarks": [{"name": "one", "seconds": 1e-3}],
    }
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / FOREIGN).write_text(json.dumps(held))
    done = here("report", runs[0], tmp_path / "theirs", "--to", "markdown", "--out", tmp_path / "page.md")
    assert done.returncode == 0, done.stderr
    words = " ".join((tmp_path / "page.md").read_text().split())
    assert "Imported from files of other tools: B by pyperf 2.10.0." in words
    assert "measured by pyperf" in words
