"""Fonts of every figure as a printer's preflight sees them: journals refuse Type 3 and what is not embedded."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.output import figures
from bench.workloads import tutorial

Needs = Callable[[str, str], str]


def fonts(program: str, path: Path) -> list[dict[str, str]]:
    """What `pdffonts` says of a file: the columns under their names."""
    done = subprocess.run([program, path], capture_output=True, text=True, check=True, timeout=60)
    heads, rule, *lines = done.stdout.splitlines()
    ends = [0, *(place for place, mark in enumerate(rule) if mark == " "), len(rule)]
    places = list(itertools.pairwise(ends))
    return [{heads[start:end].strip(): line[start:end].strip() for start, end in places} for line in lines]


@pytest.fixture(scope="module")
def pdfs(new_sampled: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A PDF of each figure: of the sample run, and of a run of several sizes what that has nothing for."""
    folder = tmp_path_factory.mktemp("fonts")
    sample = folder / "sample"
    root = Path(__file__).resolve().parents[3]
    shutil.copytree(root / "results" / "sample", sample, ignore=shutil.ignore_patterns("figures"))
    done = figures.draw(sample, (), ["pdf"])
    paths = {path.stem: path for path in done.paths}
    for name, created in (("older", "2026-01-01T03:04:05+00:00"), ("run", "2026-01-02T03:04:05+00:00")):
        made = new_sampled(folder / name)
        made.manifest = {"created": created, "peaks": [made.build.make_peak()]}
        for hidden in (100, 200):
            made.add(
                "numpy_manual",
                "numpy",
                problem=tutorial(hidden=hidden),
                processes=6,
                seconds=4e-4 * hidden / 100,
            )
            made.add("torch_tensor", problem=tutorial(hidden=hidden), processes=6, seconds=3e-4 * hidden / 100)
        run = made.write()
    return paths | {path.stem: path for path in figures.draw(run, list(done.left_out), ["pdf"]).paths}


@pytest.mark.parametrize("name", figures.names())
def test_every_font_is_embedded_as_truetype(needs: Needs, pdfs: dict[str, Path], name: str) -> None:
    found = fonts(needs("poppler", "pdffonts"), pdfs[name])
    assert found
    for font in found:
        assert "DejaVu" in font["name"]
        assert (font["type"], font["emb"], font["sub"], font["uni"]) == ("CID TrueType", "yes", "yes", "yes"), font


def test_a_type_3_font_would_be_seen(needs: Needs, tmp_path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.5, 0.5, "letters")
    with mpl.rc_context({"pdf.fonttype": 3}):
        figure.savefig(tmp_path / "figure.pdf")
    assert [font["type"] for font in fonts(needs("poppler", "pdffonts"), tmp_path / "figure.pdf")] == ["Type 3"]


def test_a_missing_program_is_a_failure_only_where_it_is_required(
    needs: Needs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEPBENCH_REQUIRE", "tex,poppler")
    assert Path(needs("poppler", "sh")).is_file()
    with pytest.raises(pytest.fail.Exception, match=r"no-such-program is not installed: .* STEPBENCH_REQUIRE"):
        needs("poppler", "no-such-program")
    with pytest.raises(pytest.skip.Exception, match="it comes with chromium"):
        needs("chromium", "no-such-program")
    monkeypatch.delenv("STEPBENCH_REQUIRE")
    with pytest.raises(pytest.skip.Exception):
        needs("poppler", "no-such-program")
