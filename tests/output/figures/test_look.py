from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.output.figures import FORMATS
from bench.output.figures._look import (
    THEMES,
    Look,
    Style,
    Theme,
    Width,
    clipped,
    contrast,
    hatch_of,
    rendered,
    spread,
    text_inches,
    wrapped,
)
from bench.output.provenance import Provenance

LOOKS = [Look(width, style) for width in Width for style in Style]
words = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_categories=["Cc", "Cf"]), max_size=60)


def colours(theme: Theme) -> dict[str, str]:
    """Every colour by its role."""
    found: dict[str, Any] = {}
    for item in fields(theme):
        value = getattr(theme, item.name)
        parts = dict(enumerate(value)) if item.name == "series" else value
        several = isinstance(parts, Mapping)
        found |= {f"{item.name} {key}": parts[key] for key in parts} if several else {item.name: value}
    del found["colormap"]
    return found


# The themes


def test_a_role_of_the_light_theme_can_be_exchanged_for_that_of_the_dark() -> None:
    light, dark = colours(THEMES[Style.LIGHT]), colours(THEMES[Style.DARK])
    assert light.keys() == dark.keys()
    alone = ("paper", "ink", "soft", "faint", "edge", "alarm", "baseline")
    for role in alone:
        assert [other for other in light if light[other] == light[role]] == [role]
    for role, other in ((role, other) for role in light for other in light if light[role] == light[other]):
        assert dark[role] == dark[other], f"{role} and {other} are equal on light paper only"


@pytest.mark.parametrize("style", Style)
def test_colours_can_be_told_apart_and_read_on_the_paper(style: Style) -> None:
    theme = THEMES[style]
    assert [colour for colour in colours(theme).values() if not re.fullmatch(r"#[0-9A-F]{6}", colour)] == []
    assert len({hatch_of(name) for name in ("numpy", "torch-cpu", "torch-cuda", "tf-graph", "my-device")}) == 5
    assert len(set(theme.phases.values())) == 3
    assert len({tuple(theme.mark(number).values()) for number in range(63)}) == 63
    assert theme.mark(None)["color"] not in theme.series
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)
    assert contrast(theme.ink, theme.paper) > 7
    assert min(contrast(theme.soft, theme.paper), contrast(theme.alarm, theme.paper)) > 4.5
    pale = {theme.paper, theme.faint, theme.phases["update"]}
    assert min(contrast(colour, theme.paper) for colour in set(colours(theme).values()) - pale) > 1.5


# Widths


def test_a_column_a_page_and_a_slide_are_as_wide_as_they_are_called() -> None:
    assert [Look(width).inches for width in Width] == [3.5, 7.2, 13.33]
    assert [Look(width).narrow for width in Width] == [True, False, False]
    assert all(look.points >= 7 for look in LOOKS)
    assert (Look().stem, Look(Width.SLIDE, Style.DARK).stem) == ("", "-slide-dark")
    assert len({look.stem for look in LOOKS}) == len(LOOKS)


def test_letters_shrink_until_a_slide_holds_the_figure() -> None:
    look = Look(Width.SLIDE)
    assert look.fitted(30.0) == look  # 30 x 18 points are 7.5 inches
    smaller = look.fitted(40.0)
    assert smaller.em(40.0) == pytest.approx(7.5)
    assert smaller.points < look.points
    assert (smaller.width, smaller.style) == (look.width, look.style)
    assert smaller.fitted(40.0) == smaller
    assert look.fitted(1000.0).points == pytest.approx(11.0)
    narrower = look.fitted(30.0, 66.0)
    assert narrower.em(66.0) == pytest.approx(13.33)
    assert look.fitted(30.0, 40.0) == look
    for width in (Width.COLUMN, Width.PAGE):  # which may be as high as they need
        assert Look(width).fitted(1000.0, 1000.0) == Look(width)


def test_the_settings_follow_the_size_of_letters() -> None:
    one, half = Look(), replace(Look(), shrunk=0.5)
    sizes = [name for name, value in one.rc().items() if isinstance(value, float)]
    assert "font.size" in sizes
    for name in sizes:
        assert half.rc()[name] == pytest.approx(one.rc()[name] / 2), name


# Texts


def drawn_inches(text: str, points: float, bold: bool = False, dpi: int = 200) -> float:
    """How wide a text really is in a png."""
    with mpl.rc_context(Look().rc()):
        figure = Figure(dpi=dpi)
        canvas = FigureCanvasAgg(figure)
        written = figure.text(0, 0, text, fontsize=points, fontweight="bold" if bold else "normal")
        return float(written.get_window_extent(canvas.get_renderer()).width) / dpi


