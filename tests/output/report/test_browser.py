"""The page in a real browser: without network or scripts, narrow and wide, light and dark, on paper and read aloud."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.output.figures._look import DARK, LIGHT
from bench.output.report import report

WIDTHS = (360, 1280)

pytestmark = pytest.mark.slow


@pytest.fixture
def show(open_page: Callable[..., Any], sample_page: Path) -> Callable[..., Any]:
    """Open the sample's report, or another file."""
    return lambda path=sample_page, **options: open_page(path, **options)


@pytest.fixture
def small_page(hostile: Path, two_figures: None) -> Path:
    """Two figures and names that do their worst."""
    path = hostile / "report.html"
    path.write_text(report(hostile, "html"), encoding="utf-8")
    return path


def test_it_opens_without_a_network(show: Callable[..., Any]) -> None:
    shown = show()
    assert [url for url in shown.requests if not url.startswith("data:")] == [shown.url]
    assert shown.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(show: Callable[..., Any], width: int) -> None:
    shown = show(width=width)
    shown.unfold()
    page = shown.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.outside() == []
    scrolling = page.evaluate(
        """() => [...document.querySelectorAll(".scroll")].map(item =>
            [item.scrollWidth > item.clientWidth, item.tabIndex])"""
    )
    assert all(tab == 0 for _, tab in scrolling)
    assert any(wider for wider, _ in scrolling) == (width == WIDTHS[0])


@pytest.mark.parametrize(("width", "kind"), [(360, "narrow"), (1280, "wide")])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_figure_is_shown_once_and_large_enough(
    show: Callable[..., Any], width: int, kind: str, scheme: str
) -> None:
    figures = show(width=width, color_scheme=scheme).page.evaluate(
        """() => [...document.querySelectorAll("figure")].map(figure =>
            [...figure.querySelectorAll(".drawing")].filter(item => item.offsetHeight).map(item =>
                [item.className, item.querySelector("svg").getBoundingClientRect().width]))"""
    )
    assert len(figures) > 3
    other = {"light": "in-dark", "dark": "in-light"}[scheme]
    for visible in figures:
        ((classes, room),) = visible
        assert kind in classes.split()
        assert other not in classes.split()
        assert room > 0.85 * min(width, 960)


def test_a_dark_page_has_dark_paper_light_ink_and_figures_that_follow(show: Callable[..., Any]) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        seen[scheme] = show(color_scheme=scheme).page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
                getComputedStyle(document.querySelector("#f-speedup .wide svg text")).fill]"""
        )
    for scheme, theme in (("light", LIGHT), ("dark", DARK)):
        assert seen[scheme] == [_rgb(theme.paper), _rgb(theme.ink), _rgb(theme.ink)]


def _rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))})"


def test_it_prints_light_with_all_figures_and_the_tables_of_the_result(
    show: Callable[..., Any], needs: Callable[[str, str], str], tmp_path: Path
) -> None:
    page = show(color_scheme="dark").page
    page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    done = subprocess.run(
        [needs("poppler", "pdftotext"), "-layout", tmp_path / "page.pdf", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    for details in page.query_selector_all("details"):
        caption = details.query_selector("caption").text_content().partition(":")[0]
        assert (caption in done.stdout) is not details.evaluate("item => item.matches('.numbers')")
    assert done.stdout.count("torch_custom_function") > page.locator("figure").count()  # in figures and in tables
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shown = page.evaluate(
        """() => [...document.querySelectorAll(".drawing")].filter(item => item.offsetHeight)
            .map(item => [item.className, item.querySelector("svg").getBoundingClientRect().height])"""
    )
    assert len(shown) == page.locator("figure").count()
    assert all("wide" in classes and "in-dark" not in classes for classes, _ in shown)
    assert max(height for _, height in shown) < 250 / 25.4 * 96  # a page of A4 has 265 mm inside its margins


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    show: Callable[..., Any], barriers: Callable[[Any], str], small_page: Path, scheme: str
) -> None:
    shown = show(small_page, color_scheme=scheme)
    shown.unfold()
    assert barriers(shown.page) == ""


def test_it_needs_no_scripts(show: Callable[..., Any]) -> None:
    page = show(java_script_enabled=False).page
    first = page.locator("details").first
    table = first.locator("table")
    assert not table.is_visible()
    first.locator("summary").click()
    assert table.is_visible()
    page.locator("nav a").last.click()
    assert page.url.endswith("#again")


def test_names_cannot_run(show: Callable[..., Any], small_page: Path) -> None:
    shown = show(small_page, width=360)
    assert shown.page.locator("script").count() == 0
    assert shown.complaints == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert "<script>alert(1)</script>" in shown.page.locator("main").inner_text()


@pytest.fixture(scope="module")
def whole_page(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the committed sample, a sweep, with all of its figures."""
    folder = tmp_path_factory.mktemp("whole") / "sample"
    shutil.copytree(root / "results" / "sample", folder, ignore=shutil.ignore_patterns("figures"))
    path = folder / "report.html"
    path.write_text(report(folder, "html"), encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_sample_is_printed_on_at_most_twelve_pages(
    show: Callable[..., Any], whole_page: Path, tmp_path: Path
) -> None:
    pypdf = pytest.importorskip("pypdf", reason="pypdf counts the pages")
    show(whole_page).page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    assert len(pypdf.PdfReader(tmp_path / "page.pdf").pages) <= 12


@pytest.mark.slow
def test_a_sweeps_first_figure_is_on_the_first_screen(show: Callable[..., Any], whole_page: Path) -> None:
    place = "document.querySelector('figure').getBoundingClientRect().top + scrollY"
    assert show(whole_page, width=1280).page.evaluate(place) < 900


def test_on_a_telephone_the_speedup_is_in_view_and_names_are_folded_between_words(show: Callable[..., Any]) -> None:
    page = show(width=390).page
    tables = page.evaluate(
        """() => [...document.querySelectorAll("section:not([aria-labelledby*=figures]) table.cases")].map(table =>
            [...table.querySelectorAll("thead th")].filter(head => head.textContent === "speedup")
                .map(head => head.getBoundingClientRect().right))"""
    )
    assert tables
    assert all(right <= 390 for heads in tables for right in heads)
    broken = page.evaluate(
        """() => [...document.querySelectorAll("table.cases tbody tr[data-implementation] th")].flatMap(cell =>
            [...cell.childNodes].filter(node => node.nodeType === 3).flatMap(node => {
                const range = document.createRange(); range.selectNodeContents(node);
                const lines = new Set([...range.getClientRects()].map(box => box.top));
                return lines.size > 1 ? [node.textContent] : [] }))"""
    )
    assert broken == []
