"""Fonts of every figure as a printer's preflight sees them: journals refuse Type 3 and what is not embedded."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.output import figures

Needs = Callable[[str, str], str]
GOOD = {"type": "CID TrueType", "emb": "yes", "sub": "yes", "uni": "yes"}


def fonts(program: str, path: Path) -> list[dict[str, str]]:
    """What `pdffonts` says of a file: the columns under their names."""
    done = subprocess.run([program, path], capture_output=True, text=True, check=True, timeout=60)
    heads, rule, *lines = done.stdout.splitlines()
    ends = [0, *(place for place, mark in enumerate(rule) if mark == " "), len(rule)]
    places = list(itertools.pairwise(ends))
    return [{heads[start:end].strip(): line[start:end].strip() for start, end in places} for line in lines]


def test_every_font_is_embedded_as_truetype(needs: Needs, gallery: figures.Drawn) -> None:
    program = needs("poppler", "pdffonts")
    for path in (path for path in gallery.paths if path.suffix == ".pdf"):
        found = fonts(program, path)
        assert found, path.name
        assert all("DejaVu" in font["name"] for font in found)
        assert [font for font in found if font | GOOD != font] == [], path.name


@pytest.mark.parametrize("required", [True, False])
def test_a_missing_program_is_a_failure_only_where_it_is_required(
    needs: Needs, monkeypatch: pytest.MonkeyPatch, required: bool
) -> None:
    monkeypatch.setenv("STEPBENCH_REQUIRE", "tex,poppler" if required else "")
    assert Path(needs("poppler", "sh")).is_file()
    with pytest.raises(pytest.fail.Exception if required else pytest.skip.Exception, match="it comes with poppler"):
        needs("poppler", "no-such-program")