@pytest.mark.parametrize("points", [5.04, 6.65, 8.55, 11.97, 23.94])
@pytest.mark.parametrize("bold", [False, True])
def test_a_text_is_as_wide_as_it_is_said_to_be(points: float, bold: bool) -> None:
    text = (
        "batch 64, d-in 1000, hidden 100, d-out 10, float32, 2 CPU threads; 95 % interval over processes $x_1$ 512 µs …"
    )
    assert drawn_inches(text, points, bold) == pytest.approx(text_inches(text, points, bold), rel=0.01)


@given(words, st.floats(0.3, 6.0))
def test_what_is_clipped_fits_and_keeps_both_ends(text: str, inches: float) -> None:
    found = clipped(text, inches, 9.0)
    assert text_inches(found, 9.0) <= inches or len(found) <= 2
    if found != text:
        start, _, end = found.partition("…")
        assert text.startswith(start)
        assert text.endswith(end)
        assert len(start) - 1 <= len(end) <= len(start) or len(found) <= 2


def test_what_fits_is_not_clipped_and_what_does_not_loses_no_more_than_it_must() -> None:
    text = "implementation_with_a_really_long_name07"
    width = text_inches(text, 9.0)
    assert clipped(text, width, 9.0) == text
    found = clipped(text, width * 0.98, 9.0)
    assert "…" in found
    assert len(found) >= len(text) - 2


@given(words, st.floats(0.5, 6.0))
def test_lines_fit_and_hold_all_words_in_order(text: str, inches: float) -> None:
    lines = wrapped(text, inches, 9.0)
    assert all(text_inches(line, 9.0) <= inches or len(line) <= 2 for line in lines)
    if "…" not in "".join(lines):
        assert " ".join(lines).split() == text.split()


def test_lines_are_as_full_as_they_can_be() -> None:
    lines = wrapped("one two three four five six seven eight nine ten", 1.5, 9.0)
    assert len(lines) > 1
    for line, after in pairwise(lines):
        assert text_inches(f"{line} {after.split(' ')[0]}", 9.0) > 1.5


def test_a_line_that_is_asked_for_begins_anew_and_a_long_word_has_one_of_its_own() -> None:
    assert wrapped("one\ntwo", 5.0, 9.0) == ["one", "two"]
    first, second, third = wrapped("a implementation_with_a_really_long_name07 b", 1.5, 9.0)
    assert (first, third) == ("a", "b")
    assert "…" in second


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("the whiskers are a 95 % interval", "the whiskers are a 95", ["the whiskers are a", "95 % interval"]),
        ("torch\u00a02.13.0, run\u00a020260102", "torch 2.13.0, run 2026", ["torch 2.13.0,", "run 20260102"]),
    ],
)
def test_a_number_stays_with_its_per_cent_sign_and_with_what_a_no_break_space_joins_to_it(
    text: str, room: str, lines: list[str]
) -> None:
    assert wrapped(text, text_inches(room, 9.0), 9.0) == lines


@pytest.mark.parametrize(
    ("count", "most", "places"), [(3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (10, 2, [0, 9]), (7, 4, [0, 2, 4, 6])]
)
def test_of_too_many_the_ends_and_some_between_are_chosen(count: int, most: int, places: list[int]) -> None:
    assert spread(count, most) == places


# Files

NOTES = Provenance(stepbench="0", figure="f", run_id="r", data_sha256="0", command="bench plot r", measured_by="")


def content(kind: str, error: float = 0.0) -> bytes:
    """A figure whose layout ends in other bits, as the solver's does, which goes through memory by addresses."""

    def draw() -> Figure:
        figure = Figure(figsize=(2, 2))
        axes = figure.add_axes((0.3 + error, 0.2 - error, 0.5, 0.6 + 2 * error))
        axes.plot([1, 2, 3])
        axes.grid()
        return figure

    return rendered(draw, kind, Look(), NOTES)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_last_bits_of_a_layout_do_not_show(kind: str) -> None:
    assert content(kind) == content(kind, 1e-16) == content(kind, -1e-15)
    assert content(kind) != content(kind, 0.01)


def test_the_users_own_settings_do_not_show_and_stay() -> None:
    usual = content("svg")
    with mpl.rc_context({"xtick.labelsize": 40.0, "lines.marker": "o", "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        assert content("svg") == usual
        assert dict(mpl.rcParams) == before
