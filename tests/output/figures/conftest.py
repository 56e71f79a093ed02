"""Runs to draw, figures read back, and a check that no two texts of a figure meet."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.analysis.summarise import summarise
from bench.data.schema import Crossing, CrossoverRow, Method, Status, SummaryRow
from bench.data.store import RunStore, read_manifest, read_processes, read_samples
from bench.model.columns import SIZE_PREFIX
from bench.model.precision import Precision
from bench.model.workload import WORKLOADS
from bench.output import figures
from bench.output.figures import Look, RunData, Style, Width
from bench.workloads import SIZES, tutorial

mpl.use("agg")
PARTS = {"forward": 0.3, "backward": 0.5, "update": 0.2}


class Summarised:
    """A run of which there is a summary only, made row by row."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        self.build, self.folder = build, folder
        self.rows: list[SummaryRow] = []
        self.manifest: dict[str, Any] = {}

    def write(self) -> Path:
        """The run's folder."""
        folder: Path = self.build.write_summary_run(self.folder, self.rows, **self.manifest)
        return folder


def ends(name: str, value: float, low: float, high: float, interval: bool) -> dict[str, float]:
    """The columns of a number and, if known, of the ends of its interval."""
    return {name: value} | ({f"{name}_low": low, f"{name}_high": high} if interval else {})


def took(seconds: float, low: float, high: float, interval: bool) -> dict[str, float]:
    """The columns of a time, with ends of its interval that are multiples of it."""
    known = {"low_seconds": seconds * low, "high_seconds": seconds * high} if interval else {}
    return {"median_seconds": seconds} | known


class Measured(Summarised):
    """Summary rows of cases that went well."""

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
        tax: float | None = None,
        **row: Any,
    ) -> None:
        """One case: a whole step, and phases that take `stretch` times as long together; `tax` is the sync tax."""
        case = self.build.make_case(implementation, backend, workload)
        values: dict[str, Any] = took(seconds, 0.93, 1.08, interval)
        if speedup is not None:
            values |= {"baseline": WORKLOADS[workload].baseline}
            values |= ends("speedup", speedup, speedup * 0.85, speedup * 1.12, interval)
        if tax is not None:
            values |= ends("sync_tax", tax, tax - 0.012, tax + 0.034, interval)
        self.rows.append(self.build.summary_row(case, **(values | row)))
        for phase, part in PARTS.items() if phases else ():
            each = seconds * part * (stretch if phases is Method.STAGED else 0.5)
            self.rows.append(self.build.summary_row(case, phase=phase, method=phases, median_seconds=each, share=part))

    def contenders(
        self, names: Iterable[str], workload: str = "mlp_sgd", backends: Iterable[str] = ("torch-cpu",)
    ) -> None:
        """A baseline, and these beside it, from slower to faster."""
        self.add(WORKLOADS[workload].baseline, "numpy", workload, speedup=1.0, tax=0.0)
        for (index, name), backend in itertools.product(enumerate(names), backends):
            speedup, tax = 0.4 + 0.23 * index, 0.05 * index - 0.04
            self.add(name, backend, workload, seconds=4e-4 / speedup, speedup=speedup, tax=tax)


class Swept(Summarised):
    """Summary rows over sizes: a line takes a constant time plus a rate times the size; the baseline's comes first."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        super().__init__(build, folder)
        self.axis, self.sizes = "batch", [16, 64, 256, 1024]
        self.crossovers: list[CrossoverRow] = []
        self.manifest = {"peaks": [build.make_peak()]}
        self._baselines: dict[tuple[Any, ...], float] = {}

    def line(
        self,
        implementation: str,
        backend: str = "torch-cpu",
        workload: str = "mlp_sgd",
        *,
        constant: float = 1e-4,
        rate: float = 1e-6,
        threads: int = 2,
        interval: bool = True,
        broken: dict[int, tuple[Status, str]] | None = None,
        **problem: Any,
    ) -> None:
        """One contender at all sizes but those at which it is broken."""
        for size in self.sizes:
            sizes = tutorial(**(problem | {self.axis: size}))
            case = self.build.make_case(implementation, backend, workload, threads, sizes)
            if broken and size in broken:
                status, reason = broken[size]
                values: dict[str, Any] = {"status": status, "reason": reason, "verified": False}
                self.rows.append(self.build.summary_row(case, method=None, clock=None, **values))
                continue
            seconds = constant + rate * size
            of, side = WORKLOADS[workload].baseline, (workload, threads, sizes)
            if implementation == of:
                self._baselines[side] = seconds
            flops = WORKLOADS[workload].flops(sizes, "step") or 0.0
            values = {"gflops": flops / seconds / 1e9, **took(seconds, 0.9, 1.15, interval)}
            if side in self._baselines:
                speedup = self._baselines[side] / seconds
                values |= {"baseline": of, **ends("speedup", speedup, speedup * 0.88, speedup * 1.1, interval)}
            self.rows.append(self.build.summary_row(case, **values))

    def contenders(self, names: Iterable[str], workload: str = "mlp_sgd", **options: Any) -> None:
        """A baseline, and these beside it: slow to start and fast to go on, so that each overtakes it once."""
        self.line(WORKLOADS[workload].baseline, "numpy", workload, constant=5e-5, rate=2e-6, **options)
        for index, name in enumerate(names):
            constant, rate = 8e-5 + 3e-5 * index, 2e-6 / (2.2 + 0.4 * index)
            self.line(name, "torch-cpu", workload, constant=constant, rate=rate, **options)
            self.crossing(name, size=(constant - 5e-5) / (2e-6 - rate), workload=workload, **options)

    def crossing(
        self,
        a: str,
        b: str = "",
        *,
        size: float | None,
        backends: tuple[str, str] = ("torch-cpu", "numpy"),
        threads: int | tuple[int, int] = 2,
        workload: str = "mlp_sgd",
        status: Crossing = Crossing.FOUND,
        interval: bool = True,
        **row: Any,
    ) -> None:
        """`a` overtakes `b`, the baseline unless told otherwise."""
        of_a, of_b = threads if isinstance(threads, tuple) else (threads, threads)
        problem = tutorial(**{name: row.pop(name) for name in [*row] if name in (*SIZES, "dtype")})
        of = b or WORKLOADS[workload].baseline
        upper, lower = (
            self.build.make_case(name, backend, workload, count, problem)
            for name, backend, count in zip((a, of), backends, (of_a, of_b), strict=True)
        )
        axis = f"{SIZE_PREFIX}{self.axis}"
        who = dict(upper.contender.columns)
        values: dict[str, Any] = {"faster_below": "b", "faster_above": "a", "size": size}
        if interval and size is not None:
            values |= {"size_low": size * 0.9, "size_high": size * 1.12}
        self.crossovers.append(
            CrossoverRow(
                run_id=self.build.RUN_ID,
                axis=axis,
                common={name: value for name, value in upper.columns.items() if name != axis and name not in who},
                a=upper.contender,
                b=lower.contender,
                status=status,
                smallest=min(self.sizes),
                largest=max(self.sizes),
                sizes=len(self.sizes),
                **(values | row),
            )
        )

    def write(self) -> Path:
        """The run's folder."""
        RunStore(super().write()).write_crossovers(self.crossovers)
        return self.folder


