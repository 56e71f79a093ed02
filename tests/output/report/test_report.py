from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from bench.errors import DataFormatError, NothingToShowError
from bench.output import content, render
from bench.output.report import report


@pytest.mark.parametrize(("package", "count"), [(render, 5), (content, 10)])
def test_a_wheel_takes_every_template_with_it(package: ModuleType, count: int, root: Path) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"][package.__name__]
    folder = Path(str(package.__file__)).parent
    taken = {path for pattern in patterns for path in folder.glob(pattern)}
    others = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert others == taken
    assert len(taken) == count


def test_headline_figures_come_first_and_what_cannot_be_drawn_says_why(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picture(data: object, name: str, kind: str, look: object) -> bytes:
        if name == "ecdf":
            raise NothingToShowError("its samples are missing: measure anew.")
        return b""

    monkeypatch.setattr("bench.output.figures.headlines", lambda: ("phases",))
    monkeypatch.setattr("bench.output.figures.picture", picture)
    monkeypatch.setattr("bench.output.figures.names", lambda: ("ecdf", "phases", "roofline"))
    text = report(sample, "markdown")
    assert text.index("(figures/phases.png)") < text.index("(figures/roofline.png)")
    assert "- `ecdf`: its samples are missing: measure anew." in text
    assert "ecdf.png" not in text


@pytest.mark.parametrize("kind", ["markdown", "latex", "html"])
def test_without_samples_it_says_so_and_reports_what_the_summary_holds(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("bench.output.figures.names", lambda: ("ecdf", "phases"))
    monkeypatch.setattr("bench.output.figures.headlines", lambda: ("phases",))
    folder = tmp_path / "run"
    shutil.copytree(sample, folder, ignore=shutil.ignore_patterns("samples.csv", "figures", "report.*"))
    text = " ".join(report(folder, kind).split())
    assert "The single samples were not kept" in text
    assert "processes took samples that were not kept" in text
    assert "the single samples, is not there: restore the file" in text  # why there is no ecdf
    assert "torch" in text


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match="is not the folder of a run"):
        report(tmp_path, "html")
