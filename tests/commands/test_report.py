"""`bench report`: where it writes, what it prints, and what it says where it cannot."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from bench.commands.report import report


@pytest.fixture
def folder(root: Path, tmp_path: Path) -> Path:
    """The sample run without its figures, below a folder that holds nothing else."""
    made = tmp_path / "results" / "sample"
    shutil.copytree(root / "tests" / "data" / "sample", made, ignore=shutil.ignore_patterns("figures"))
    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two figures, and a small drawing for each: what they look like is for other tests."""
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M 0 0"/></svg>'
    monkeypatch.setattr("bench.output.figures.names", lambda: ("phases", "speedup"))
    monkeypatch.setattr("bench.output.figures.picture", lambda data, name, kind, look: drawing)


def call(*arguments: object) -> Result:
    found = CliRunner().invoke(report, [str(argument) for argument in arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found


@pytest.mark.parametrize(
    ("kind", "name", "first", "drawn"),
    [
        ("html", "report.html", "<!DOCTYPE html>", []),
        ("markdown", "report.md", "# How fast", ["phases.png", "speedup.png"]),
        ("latex", "report.tex", "% The report of a run", ["phases-column.pdf", "speedup-column.pdf"]),
    ],
)
def test_it_writes_beside_the_runs_files(
    folder: Path, quick: None, kind: str, name: str, first: str, drawn: list[str]
) -> None:
    before = {path.name for path in folder.iterdir()}
    found = call(folder, "--to", kind)
    assert (folder / name).read_text(encoding="utf-8").lstrip().startswith(first)
    assert found.stdout == ""
    assert found.stderr == f"wrote {folder / name}\n"
    assert {path.name for path in folder.iterdir()} - before == {name} | ({"figures"} if drawn else set())
    assert sorted(path.name for path in folder.glob("figures/*")) == drawn


def test_html_is_what_one_gets_without_asking(folder: Path, quick: None) -> None:
    call(folder)
    assert (folder / "report.html").is_file()


def test_a_dash_is_standard_output(folder: Path, quick: None) -> None:
    before = sorted(folder.iterdir())
    found = call(folder, "--output", "-")
    assert found.stdout.lstrip().startswith("<!DOCTYPE html>")
    assert found.stderr == ""
    assert sorted(folder.iterdir()) == before
    assert "](figures/phases.png)" in call(folder, "--to", "markdown", "--output", "-").stdout


def test_pictures_are_named_from_where_the_text_is(folder: Path, quick: None, tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    call(folder, "--to", "latex", "--output", tmp_path / "paper" / "benchmark.tex")
    text = (tmp_path / "paper" / "benchmark.tex").read_text(encoding="utf-8")
    assert "{../results/sample/figures/speedup-column.pdf}" in text


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="'docx' is not one of 'html', 'markdown', 'latex'"):
        report.main(["x", "--to", "docx"], standalone_mode=False)


def test_a_file_that_cannot_be_written_is_named(folder: Path, here: Any, error: Callable[..., str]) -> None:
    message = error(here("report", folder, "--output", folder / "manifest.json" / "x.html"))
    assert "manifest.json/x.html' cannot be made" in message


def test_what_is_wrong_is_said_in_one_sentence(folder: Path, here: Any, error: Callable[..., str]) -> None:
    summary = folder / "summary.csv"
    text = summary.read_text(encoding="utf-8").replace(",ok,,", ",failed,it broke,")
    summary.write_text(text, encoding="utf-8")
    for path, said in ((folder.parent, "is not the folder of a run"), (folder, "has no case that was measured")):
        done = here("report", path)
        assert said in error(done)
        assert len(done.stderr.strip().splitlines()) == 1
        assert done.stdout == ""
