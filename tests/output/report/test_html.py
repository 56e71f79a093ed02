"""The page as a machine reads it, without a browser."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bench.output.render.html import render
from bench.output.report import report

VOID = {"meta", "link", "wbr"}
"""Elements that have no end."""


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    def all(self, tag: str = "") -> list[Element]:
        found = [self] if tag in ("", self.tag) else []
        return found + [each for element in self.inside for each in element.all(tag)]


class Page(HTMLParser):
    """A tree of elements; refuses what is not closed where it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("page", {})]
        self.feed(text)
        self.close()
        assert [element.tag for element in self.open] == ["page"]
        self.root = self.open[0]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attributes})
        assert len(element.attributes) == len(attributes), f"{tag} has an attribute twice"
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open[-1].inside.append(Element(tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, text: str) -> None:
        for element in self.open:
            element.text += text


@pytest.fixture(scope="module")
def page(sample_page: Path) -> Element:
    return Page(sample_page.read_text(encoding="utf-8")).root


def test_every_value_is_that_of_the_file(page: Element, sample: Path, key_of_sample: list[str], in_file: Any) -> None:
    checked = 0
    for row in page.all("tr"):
        known = {name: row.attributes.get(f"data-{name.replace('_', '-')}", "") for name in key_of_sample}
        for cell in row.inside:
            source = cell.attributes.get("data-source")
            if source and all(known.values()):
                found = cell.attributes["data-value"].split(";")
                for text, value in zip(found, in_file(sample, known, source), strict=True):
                    assert (text == "") if value is None else type(value)(text) == value, (known, source)
                checked += 1
    assert checked > 400


def test_ids_are_unique_and_everything_that_is_named_is_there(page: Element) -> None:
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    named = [element.attributes["href"][1:] for element in page.all() if element.attributes.get("href", "")[:1] == "#"]
    for element in page.all():
        named += element.attributes.get("aria-labelledby", "").split()
        named += re.findall(r"url\(#([^)]*)\)", " ".join(element.attributes.values()))
    assert len(named) > 100
    assert set(named) <= set(ids)


def test_the_contents_name_every_section(page: Element) -> None:
    (contents,) = page.all("nav")
    assert [link.text for link in contents.all("a")] == [heading.text for heading in page.all("h2")]


def test_nothing_runs_and_nothing_is_fetched(page: Element, sample_page: Path) -> None:
    tags = {element.tag for element in page.all()}
    assert not tags & {"script", "iframe", "object", "embed", "form", "base", "foreignobject", "img"}
    assert not any(name.startswith("on") for element in page.all() for name in element.attributes)
    policy = next(element.attributes["content"] for element in page.all("meta") if "http-equiv" in element.attributes)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    outside = [element.attributes["href"] for element in page.all() if "://" in element.attributes.get("href", "")]
    assert outside == []
    assert not re.findall(r"url\((?!#)", sample_page.read_text(encoding="utf-8"))


def test_tables_are_tables(page: Element) -> None:
    for table in page.all("table"):
        (caption,) = table.all("caption")
        assert caption.text.strip()
        (head,) = table.all("thead")
        assert {cell.attributes.get("scope") for cell in head.all("th")} == {"col"}
        count = len(head.all("th"))
        for body in table.all("tbody"):
            for row in body.all("tr"):
                scopes = [cell.attributes.get("scope") for cell in row.inside]
                assert scopes in (["rowgroup"], ["row", *[None] * (count - 1)])
                assert row.inside[0].attributes.get("colspan", str(count)) == str(count)


def test_a_long_table_is_folded(long_and_short: Any) -> None:
    page = Page(render(long_and_short, {})).root
    (folded,) = page.all("details")
    assert "Caption 30: 30 rows" in folded.text
    assert [table.text.count("row 30") for table in folded.all("table")] == [30]
    assert len(page.all("table")) == 2


def test_each_figure_has_a_drawing_for_wide_and_for_narrow_screens(page: Element) -> None:
    for figure in page.all("figure"):
        classes = [element.attributes["class"] for element in figure.all("div")]
        assert classes in (
            ["drawing wide", "drawing narrow"],
            ["drawing wide in-light", "drawing wide in-dark", "drawing narrow in-light", "drawing narrow in-dark"],
        )
        for drawing in figure.all("svg"):
            assert drawing.attributes["role"] == "img"
            assert [element.tag for element in drawing.inside[:2]] == ["title", "desc"]
            assert drawing.inside[1].text.endswith(".")
        assert figure.all("figcaption")
    assert len(page.all("figure")) == len(page.all("details")) > 2


def test_the_same_files_give_the_same_page(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine is in it: not the folder, not the date."""
    monkeypatch.setattr("bench.output.figures.names", lambda: ("phases",))
    shutil.copytree(sample, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("report*"))
    text = report(tmp_path / "elsewhere", "html")
    assert text == report(sample, "html")
    assert str(tmp_path) not in text


def test_names_cannot_break_out(hostile: Path, hostile_names: tuple[str, ...], two_figures: None) -> None:
    text = report(hostile, "html")
    page = Page(text).root  # closes everything where it was opened
    assert not page.all("script")
    drawn = {element.tag for drawing in page.all("svg") for element in drawing.all()}
    assert drawn <= {"svg", "title", "desc", "g", "path", "text", "use", "defs", "clippath", "rect", "pattern"}
    words = page.text
    for name in hostile_names:
        assert name in words
        assert f"{name} and a second line" in words.replace("\n", " ")
    rows = [row for row in page.all("tr") if "data-implementation" in row.attributes]
    assert {row.attributes["data-implementation"] for row in rows} == {"numpy_manual", *hostile_names}
    assert all(row.inside[0].text == row.attributes["data-implementation"] for row in rows)


def test_nothing_in_it_turns_letters_round_or_is_no_text(
    run: Any, measure: Any, finished: Any, two_figures: None
) -> None:
    odd = "x\x1b]0;owned\x07\u202e\x00\ufffe"
    measure(run, run.plan(), 1e-3)
    folder = finished(run, run_id=odd, machine={"cpu": odd}, disturbances=[odd], packages={"numpy": odd})
    page = report(folder, "html")
    assert not set(odd.removeprefix("x").replace("]0;owned", "")) & set(page)
    assert "x\\x1b]0;owned\\x07\\u202e\\x00\\ufffe" in page
