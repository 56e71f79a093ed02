"""Small runs made by hand, and a site of them whose pictures are empty."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EMPTY = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of the runs."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


@pytest.fixture
def add(build: ModuleType, runs: Path) -> Callable[..., Path]:
    """Add a run of two cases: a baseline, and a contender that is as many times as fast."""

    def make(
        name: str, day: int = 1, seconds: float = 1e-3, speedup: float = 2.0, cpu: str = "", **manifest: Any
    ) -> Path:
        told = dict.fromkeys(("low_seconds", "high_seconds", "median_seconds"), seconds)
        over = {"baseline": "numpy_manual", "speedup": speedup, "speedup_low": speedup, "speedup_high": speedup}
        rows = [
            build.summary_row(build.make_case(), **{key: each * speedup for key, each in told.items()}),
            build.summary_row(build.make_case("torch_autograd", "torch-cpu"), **told, **over),
        ]
        rows += manifest.pop("rows", [])
        facts = build.make_manifest().machine | ({"cpu": cpu} if cpu else {})
        created = f"2026-03-{day:02}T10:00:00+00:00"
        values = {"run_id": name, "created": created, "machine": facts, **manifest}
        folder: Path = build.write_summary_run(runs / name, rows, **values)
        return folder

    return make


@pytest.fixture
def site(
    request: pytest.FixtureRequest, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Build a site with empty pictures, and reports that only name their run; gives the lines that were told."""
    from bench.output.site import build as building

    def report(data: Any, links: Any, **_: Any) -> str:
        return f"{data.manifest.run_id}, {len(data.processes)} processes"

    monkeypatch.setattr(building, "draw_history", lambda found, kind, look: EMPTY)
    monkeypatch.setattr("bench.output.figures.picture", lambda data, name, kind, look: EMPTY)
    if "whole_reports" not in request.fixturenames:
        monkeypatch.setattr(building, "report_page", report)

    def make(name: str = "site") -> list[str]:
        lines: list[str] = []
        building.build(runs, tmp_path / name, lines.append)
        return lines

    return make


@pytest.fixture
def whole_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports of a site are whole but for two figures, which are empty."""
    monkeypatch.setattr("bench.output.figures.names", lambda: ("phases", "speedup"))


class _Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "a":
            self.targets.append(known["href"] or "")
        if known.get("id"):
            self.ids.append(str(known["id"]))


@pytest.fixture(scope="session")
def links() -> Callable[[Path], list[tuple[str, str]]]:
    """All links of a site, each as the page that holds it and its target; each must lead to a page and an id there."""

    def read(folder: Path) -> list[tuple[str, str]]:
        pages = {path.resolve(): _Links(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
        found = []
        for path, page in pages.items():
            assert len(page.ids) == len(set(page.ids)), path
            for target in page.targets:
                file, _, anchor = target.partition("#")
                there = (path.parent / file).resolve() if file else path
                assert there in pages, (path, target)
                assert not anchor or anchor in pages[there].ids, (path, target)
                found.append((path.relative_to(folder.resolve()).as_posix(), target))
        return found

    return read
