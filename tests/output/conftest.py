"""Pages in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ARGUMENTS += ["--no-first-run", "--no-default-browser-check", "--disable-sync", "--disable-features=OptimizationHints"]


@pytest.fixture(scope="module")
def browser(needs: Callable[[str, str], str]) -> Iterator[Any]:
    """One browser for all tests of a file."""
    path = needs("chromium", "chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


class Shown:
    """A page with all that it asked for and complained of."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **options)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.url = path.as_uri()
        self.page.goto(self.url)

    def unfold(self) -> None:
        """Open all that is folded."""
        for details in self.page.query_selector_all("details"):
            details.evaluate("item => { item.open = true }")

    def outside(self) -> list[str]:
        """What is wider than the screen and does not scroll by itself."""
        found: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll("main *, header *")].filter(item => {
                const box = item.getBoundingClientRect();
                return box.right > innerWidth + 1 && !item.closest(".scroll, pre, svg, .unseen");
            }).map(item => item.outerHTML.slice(0, 80))"""
        )
        return found


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file in the browser, as `Shown`."""
    opened = []

    def show(path: Path, **options: Any) -> Shown:
        opened.append(Shown(browser, path, **options))
        return opened[-1]

    yield show
    for shown in opened:
        shown.context.close()


@pytest.fixture(scope="session")
def barriers() -> Callable[[Any], str]:
    """What axe finds on a page, in words; empty if it finds nothing."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe looks for barriers")

    def find(page: Any) -> str:
        found = axe.Axe().run(page)
        return str(found.generate_report()) if found.violations_count else ""

    return find
