"""`bench site` as a user runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
Error = Callable[..., str]
EMPTY = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'


@pytest.fixture
def results(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one run that can be read and one that cannot; no figure is drawn."""
    rows = [build.summary_row(median_seconds=1e-3)]
    build.write_summary_run(tmp_path / "results" / "good", rows, run_id="good")
    (build.write_summary_run(tmp_path / "results" / "bad", rows, run_id="bad") / "summary.csv").unlink()
    monkeypatch.setattr("bench.output.figures.names", lambda: ("phases", "speedup"))
    monkeypatch.setattr("bench.output.figures.picture", lambda data, name, kind, look: EMPTY)
    return tmp_path / "results"


def test_it_reads_results_and_writes_site_by_default(here: Run, results: Path) -> None:
    done = here("site", cwd=results.parent)
    assert done.returncode == 0
    assert done.stdout == ""
    passed_over, *wrote, last = done.stderr.splitlines()
    assert passed_over.startswith("Passed over: results/bad/summary.csv cannot be read")
    assert wrote == [f"wrote site/{name}" for name in ("runs/good.html", "machines.html", "index.html")]
    assert last == "site/index.html: 1 run, 3 pages, 3 written"
    assert {path.name for path in (results.parent / "site").iterdir()} == {
        "index.html",
        "machines.html",
        "runs",
        "site.json",
    }
    again = here("site", cwd=results.parent)
    assert again.stderr.splitlines()[1:] == ["site/index.html: 1 run, 3 pages, 0 written"]


def test_what_it_cannot_use_is_one_sentence(here: Run, error: Error, results: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "empty").mkdir()
    assert "full has something in it already: choose another --out" in error(
        here("site", results, "--out", tmp_path / "full"), 2
    )
    assert "is in " in error(here("site", results, "--out", results / "good" / "site"), 2)
    assert "holds no run that can be read" in error(here("site", tmp_path / "empty", "--out", tmp_path / "a"), 2)
    assert "is not a folder" in error(here("site", tmp_path / "absent", "--out", tmp_path / "a"), 2)
    assert not (tmp_path / "a").exists()


def test_an_interrupted_build_is_told_and_goes_on_with_what_it_has(
    here: Run, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("bench.output.site.build.side_by_side", interrupted)
        assert here("site", results, "--out", tmp_path / "site").returncode == 130
    assert not (tmp_path / "site" / "index.html").exists()
    done = here("site", results, "--out", tmp_path / "site")
    assert done.stderr.splitlines()[-1].endswith("3 pages, 2 written")
