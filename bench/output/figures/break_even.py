"""Total time against the number of steps, compiled and not: where the lines cross, compiling has paid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from bench.analysis.break_even import Payoff, Spending, payoffs
from bench.data.run import summary_rows
from bench.errors import NothingToShowError
from bench.model.case import Case, differing
from bench.model.device import Cache
from bench.output.content.compiling import pays
from bench.output.document import plain
from bench.output.figures import _lines
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import Frame, Texts
from bench.output.figures._look import Look
from bench.output.figures._rows import problem_line
from bench.output.figures._ticks import log_axis, log_limits
from bench.output.names import words_of

TITLE = "When compiling has paid: total time against steps"
READING = (
    "A line begins at what a process spends before its first steady step: building, compiling, first steps. Where the "
    "line of a case that compiles falls below the other, compiling has paid; the bar there is the 95 % interval."
)
SHOWS = ("compile_cold", "compile_warm", "step", "step_interval", "first_step")
_POINTS = 61
_DECADES = 4
"""The least number of powers of ten of steps that are shown."""
_STYLES: dict[str, Any] = {Cache.COLD: "-", Cache.WARM: "--"}
"""The styles of what compiles with an empty cache and with a filled one."""

Floats = NDArray[np.float64]


def draw(data: RunData, look: Look) -> Figure:
    """Draw a panel for each case that compiles, with two lines for it and one for what it is held against."""
    found: dict[tuple[Any, Any], list[Payoff]] = {}
    for each in payoffs(data.manifest, summary_rows(data.summary), data.samples, data.processes):
        found.setdefault((each.case, each.over), []).append(each)
    if not found:
        raise NothingToShowError("the run has no case that compiles beside one that does not: measure both.")
    shown = list(found)[: _lines.most_panels(look)]
    apart = differing(case for case, _ in found)
    steps = _steps([each for pair in shown for each in found[pair]])
    subtitle = [
        problem_line(data.headline),
        f"{len(shown)} of {len(found)} cases shown" if len(shown) < len(found) else "",
        "bands: 95 % interval over processes, where it is known",
    ]
    frame = _lines.panel_frame(
        look, Texts(TITLE, subtitle, data.foot(data.headline)), [1 + len(found[pair]) for pair in shown]
    )
    ends = _ends([each for pair in shown for each in found[pair]], steps)
    for axis, (case, over) in zip(frame.axes, shown, strict=True):
        _panel(axis, found[case, over], steps, data.cast, frame)
        log_axis(axis, "x", (1.0, float(steps[-1])), lambda count, _: f"{count:,.0f}", frame.look)
        log_axis(axis, "y", ends, EngFormatter("s"), frame.look)
        words = ", ".join(words_of({name: case.columns.get(name) for name in apart}))
        title = data.cast.name(case.implementation) + (f", {words}" if words else "")
        label = data.cast.fitting(
            over.implementation, _lines.note_room(frame), frame.look.points, f" on {over.backend}"
        )
        other = Line2D([], [], label=label, **_style(over, "", data.cast, frame.look))
        _lines.put_title(axis, title, [*(_note(each, data.cast, frame) for each in found[case, over]), other], frame)
    _lines.label_axes(frame, "steps", "total time (log scale)", "total time")
    return frame.figure


def _steps(every: list[Payoff]) -> Floats:
    """Return numbers of steps from 1 to well beyond the last crossing, evenly spread on a logarithmic scale."""
    ends = [end for each in every for end in (each.after.steps, each.after.high) if end is not None]
    last = max((end for end in ends if math.isfinite(end) and end > 0), default=1.0)
    return np.logspace(0, max(_DECADES, math.ceil(math.log10(last) + 0.5)), _POINTS)


def _ends(every: list[Payoff], steps: Floats) -> tuple[float, float]:
    totals = [each.total(count)[0] for pay in every for each in (pay.compiled, pay.other) for count in steps[[0, -1]]]
    return log_limits([totals])


def _style(case: Case, cache: str, cast: Cast, look: Look) -> dict[str, Any]:
    """Return the look of a line: the colour of its contender, and the style of the cache that it began with."""
    colour = cast.mark(case.implementation, case.backend, look)["color"]
    return {"color": colour, "ls": _STYLES.get(cache, ":"), "lw": 1.5 * look.line}


def _note(payoff: Payoff, cast: Cast, frame: Frame) -> Line2D:
    """Return a note that says after how many steps compiling pays."""
    cache = "empty cache" if payoff.cache is Cache.COLD else "filled cache"
    words = _lines.note_words(f"{cache}: {plain(pays(payoff.after))}", frame)
    return Line2D([], [], label=words, **_style(payoff.case, payoff.cache, cast, frame.look))


def _panel(axis: Axes, found: list[Payoff], steps: Floats, cast: Cast, frame: Frame) -> None:
    look = frame.look
    _line(axis, found[0].other, steps, _style(found[0].over, "", cast, look))
    for each in found:
        style = _style(each.case, each.cache, cast, look)
        _line(axis, each.compiled, steps, style)
        after = each.after
        if not 0 < after.steps < math.inf:
            continue
        low, high = (after.low or 1.0, after.high) if after.high is not None else (after.steps, after.steps)
        place = each.other.total(after.steps)[0]
        ends = [[after.steps - max(low, 1.0)], [min(high, steps[-1]) - after.steps]]
        axis.errorbar(
            [after.steps],
            [place],
            xerr=np.clip(ends, 0, None),
            capsize=2.5 * look.line,
            elinewidth=1.3 * look.line,
            capthick=1.3 * look.line,
            color=style["color"],
            marker="o",
            ms=4.5 * look.line,
            mfc=look.theme.paper,
            zorder=4,
        )


def _line(axis: Axes, spending: Spending, steps: Floats, style: dict[str, Any]) -> None:
    """Draw the total time, and its interval where that is known."""
    totals = [spending.total(count) for count in steps]
    values = np.array([value for value, _ in totals])
    axis.plot(steps, values, zorder=3, **style)
    halves = [half for _, half in totals if half is not None]
    if len(halves) == len(totals):
        band = np.array(halves)
        low = np.maximum(values - band, values * 1e-3)
        axis.fill_between(steps, low, values + band, color=style["color"], alpha=0.2, lw=0, zorder=2)
