from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.output.figures import Look, Width
from bench.output.figures._frame import Frame, Grid, Texts, beside, new_frame, panel_title
from bench.output.figures._lines import label_axes

SVG = "{http://www.w3.org/2000/svg}"
LONG = "implementation_with_a_really_long_name"
ODD = ["$x_1$", r"\frac{1}{2}", "100 % & <b>", "_hidden", "a{b}c^d", "größe→µ"]


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """A frame changes matplotlib's settings for the figure that is drawn into it."""
    with mpl.rc_context(Look().rc()):
        yield


def keys(labels: list[str]) -> list[Line2D]:
    return [Line2D([], [], label=label) for label in labels]


def framed(look: Look | None = None, title: str = "A title", panels: tuple[float, ...] = (8.0,), **more: Any) -> Frame:
    look = look or Look()
    mpl.rcParams.update(look.rc())
    texts = Texts(title, more.pop("subtitle", ["what", "all share"]), "the machine", more.pop("keys", ()))
    frame = new_frame(look, texts, Grid(panels, **more))
    for axis in frame.axes:
        axis.set_xticks([])
        axis.set_yticks([])
    return frame


def boxes(figure: Figure) -> dict[str, Any]:
    """Where the figure's own texts are, in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    return {text.get_text(): text.get_window_extent(canvas.get_renderer()) for text in texts}


def test_a_frame_has_the_panels_asked_for_and_their_heights(look: Look) -> None:
    frame = framed(look, panels=(6.0, 12.0))
    frame.figure.draw_without_rendering()
    assert len(frame.axes) == 2
    low, high = (axis.get_position().height * frame.figure.get_figheight() for axis in frame.axes)
    assert high == pytest.approx(2 * low, rel=0.02)
    assert frame.look.em(6.0) <= low < frame.look.em(6.0) * 1.5
    assert frame.figure.get_figwidth() == pytest.approx(look.inches)


def test_letters_shrink_to_what_a_slide_holds_and_become_the_settings() -> None:
    frame = framed(Look(Width.SLIDE), panels=(9.0, 9.0, 9.0))
    assert frame.look.points < Look(Width.SLIDE).points
    assert frame.figure.get_figheight() == pytest.approx(7.5, abs=0.15)
    assert mpl.rcParams["font.size"] == frame.look.points
    assert {round(text.get_fontsize() / frame.look.points, 2) for text in frame.figure.texts} == {1.33, 0.95, 0.72}


def test_panels_may_become_denser_before_letters_shrink() -> None:
    looser, denser, densest = (
        framed(Look(Width.SLIDE), panels=panels, denser=0.6, around=4.0)
        for panels in ((10.0, 5.0), (18.0, 9.0), (36.0, 18.0))
    )
    assert looser.look.points == denser.look.points == 18.0
    assert looser.figure.get_figheight() < 7.5
    assert denser.figure.get_figheight() == pytest.approx(7.5)
    assert densest.figure.get_figheight() == pytest.approx(7.5, abs=0.15)
    assert densest.look.points < 18.0
    densest.figure.draw_without_rendering()
    upper, lower = (axis.get_position().height * 7.5 for axis in densest.axes)
    assert upper / lower == pytest.approx(2, rel=0.02)
    assert upper < densest.look.em(36.0 * 0.75)


def test_letters_of_a_slide_shrink_for_panels_that_stand_beside_each_other() -> None:
    frame = framed(Look(Width.SLIDE), panels=(5.0, 5.0), columns=2, least_width=33.0)
    assert frame.panel_inches == pytest.approx(frame.look.em(33.0))
    assert framed(Look(Width.SLIDE), panels=(5.0,), least_width=33.0).look == Look(Width.SLIDE)
    assert framed(Look(Width.COLUMN), panels=(5.0, 5.0), columns=2, least_width=33.0).look == Look(Width.COLUMN)


def test_title_subtitle_keys_panels_and_foot_follow_one_another(look: Look, seen: Any) -> None:
    frame = framed(look, panels=(5.0, 5.0, 5.0), columns=2, subtitle=["", "what", "", "all share"], keys=keys([*"abc"]))
    found = boxes(frame.figure)
    order = [found[text].y0 for text in ("A title", "what; all share", "a", "the machine")]
    assert order == sorted(order, reverse=True)
    assert found["a"].y0 == found["b"].y0 == found["c"].y0 > frame.axes[0].get_window_extent().y1
    assert frame.axes[2].get_window_extent().y0 > found["the machine"].y1
    assert [axis.axison for axis in frame.figure.axes] == [True, True, True, False]
    assert seen(frame.figure).problems() == []


@pytest.mark.parametrize(
    "labels",
    [
        ["one"],
        ["one", "two", "three", "four"],
        ["not flagged", "preempted: the kernel took a CPU away (297)", "stolen: by others", "pressure: tasks waited"],
        [f"{LONG}{number:02}" for number in range(20)],
        [f"{LONG}{number:02}" if number % 3 else "x" for number in range(7)],
        [LONG * 5, "short"],
    ],
    ids=["1", "short", "mixed", "20 long", "7", "longer than the figure"],
)
def test_keys_fold_into_rows_that_fit(look: Look, seen: Any, labels: list[str]) -> None:
    figure = framed(look, keys=keys(labels)).figure
    assert seen(figure).problems() == []
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(labels)


@pytest.mark.parametrize("columns", [1, 2])
def test_long_titles_fold(look: Look, seen: Any, columns: int) -> None:
    title = "A title that says much more than a title should, and goes on and on about it"
    subtitle = [f"part {number} of what all share" for number in range(12)]
    frame = framed(look, title, (6.0, 6.0), subtitle=subtitle, columns=columns)
    for axis in frame.axes:
        panel_title(axis, f"{LONG * 3}: 1x is numpy_manual", frame)
    assert seen(frame.figure).problems() == []
    assert title in seen(frame.figure).words
    assert "; ".join(subtitle) in seen(frame.figure).words
    shown = frame.axes[0].get_title(loc="left")
    assert "…" in shown
    assert shown.startswith("impl")
    assert shown.endswith("manual")


@pytest.mark.parametrize("text", ODD)
def test_unusual_characters_are_drawn_literally(text: str, seen: Any) -> None:
    frame = framed(Look(), text, (5.0,), subtitle=[text], keys=keys(["first", text.lstrip("_")]))
    (axis,) = frame.axes
    panel_title(axis, text, frame)
    axis.set_yticks([0, 1], [text, "plain"])
    beside(axis, 0.5, text, frame.look)
    assert seen(frame.figure).problems() == []
    content = io.BytesIO()
    frame.figure.savefig(content, format="svg")
    texts = [item.text for item in ElementTree.fromstring(content.getvalue()).iter(f"{SVG}text")]  # noqa: S314
    assert texts.count(text) == (5 if text.startswith("_") else 6)  # title, subtitle, key, panel, axis, beside


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_the_label_of_an_axis_is_never_clipped_by_the_edge(look: Look, seen: Any, columns: int) -> None:
    frame = framed(look, panels=(13.0,) * columns, columns=columns)
    label_axes(frame, LONG * 3, LONG * 3, "time of one step")
    assert seen(frame.figure).problems() == []
    assert all("…" in axis.get_xlabel() for axis in frame.axes)
    assert frame.axes[0].get_ylabel() == "time of one step"