class Sampled:
    """A run with samples, summarised as a real one is; its times are random, but always the same."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        self.build, self.folder = build, folder
        self.cases: list[tuple[tuple[str, str, str], dict[str, Any]]] = []
        self.manifest: dict[str, Any] = {}

    def add(self, implementation: str, backend: str = "torch-cpu", workload: str = "mlp_sgd", **options: Any) -> None:
        """One case; for the options see `_measure`, the others are those of `build.make_case`."""
        self.cases.append(((implementation, backend, workload), options))

    def write(self) -> Path:
        """The run's folder."""
        made = self.build.HandMade(self.folder)
        own = {"seconds", "processes", "samples", "phases", "flags", "stretch", "row"}
        cases = [
            (made.plan(*names, **{key: options[key] for key in options.keys() - own}), options)
            for names, options in self.cases
        ]
        random = np.random.default_rng(0)
        for number in range(max(options.get("processes", 8) for _, options in cases)):
            for case, options in cases:
                if number < options.get("processes", 8):
                    self._measure(made, case, number, random, **{key: options[key] for key in options.keys() & own})
        folder: Path = made.write(**self.manifest)
        rows = summarise(read_manifest(folder), read_samples(folder), read_processes(folder))
        RunStore(folder).write_summary(rows)
        return folder

    def _measure(
        self,
        made: Any,
        case: Any,
        number: int,
        random: Any,
        seconds: float = 4e-4,
        processes: int = 8,
        samples: int = 10,
        phases: bool = True,
        stretch: float = 1.02,
        flags: Mapping[tuple[int, int], str] | None = None,
        row: Callable[[int], dict[str, Any]] = lambda number: {},
    ) -> None:
        """The process of one round: so many samples around so many seconds; flags by process and sample of a case."""
        level = seconds * random.lognormal(0, 0.04)
        times = level * np.exp(random.exponential(0.02, samples))
        parts = {name: [level * part * stretch] * 2 for name, part in PARTS.items()} if phases else None
        made.process(case, number, step=times.tolist(), phases=parts, iterations=3, **row(number))
        for (process, sample), words in (flags or {}).items():
            if process == number:
                place = len(made.samples) - sum(map(len, (parts or {}).values())) - samples + sample
                made.samples[place] = dataclasses.replace(made.samples[place], flags=words)


KINDS = {"measured": Measured, "swept": Swept, "sampled": Sampled}


@pytest.fixture(scope="session")
def new(build: ModuleType) -> Callable[[str, Path], Any]:
    """Make a run of one of `KINDS` in a folder, empty to begin with."""
    return lambda kind, folder: KINDS[kind](build, folder)


@pytest.fixture
def measured(new: Callable[[str, Path], Any], tmp_path: Path) -> Any:
    return new("measured", tmp_path / "run")


@pytest.fixture
def swept(new: Callable[[str, Path], Any], tmp_path: Path) -> Any:
    return new("swept", tmp_path / "run")


@pytest.fixture
def sampled(new: Callable[[str, Path], Any], tmp_path: Path) -> Any:
    return new("sampled", tmp_path / "sampled")


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
                errors: dict[str, Any] = {"gradient_error": error}
                options = {"processes": 6, "precision": precision, "row": lambda number, errors=errors: errors}
                made.add("torch_tensor", problem=tutorial(hidden=hidden), seconds=3e-6 * hidden, **options)
        run = made.write()
    data, done = RunData(run), figures.Drawn()
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


@pytest.fixture
def seen() -> type[Drawing]:
    """Look at a figure."""
    return Drawing


@pytest.fixture
def drawn() -> Callable[..., Drawing]:
    """Draw one figure of a run (a folder, or what writes one), without saving it; by default a page in light."""

    def draw(name: str, run: Any, look: Look | None = None) -> Drawing:
        look = look or Look()
        data = RunData(run if isinstance(run, Path) else run.write())
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
