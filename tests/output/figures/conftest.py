"""Runs to draw, figures read back, and a check that no two texts of a figure meet."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.model.precision import Precision
from bench.output import figures
from bench.output.figures import Look, RunData, RunsData, Style, Width
from bench.workloads import tutorial

mpl.use("agg")


@pytest.fixture
def measured(new: Callable[[str, Path], Any], tmp_path: Path) -> Any:
    return new("measured", tmp_path / "run")


@pytest.fixture
def swept(new: Callable[[str, Path], Any], tmp_path: Path) -> Any:
    return new("swept", tmp_path / "run")


@pytest.fixture
def sampled(new: Callable[[str, Path], Any], tmp_path: Path) -> Any:
    return new("sampled", tmp_path / "sampled")


START = {"first": 0.01, "build_seconds": 0.01}
"""Seconds that a process spends before its steps are steady."""


@pytest.fixture(
    scope="session",
    params=[{"svg": (), "png": ("samples",), "pdf": ("phases", "speedup")}, pytest.param({}, marks=pytest.mark.slow)],
    ids=["each-figure-and-format", "all"],
)
def gallery(
    request: pytest.FixtureRequest, new: Callable[[str, Path], Any], tmp_path_factory: pytest.TempPathFactory
) -> figures.Drawn:
    """Figures of a run with two sizes and precisions, beside an older run of the same cases.

    All are drawn as svg and some in the other formats; in the slow suite, all in all.
    """
    folder = tmp_path_factory.mktemp("gallery")
    for name, created in (("older", "2026-01-01T03:04:05+00:00"), ("run", "2026-01-02T03:04:05+00:00")):
        made = new("sampled", folder / name)
        made.manifest = {"created": created, "peaks": [made.build.make_peak()]}
        for hidden in (100, 200):
            made.add("numpy_manual", "numpy", problem=tutorial(hidden=hidden), processes=6, seconds=4e-6 * hidden)
            for precision, error in ((Precision.FULL, 1e-7), (Precision.TF32, 1e-4)):
                errors: dict[str, Any] = {"gradient_error": error, "step_peak_bytes": 5 << 20, **START}
                options = {"processes": 6, "precision": precision, "row": lambda number, errors=errors: errors}
                made.add("torch_tensor", problem=tutorial(hidden=hidden), seconds=3e-6 * hidden, **options)
            options = {"processes": 6, "row": lambda number: {**START, "compile_seconds": 2.0, "cache": "warm"}}
            made.add("torch_compiled", problem=tutorial(hidden=hidden), seconds=3.5e-6 * hidden, **options)
        run = made.write()
    data, done = RunData(run), figures.Drawn([], {})
    for kind in figures.FORMATS:
        some = figures.draw(run, request.param.get(kind, ()), [kind], data=data)
        done.paths.extend(some.paths)
        done.left_out.update(some.left_out)
    return done


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure as a reader sees it; methods that take no panel are about the first one."""

    figure: Figure

    @property
    def axes(self) -> list[Axes]:
        """The panels."""
        return [axis for axis in self.figure.axes if axis.axison]

    @property
    def axis(self) -> Axes:
        """The only panel."""
        (axis,) = self.axes
        return axis

    @property
    def words(self) -> str:
        """The texts around the panels, as if no line were folded."""
        return " ".join(" ".join(text.get_text() for text in self.figure.texts).split())

    @property
    def titles(self) -> list[str]:
        """The titles of the panels."""
        return [axis.get_title(loc="left") for axis in self.axes]

    @property
    def keys(self) -> dict[str, Any]:
        """The handles of the legend by their labels."""
        (legend,) = self.figure.legends
        labels = [text.get_text() for text in legend.get_texts()]
        return dict(zip(labels, legend.legend_handles, strict=True))

    def ticks(self, which: str, axis: Axes | None = None) -> dict[str, float]:
        """The ticks of the axis `x` or `y`: place by label."""
        shown = getattr(axis or self.axes[0], f"{which}axis")
        places = shown.get_majorticklocs()
        return dict(zip(shown.get_major_formatter().format_ticks(places), map(float, places), strict=True))

    def name(self, place: float, axis: Axes | None = None) -> str:
        """The label of the vertical axis beside a place."""
        ticks = self.ticks("y", axis)
        return min(ticks, key=lambda label: abs(ticks[label] - place))

    def bars(self, axis: Axes | None = None) -> dict[str, list[Any]]:
        """The bars of each case from left to right."""
        found: dict[str, list[Any]] = {}
        for bar in (axis or self.axes[0]).patches:
            found.setdefault(self.name(bar.get_y() + bar.get_height() / 2, axis), []).append(bar)
        return found

    def whiskers(self, axis: Axes | None = None) -> dict[str, tuple[float, float]]:
        """Both ends of each bar's interval."""
        found = {}
        for container in (axis or self.axes[0]).containers:
            if isinstance(container, ErrorbarContainer):
                ((low, place), (high, _)) = container.lines[2][0].get_segments()[0]
                found[self.name(place, axis)] = (low, high)
        return found

    def beside(self, axis: Axes | None = None) -> dict[str, str]:
        """The texts beside the bars."""
        return {self.name(text.xy[1], axis): text.get_text() for text in (axis or self.axes[0]).texts}

    def lines(self, axis: Axes | None = None) -> dict[str, Any]:
        """The lines with intervals by the key of their colour and marker."""
        keys = {(key.get_color(), key.get_marker()): label for label, key in self.keys.items()}
        boxes = [box for box in (axis or self.axes[0]).containers if isinstance(box, ErrorbarContainer)]
        return {keys[box.lines[0].get_color(), box.lines[0].get_marker()]: box for box in boxes}

    def notes(self, axis: Axes | None = None) -> list[str]:
        """The notes below a panel's title."""
        legend = (axis or self.axes[0]).get_legend()
        return [] if legend is None else [text.get_text() for text in legend.get_texts()]

    def problems(self) -> list[str]:
        """What is wrong with where texts are: outside the figure, or on top of one another."""
        with mpl.rc_context(Look().rc()):
            texts = dict(_texts(self.figure))
        width, height = self.figure.bbox.width, self.figure.bbox.height
        outside = [
            f"{text!r} sticks out of the figure: {box.extents.round(1)} of {width} x {height}"
            for text, box in texts.items()
            if box.x0 < -0.5 or box.y0 < -0.5 or box.x1 > width + 0.5 or box.y1 > height + 0.5
        ]
        meeting = []
        for (one, a), (other, b) in itertools.combinations(texts.items(), 2):
            across = min(a.x1, b.x1) - max(a.x0, b.x0)
            down = min(a.y1, b.y1) - max(a.y0, b.y0)
            if across > 1 and down > 1:
                meeting.append(f"{one!r} and {other!r} overlap by {across:.1f} x {down:.1f} pixels")
        return outside + meeting


