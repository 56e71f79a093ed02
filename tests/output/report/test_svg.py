from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.output.figures import Look, RunData, picture
from bench.output.figures._look import DARK, LIGHT
from bench.output.render.svg import by_colour, foreign_colours, inline, roles, variables

Clean = Callable[[str], str]


@pytest.fixture
def clean() -> Clean:
    """A drawing's body as a part of a page."""

    def make(body: str, exchange: bool = True) -> str:
        head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        text = f'<?xml version="1.0"?>\n<!DOCTYPE svg>\n{head} width="9pt" viewBox="0 0 9 9">{body}</svg>'
        return inline(text.encode(), "p", "Its <title>", "What & why", exchange)

    return make


def test_what_does_not_draw_is_left_out(clean: Clean) -> None:
    found = clean(
        "<metadata>secret</metadata><style>* {color: red}</style><script>alert(1)</script><!-- comment -->"
        '<foreignObject><p>html</p></foreignObject><a href="#x"><path d="M 1 1"/></a><g><g/></g>'
        '<path d="M 0 0" onclick="alert(2)" style="fill: none"/>'
    )
    assert found.count("<path") == 1
    for word in ("secret", "style>", "script", "alert", "comment", "html", "onclick", "<a", "<g", "DOCTYPE", "<?xml"):
        assert word not in found, word


def test_it_is_an_image_with_a_name_and_a_description(clean: Clean) -> None:
    root = ElementTree.fromstring(clean('<path d="M 0 0"/>'))  # noqa: S314 - made above
    assert root.attrib == {"viewBox": "0 0 9 9", "role": "img", "aria-labelledby": "p-t p-d"}
    title, description = list(root)[:2]
    assert (title.tag, title.get("id"), title.text) == ("title", "p-t", "Its <title>")
    assert (description.tag, description.get("id"), description.text) == ("desc", "p-d", "What & why")


def test_ids_are_its_own_and_only_those_that_something_names(clean: Clean) -> None:
    found = clean(
        '<g id="figure_1"><defs><path id="m" d="M 0 0"/><clipPath id="c"><rect width="1"/></clipPath></defs>'
        '<use xlink:href="#m" style="fill: url(#c)"/><g clip-path="url(#c)"><path d="M 2 2"/></g></g>'
    )
    assert set(re.findall(r' id="([^"]*)"', found)) == {"p-t", "p-d", "p-m", "p-c"}
    assert 'href="#p-m"' in found
    assert "fill: url(#p-c)" in found
    assert 'clip-path="url(#p-c)"' in found


def test_nothing_is_fetched(clean: Clean) -> None:
    found = clean(
        '<image xlink:href="http://example.org/x.png"/><image xlink:href="data:image/png;base64,AAAA"/>'
        '<use href="javascript:alert(1)"/>'
    )
    assert "example" not in found
    assert "javascript" not in found
    assert "data:image/png;base64,AAAA" in found


def test_colours_become_roles(clean: Clean) -> None:
    body = f'<rect fill="{LIGHT.ink}"/><path style="stroke: {LIGHT.phases["forward"].lower()}; fill: #123456"/>'
    found = clean(body)
    assert 'style="fill: var(--ink)"' in found
    assert "stroke: var(--phase-forward); fill: #123456" in found
    assert "var(" not in clean(body, exchange=False)


def test_the_colour_of_what_cannot_be_seen_is_dropped(clean: Clean) -> None:
    unseen = '<path style="stroke: #000000; stroke-opacity: 0; fill: #1f77b4"/>'
    assert foreign_colours(f'<svg xmlns="http://www.w3.org/2000/svg">{unseen}</svg>'.encode()) == set()
    assert "stroke: none" in clean(unseen)


def test_a_colour_of_no_role_is_found() -> None:
    text = f'<svg xmlns="http://www.w3.org/2000/svg"><path style="fill: #ABCDEF; stroke: {LIGHT.ink}"/></svg>'
    assert foreign_colours(text.encode()) == {"#abcdef"}


def test_marks_share_a_style_but_no_opacity(clean: Clean) -> None:
    marks = '<use x="1" style="fill: #123456{more}"/><use x="2" style="fill: #123456{more}"/>'
    assert clean(f"<g>{marks.format(more='')}</g>").count("#123456") == 1
    assert clean(f"<g>{marks.format(more='; opacity: 0.5')}</g>").count("#123456") == 2
    assert clean('<g><use style="fill: #123456"/><use style="fill: #654321"/></g>').count("<g>") == 1


def test_equal_colours_play_equal_roles_in_both_themes() -> None:
    """Else a page that exchanges a light colour for its role's dark one could not know which role it is."""
    light, dark = roles(LIGHT), roles(DARK)
    assert light.keys() == dark.keys() == set(re.findall(r"--([a-z0-9-]+): #[0-9a-f]{6};", variables(DARK)))
    for name, colour in light.items():
        assert dark[name] == dark[by_colour()[colour]], name


def test_a_real_figure_keeps_all_that_it_draws(sample: Path) -> None:
    content = picture(RunData(sample), "phases", "svg", Look())
    found = inline(content, "p", "t", "d")
    assert found.count("<path") == content.decode().count("<path")
    assert found.count("<text") == content.decode().count("<text")
    assert not re.findall(r"#[0-9a-f]{6}\b", found.replace("#1f77b4", ""))
