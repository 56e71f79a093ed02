"""Time of one step against a size, with what arithmetic and memory allow at best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from bench.analysis.roofline import ceilings
from bench.analysis.scaling import Plane
from bench.data.manifest import Peak
from bench.data.schema import SIZES, STEP
from bench.errors import NothingToShowError
from bench.model.problem import Dtype, Problem
from bench.model.workload import WORKLOADS
from bench.output.figures import _lines, _log, _style
from bench.output.figures._frame import panel_title
from bench.output.figures._lines import Scene
from bench.output.figures._look import clipped
from bench.output.text import time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from bench.output.figures import Look, RunData

TITLE = "Time of one step as the problem grows"
READING = (
    "Where a line is level, a step costs the same at any size: calls and launches, not arithmetic. The limits are what "
    "the device's fastest matrix product and fastest copy would take for the arithmetic and the bytes of the step."
)
SHOWS = ("step", "step_interval", "gflops", "peak_fraction")
_COLUMNS = ("median_seconds", "low_seconds", "high_seconds")


@dataclass(frozen=True, eq=False)
class _Limit:
    """A time that no step can fall short of while data come from memory."""

    words: str
    seconds: NDArray[np.float64]
    """At each size of the plane."""
    by_memory: bool
    device: int
    """Which of the devices in the panel."""


def draw(data: RunData, look: Look) -> Figure:
    """A line a contender; the limits come from peaks that the run measured itself."""
    axis = _lines.swept_axis(data)
    scene = _lines.scene(_style.headline(data.summary), axis)
    if scene is None:  # `swept_axis` has found a plane along it
        raise NothingToShowError("every case has one size only: measure several with `bench sweep`.")
    limits = [_limits(plane, data.manifest.peaks) for plane in scene.planes]
    alike = len({tuple(limit.words for limit in found) for found in limits}) == 1 < len(limits) and not look.narrow
    frame = _log.panel_frame(
        look,
        TITLE,
        _subtitle(scene, limits),
        _style.footer(data),
        [0 if alike else len(found) for found in limits],
        [*_lines.line_keys(scene, look), *(_limit_key(limit, look) for limit in limits[0] if alike)],
    )
    known = [*(scene.rows[name] for name in _COLUMNS), *(limit.seconds for found in limits for limit in found)]
    low, high = _log.limits(known)
    scale, unit = time_unit(high)
    asked = data.manifest.axes.get(axis, [])
    for panel, plane, found in zip(frame.axes, scene.planes, limits, strict=True):
        _panel(panel, scene, plane, scale, frame.look)
        _log.size_axis(panel, scene.sizes, asked, frame)
        _log.number_axis(panel, "y", (low / scale, high / scale), frame)
        for limit in found:
            panel.plot(plane.sizes, limit.seconds / scale, zorder=1.6, **_limit_look(limit, frame.look))
        notes = [] if alike else [_limit_key(limit, frame.look, _log.note_inches(frame)) for limit in found]
        panel_title(panel, scene.title(plane), frame, 0.85, _log.put_notes(panel, notes, frame))
    _log.label_axes(frame, _log.size_label(axis), f"time of one step ({unit}, log scale)")
    return frame.figure


def _subtitle(scene: Scene, limits: list[list[_Limit]]) -> str:
    words = [*scene.shared(), "bars: 95 % interval over processes"]
    if all(limits):
        words.append("limits: by measured peaks; from caches a step may beat the one by memory")
    elif any(limits):
        words.append("limits: by measured peaks, where there are some; from caches a step may beat the one by memory")
    else:
        words.append("no limits: the run measured no peak of these devices")
    return "; ".join(word for word in words if word)


def _panel(axis: Axes, scene: Scene, plane: Plane, scale: float, look: Look) -> None:
    for line in plane.lines:
        style = _lines.line_look(scene, line.contender, look)
        _lines.with_interval(axis, line.rows, (plane.axis, *_COLUMNS), style, look, scale)


def _limits(plane: Plane, peaks: list[Peak]) -> list[_Limit]:
    """Two for each device on which a line of the panel was measured, if its peaks were."""
    workload = WORKLOADS[plane.workload]
    problems = [_problem(plane, size) for size in plane.sizes]
    flops = np.array([workload.flops(problem, STEP) or 0.0 for problem in problems])
    moved = np.array([workload.bytes_moved(problem, STEP) for problem in problems])
    found = []
    for number, (device, threads) in enumerate(_devices(plane)):
        best = ceilings(peaks, device, plane.fixed["dtype"], plane.fixed["precision"], threads)
        if best is None:
            continue
        words = _lines.ceiling_words(best, len(threads) > 1)
        found.append(_Limit(f"limit by arithmetic: {words[0]}", flops / best.flops_per_second, False, number))
        found.append(_Limit(f"limit by memory: {words[1]}", moved / best.bytes_per_second, True, number))
    return found


def _problem(plane: Plane, size: int) -> Problem:
    sizes = {name: int(value) for name, value in plane.fixed.items() if name in SIZES}
    return Problem(dtype=Dtype(plane.fixed["dtype"]), **sizes | {plane.axis: size})


def _devices(plane: Plane) -> list[tuple[str, set[int]]]:
    """Each device of the panel's lines, with their numbers of threads."""
    rows = [line.rows.iloc[0] for line in plane.lines]
    devices = dict.fromkeys(str(row["device"]) for row in rows)
    return [(name, {int(row["threads"]) for row in rows if row["device"] == name}) for name in devices]


def _limit_look(limit: _Limit, look: Look) -> dict[str, Any]:
    colour = (look.theme.soft, look.theme.ink)[min(limit.device, 1)]
    return {"color": colour, "ls": _lines.CEILINGS[limit.by_memory], "lw": 1.5 * look.points / 9}


def _limit_key(limit: _Limit, look: Look, room: float = math.inf) -> Line2D:
    words = clipped(limit.words, room, look.points * _log.NOTE)
    return Line2D([], [], label=words, **_limit_look(limit, look))