def _texts(figure: Figure) -> Iterator[tuple[str, Any]]:
    """Every text that is visible, numbered, with its box in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()  # lays it out; nobody sees the pixels
    unseen = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low <= tick.get_loc() <= high or not axes.axison:
                    unseen |= {tick.label1, tick.label2}
    found = [text for text in figure.findobj(Text) if text not in unseen and text.get_visible()]
    for number, text in enumerate(found):
        content = text.get_text()
        if content.strip():
            text.set_text(content.rstrip("\n"))  # empty lines only keep room free
            yield f"{number}: {content.strip()}", text.get_window_extent(renderer)
            text.set_text(content)


@pytest.fixture
def seen() -> type[Drawing]:
    """Look at a figure."""
    return Drawing


@pytest.fixture
def drawn() -> Callable[..., Drawing]:
    """Draw one figure of a run (its data, its folder, or what writes one) unsaved; by default a page in light."""

    def draw(name: str, run: Any, look: Look | None = None) -> Drawing:
        look = look or Look()
        data = run if isinstance(run, RunData | RunsData) else RunData(run if isinstance(run, Path) else run.write())
        with mpl.rc_context(look.rc()):
            return Drawing(importlib.import_module(f"bench.output.figures.{name}").draw(data, look))

    return draw


SLOW_LOOKS = (("slide", "light"), ("page", "dark"))
"""Drawn in `make survival` only: a column is tighter than a slide, and dark differs from light in colours only."""


@pytest.fixture(
    params=[
        ("column", "light"),
        ("page", "light"),
        *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW_LOOKS),
    ],
    ids="-".join,
)
def look(request: pytest.FixtureRequest) -> Look:
    """Each width, and dark once."""
    return Look(Width(request.param[0]), Style(request.param[1]))
