"""Runs to draw, figures read back, and a check that no two texts of a figure meet."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from bench.data.schema import Method, SummaryRow
from bench.model.workload import WORKLOADS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARTS = {"forward": 0.3, "backward": 0.5, "update": 0.2}


class Measured:
    """Summary rows of cases that went well."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        self.build, self.folder = build, folder
        self.rows: list[SummaryRow] = []
        self.manifest: dict[str, Any] = {}

    def add(
        self,
        implementation: str,
        backend: str = "torch-cpu",
        workload: str = "mlp_sgd",
        *,
        seconds: float = 4e-4,
        speedup: float | None = None,
        interval: bool = True,
        phases: Method | None = Method.STAGED,
        stretch: float = 1.1,
        **row: Any,
    ) -> None:
        """One case: a whole step, and phases that take `stretch` times as long together."""
        case = self.build.make_case(implementation, backend, workload)
        values: dict[str, Any] = {"median_seconds": seconds}
        if interval:
            values |= {"low_seconds": seconds * 0.93, "high_seconds": seconds * 1.08}
        if speedup is not None:
            values |= {"speedup": speedup, "baseline": WORKLOADS[workload].baseline}
            if interval:
                values |= {"speedup_low": speedup * 0.85, "speedup_high": speedup * 1.12}
        self.rows.append(self.build.summary_row(case, **(values | row)))
        for phase, part in PARTS.items() if phases else ():
            took = seconds * part * (stretch if phases is Method.STAGED else 0.5)
            self.rows.append(self.build.summary_row(case, phase=phase, method=phases, median_seconds=took, share=part))

    def contenders(
        self, names: Iterable[str], workload: str = "mlp_sgd", backends: Iterable[str] = ("torch-cpu",)
    ) -> None:
        """A baseline, and these beside it, from slower to faster."""
        self.add(WORKLOADS[workload].baseline, "numpy", workload, speedup=1.0)
        backends = tuple(backends)
        for index, name in enumerate(names):
            for backend in backends:
                speedup = 0.4 + 0.23 * index
                self.add(name, backend, workload, seconds=4e-4 / speedup, speedup=speedup)

    def write(self) -> Path:
        """The run's folder."""
        folder: Path = self.build.write_summary_run(self.folder, self.rows, **self.manifest)
        return folder


@pytest.fixture(scope="session")
def new_measured(build: ModuleType) -> Callable[[Path], Measured]:
    return lambda folder: Measured(build, folder)


@pytest.fixture
def measured(new_measured: Callable[[Path], Measured], tmp_path: Path) -> Measured:
    return new_measured(tmp_path / "run")


@pytest.fixture
def drawn() -> Callable[[str, Measured], Figure]:
    """Draw one figure of a run, without saving it."""
    import matplotlib as mpl

    mpl.use("agg")
    from bench.output.figures import RunData, _style

    def draw(name: str, run: Measured) -> Figure:
        data = RunData.read(run.write())
        with mpl.rc_context(_style.RC):
            figure: Figure = importlib.import_module(f"bench.output.figures.{name}").draw(data)
        return figure

    return draw


@pytest.fixture
def layout_problems() -> Callable[[Figure], list[str]]:
    """What is wrong with where a figure's texts are: outside the figure, or on top of one another."""
    import matplotlib as mpl

    from bench.output.figures import _style

    def check(figure: Figure) -> list[str]:
        with mpl.rc_context(_style.RC):
            texts = dict(_texts(figure))
        width, height = figure.bbox.width, figure.bbox.height
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

    return check


def _texts(figure: Figure) -> Iterator[tuple[str, Any]]:
    """Every text that is visible, numbered, with its box in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
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
