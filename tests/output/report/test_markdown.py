"""Markdown as a reader of it sees it: rendered by markdown-it, which follows CommonMark and GitHub's tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from bench.output.document import Code, FigureBlock, Strong, Table
from bench.output.render.markdown import code, escape, fenced, render, words
from bench.output.report import report

SPECIAL = [*"\\`*_{}[]()<>#+-.!|~$&^:\"'=", "<b>", "&amp;", "&lt;", "**x**", "__x__", "~~x~~", "[a](b)", "![a](b)"]
SPECIAL += ["``", "1.", "- x", "===", "---", "1) x"]

ALLOWED = {"h1", "h2", "h3", "p", "ul", "li", "strong", "code", "pre", "a", "img", "blockquote", "details", "summary"}
ALLOWED |= {"table", "thead", "tbody", "tr", "th", "td"}


class Read(HTMLParser):
    """Texts of cells by table, the tags, and the pictures."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.tables: list[list[list[str]]] = []
        self.pictures: list[tuple[str, str]] = []
        self.text = ""
        self.in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        known = dict(attributes)
        if tag == "img":
            self.pictures.append((known.get("src") or "", known.get("alt") or ""))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        self.in_cell = tag in ("td", "th") or (self.in_cell and tag != "tr")
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.in_cell:
            self.tables[-1][-1][-1] += data


@pytest.fixture(scope="session")
def rendered() -> Callable[[str], Read]:
    reader = MarkdownIt("gfm-like", {"linkify": False})
    return lambda text: Read(reader.render(text))


@pytest.mark.parametrize("text", [*SPECIAL, "".join(SPECIAL), "µ … ± → 中🙂", "two\nlines  and   spaces"])
def test_a_text_is_shown_as_it_is(rendered: Callable[[str], Read], text: str) -> None:
    shown = " ".join(text.split())
    for template in ("{}", "x {} y", "- {}"):
        found = rendered(template.format(words((f"{text} ",)) if template != "x {} y" else escape(text)))
        assert found.text.strip() == template.removeprefix("- ").format(shown), template
        assert found.tags <= {"p", "ul", "li"}
    table = rendered(f"| a | b |\n| --- | --- |\n| {escape(text)} | c |\n")
    assert table.tables == [[["a", "b"], [shown, "c"]]]


@pytest.mark.parametrize("text", ["a", "`", "``a`", "a`b", "x <b> & *y*", "`a` b"])
def test_code_is_shown_as_it_is(rendered: Callable[[str], Read], text: str) -> None:
    found = rendered(f"x {code(text)} y")
    assert found.text.strip() == f"x {text} y"
    assert found.tags == {"p", "code"}


def test_words_keep_the_spaces_between_their_pieces(rendered: Callable[[str], Read]) -> None:
    found = rendered(words((Strong("A b. "), "c ", Code("d"), " e", " f")))
    assert found.text.strip() == "A b. c d e f"


def test_a_fence_is_longer_than_what_it_holds(rendered: Callable[[str], Read]) -> None:
    found = rendered(fenced(("echo ````", "<b>")))
    assert found.text.strip() == "echo ````\n<b>"
    assert found.tags == {"pre", "code"}


def test_the_sample_has_all_its_tables(sample: Path, document: Any, rendered: Any, quick_pictures: None) -> None:
    found = rendered(report(sample, "markdown"))
    made = document(sample, ("speedup", "phases"))
    blocks = [block for section in made.sections for block in section.blocks]
    blocks = [block.table if isinstance(block, FigureBlock) else block for block in blocks]
    tables = [block for block in blocks if isinstance(block, Table)]
    expected = []
    for table in tables:
        lines = [[head.name for head in table.heads]]
        for group in table.groups:
            lines += [[group.title, *[""] * (len(table.heads) - 1)]] if group.title else []
            lines += [[cell.text for cell in row.cells] for row in group.rows]
        expected.append(lines)
    assert len(expected) > 10
    assert sorted(found.tables) == sorted(expected)
    assert made.title in found.text


def test_a_long_table_is_folded(long_and_short: Any, rendered: Any) -> None:
    text = render(long_and_short, {})
    found = rendered(text)
    assert sorted(map(len, found.tables)) == [3, 31]
    _, folded, after = re.split("</?details>", text)
    assert folded.count("row 30") == 30
    assert "Caption 2" in after


def test_pictures_are_drawn_and_named_from_the_reports_folder(
    sample: Path, rendered: Any, quick_pictures: None, tmp_path: Path
) -> None:
    (sample / "figures" / "speedup.png").unlink(missing_ok=True)
    inside = rendered(report(sample, "markdown"))
    assert [source for source, _ in inside.pictures] == ["figures/speedup.png", "figures/phases.png"]
    assert "8 cases; smallest speedup 0.551x: torch_module on torch-cpu" in inside.pictures[0][1]
    assert (sample / "figures" / "speedup.png").read_bytes() == b"picture of speedup"
    elsewhere = tmp_path / "a b%"
    outside = rendered(report(sample, "markdown", elsewhere))
    assert (elsewhere / unquote(outside.pictures[0][0])).resolve() == (sample / "figures" / "speedup.png").resolve()


def test_names_cannot_break_out(
    hostile: Path, hostile_names: tuple[str, ...], rendered: Any, quick_pictures: None
) -> None:
    found = rendered(report(hostile, "markdown"))
    assert found.tags <= ALLOWED
    names = {row[0] for row in found.tables[0][1:]}
    assert names == {"numpy_manual", *hostile_names}
    for table in found.tables:
        assert {len(row) for row in table} == {len(table[0])}
    for name in hostile_names:
        assert f"{name} and a second line" in found.text
