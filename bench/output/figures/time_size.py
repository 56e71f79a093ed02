"""Time of one step against a size, with what arithmetic and memory allow at best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from bench.analysis.roofline import ceilings, step_work
from bench.analysis.scaling import Plane
from bench.data.manifest import Peak
from bench.output.figures import _lines
from bench.output.figures._data import RunData
from bench.output.figures._frame import Texts
from bench.output.figures._look import Look
from bench.output.figures._ticks import log_axis, log_limits
from bench.output.names import spaced

TITLE = "Time of one step as the problem grows"
READING = (
    "Where a line is level, a step costs the same at any size: calls and launches, not arithmetic. The limits are what "
    "the device's fastest matrix product and fastest copy would take for the arithmetic and the bytes of the step."
)
SHOWS = ("step", "step_interval", "gflops", "peak_fraction")
_COLUMNS = ("median_seconds", "low_seconds", "high_seconds")


@dataclass(frozen=True, eq=False)
class TimeLimit:
    """The shortest time of a step whose data come from memory."""

    words: str
    seconds: NDArray[np.float64]
    """Time at each size of the plane."""
    by_memory: bool
    device: int
    """Number of the device among those of the panel."""

    def key(self, look: Look, words: str = "") -> Line2D:
        """Return a key for the limit, or a note with these words."""
        return Line2D([], [], label=words or self.words, **self.style(look))

    def style(self, look: Look) -> dict[str, Any]:
        """Return how its line looks."""
        colour = (look.theme.soft, look.theme.ink)[min(self.device, 1)]
        return {"color": colour, "ls": _lines.CEILINGS[self.by_memory], "lw": 1.5 * look.line}


def draw(data: RunData, look: Look) -> Figure:
    """Draw a line a contender; the limits come from peaks that the run measured itself."""
    axis = _lines.swept_axis(data)
    scene = _lines.scene(data.headline, axis, data.cast, look)
    limits = [_limits(plane, data.manifest.peaks) for plane in scene.planes]
    alike = len({tuple(limit.words for limit in found) for found in limits}) == 1 < len(limits) and not look.narrow
    keys = [*_lines.line_keys(scene, look), *(limit.key(look) for limit in limits[0] if alike)]
    where = "" if all(limits) else ", where there are some"
    words = f"limits: by measured peaks{where}; from caches a step may beat the limit by memory"
    if not any(limits):
        words = "no limits: the run measured no peak of these devices"
    subtitle = [*scene.shared(), "bars: 95 % interval over processes", words]
    texts = Texts(TITLE, subtitle, data.foot(scene.every, "at one size only"), keys)
    frame = _lines.panel_frame(look, texts, [0 if alike else len(found) for found in limits])
    known = [*(scene.rows[name] for name in _COLUMNS), *(limit.seconds for found in limits for limit in found)]
    for panel, plane, found in zip(frame.axes, scene.planes, limits, strict=True):
        _lines.draw_lines(panel, scene, plane, _COLUMNS, frame.look)
        for limit in found:
            panel.plot(plane.sizes, limit.seconds, zorder=1.6, **limit.style(frame.look))
        _lines.size_axis(panel, scene.sizes, data.asked_sizes(axis), frame.look)
        log_axis(panel, "y", log_limits(known), EngFormatter("s"), frame.look)
        notes = [] if alike else [limit.key(frame.look, _lines.note_words(limit.words, frame)) for limit in found]
        _lines.put_title(panel, scene.title(plane), notes, frame)
    _lines.label_axes(frame, spaced(axis), "time of one step (log scale)", "time of one step")
    return frame.figure


def _limits(plane: Plane, peaks: list[Peak]) -> list[TimeLimit]:
    """Return two limits for each device on which a line of the panel was measured, if its peaks were."""
    work = [step_work(plane.case(plane.lines[0].contender, size)) for size in plane.sizes]
    flops, moved = np.array(work).T
    found = []
    places = [(str(line.rows["device"].iloc[0]), line.contender.threads) for line in plane.lines]
    for number, device in enumerate(dict.fromkeys(name for name, _ in places)):
        threads = {count for name, count in places if name == device}
        here = next(line for line in plane.lines if str(line.rows["device"].iloc[0]) == device)
        best = ceilings(peaks, plane.case(here.contender, plane.sizes[0]), threads)
        if best is None:
            continue
        by_arithmetic, by_memory = _lines.ceiling_words(best, len(threads) > 1)
        seconds = flops / best.flops_per_second, moved / best.bytes_per_second
        found.append(TimeLimit(f"limit by arithmetic: {by_arithmetic}", seconds[0], False, number))
        found.append(TimeLimit(f"limit by memory: {by_memory}", seconds[1], True, number))
    return found
