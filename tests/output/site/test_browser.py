"""The pages of a site in a real browser, straight from their files: narrow and wide, light and dark, by links alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

pytestmark = pytest.mark.slow
WIDTHS = (360, 1280)
WORST = "\"'><script>alert(1)</script>&amp;_é中🙂"
KINDS = ("index.html", "machines.html", "runs", "steps")


@pytest.fixture(scope="module")
def site(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of three runs on two machines, and of one whose names do their worst; one figure in a report."""
    from bench.output.site.build import build as build_site

    folder = tmp_path_factory.mktemp("site")
    for number, cpu in enumerate((build.CPU, build.CPU, "Other Processor 1 with a name that is long"), start=1):
        over = {"baseline": "numpy_manual", "speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1}
        rows = [build.summary_row(median_seconds=1e-3 * number)]
        rows += [
            build.summary_row(build.make_case("torch_autograd", "torch-cpu"), median_seconds=5e-4 * number, **over)
        ]
        facts = build.make_manifest().machine | {"cpu": cpu}
        told = {"run_id": f"run-{number}", "created": f"2026-03-0{number}T10:00:00+00:00", "machine": facts}
        build.write_summary_run(folder / "results" / f"run-{number}", rows, **told)
    row = build.summary_row(build.make_case(WORST, "torch-cpu"), median_seconds=1e-3)
    failed = {"status": "failed", "reason": WORST * 3, "method": None, "clock": None}
    rows = [row, build.summary_row(build.make_case("torch_nn", "torch-cpu"), **failed)]
    place = folder / "results" / WORST.replace("/", "")
    build.write_summary_run(place, rows, run_id=WORST, created="2026-03-09T10:00:00+00:00", git_revision=WORST)
    (folder / "results" / "broken").mkdir()
    (folder / "results" / "broken" / "manifest.json").write_text(WORST)
    with mock.patch("bench.output.figures.names", return_value=("speedup",)):
        build_site(folder / "results", folder / "site", print)
    return folder / "site"


def pages(site: Path, kind: str) -> list[Path]:
    """The pages of one kind."""
    return [site / kind] if kind.endswith(".html") else sorted((site / kind).glob("*.html"))


def test_every_page_is_reached_by_links_and_nothing_but_pages_is_fetched(
    open_page: Callable[..., Any], site: Path
) -> None:
    shown = open_page(site / "index.html", java_script_enabled=False)
    left, seen = [shown.url], set()
    while left:
        url = left.pop()
        if url in seen:
            continue
        seen.add(url)
        shown.page.goto(url)
        hrefs = [link.get_attribute("href") for link in shown.page.query_selector_all("a")]
        assert not [href for href in hrefs if ":" in href.partition("#")[0] or href.startswith("/")]
        for link in shown.page.query_selector_all("a:not([href^='#'])"):
            target = link.evaluate("item => item.href").partition("#")[0]
            left += [target]
    assert seen == {path.as_uri() for kind in KINDS for path in pages(site, kind)}
    asked = {url for url in shown.requests if not url.startswith("data:")}
    assert asked == seen
    assert shown.complaints == []


def test_a_link_is_followed_by_the_keyboard_alone(open_page: Callable[..., Any], site: Path) -> None:
    page = open_page(site / "index.html", java_script_enabled=False).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Machines side by side"
    page.keyboard.press("Enter")
    page.wait_for_url("**/machines.html")
    assert page.locator("h1").inner_text() == "Machines side by side"
    assert page.locator("[aria-current=page]").inner_text() == "Machines side by side"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(open_page: Callable[..., Any], site: Path, width: int, kind: str) -> None:
    for path in pages(site, kind):
        shown = open_page(path, width=width)
        shown.unfold()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert shown.outside() == [], path
        assert shown.complaints == [], path
        assert shown.page.locator("script").count() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    open_page: Callable[..., Any], barriers: Callable[[Any], str], site: Path, scheme: str, kind: str
) -> None:
    for path in pages(site, kind):
        shown = open_page(path, color_scheme=scheme)
        shown.unfold()
        assert barriers(shown.page) == "", path


def test_titles_tell_pages_apart(open_page: Callable[..., Any], site: Path) -> None:
    every = [path for kind in KINDS for path in pages(site, kind)]
    titles = [open_page(path).page.title() for path in every]
    assert len(set(titles)) == len(every)


def test_a_history_prints_light_with_its_figure_and_its_runs(open_page: Callable[..., Any], site: Path) -> None:
    (path,) = (site / "steps").glob("*autograd*")
    page = open_page(path, color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".drawing.wide").first.is_visible()
    assert page.locator("table").first.is_visible()
    assert not page.locator("nav").first.is_visible()
