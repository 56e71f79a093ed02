"""What a lower precision costs in error and gains in speed."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from bench.analysis.summarise import ERRORS
from bench.errors import NothingToShowError
from bench.model.case import case_columns_among
from bench.model.precision import Precision
from bench.output.figures import _lines, _rows
from bench.output.figures._cast import Cast
from bench.output.figures._data import RunData
from bench.output.figures._frame import Texts, key_room
from bench.output.figures._look import MARKERS, Look
from bench.output.figures._ticks import log_axis, log_limits, times

TITLE = "What a lower precision gains in speed and costs in error"
READING = (
    "Further right, a precision is faster than full; lower, its results are closer to those in float64. The best place "
    "is below on the right. Letters and colours tell implementations apart, the shape of a mark its precision."
)
SHOWS = ("precision_speedup", "precision_interval", "error", "step")
_LEAST = 1e-16
"""An error of 0, which has no logarithm, is drawn here: float64, which tells errors, has no more digits."""
_FILLS = ("full", "none", "bottom")
_PRECISIONS = list(Precision)


def draw(data: RunData, look: Look) -> Figure:
    """Draw a mark a case whose implementation was measured in several precisions."""
    rows, over = _several(data)
    apart = _rows.panels(rows)
    shown = _lines.in_turn(apart, [panel["workload"].iloc[0] for _, panel in apart], _lines.most_panels(look))
    inside = pd.concat([panel for _, panel in shown])
    pairs = list(dict.fromkeys(zip(inside["implementation"], inside["backend"], strict=True)))
    subtitle = [
        _rows.problem_line(rows),
        "whiskers: 95 % interval of the speedup, and from the largest error of a process down to the smallest",
        f"{len(shown)} of {len(apart)} panels shown" if len(shown) < len(apart) else "",
    ]
    foot = data.foot(rows, "without several precisions")
    texts = Texts(TITLE, subtitle, foot, _keys(pairs, inside, data.cast, look))
    frame = _lines.panel_frame(look, texts, [0] * len(shown))
    across = log_limits([*(inside[name] for name in ("x", "x_low", "x_high")), (1.0,)], span=2.0)
    up = log_limits([inside["y"], inside["y_low"]], span=100.0)
    for axis, (title, panel) in zip(frame.axes, shown, strict=True):
        axis.axvline(1, color=look.theme.ink, lw=frame.look.line, ls=":", zorder=1.5)
        for number, pair in enumerate(pairs):
            here = panel[(panel["implementation"] == pair[0]) & (panel["backend"] == pair[1])]
            _marks(axis, here, _letter(number), data.cast.number(*pair), frame.look)
        log_axis(axis, "x", across, times, frame.look)
        log_axis(axis, "y", up, _power, frame.look)
        _lines.put_title(axis, title, [], frame)
    error = "largest relative error"
    _lines.label_axes(frame, f"speedup over {over}", f"{error} (log scale)", error, "error")
    return frame.figure


def _several(data: RunData) -> tuple[pd.DataFrame, str]:
    """Return the cases to show, and what their speedups are over.

    Beside the columns of the summary they have `rounding`, the precision, which is no condition of a panel, and the
    place of the mark with the ends of its whiskers: `x`, `x_low`, `x_high`, `y`, `y_low`.
    """
    rows = data.headline
    if rows["precision"].nunique() < 2:
        raise NothingToShowError(
            "every case has the same precision: measure several, as with `bench run --precision full,tf32`."
        )
    stem, over = "precision_speedup", "full precision"
    if not rows[stem].notna().any():
        stem, over = "speedup", _rows.over(rows, data.cast)
    places = {"x": rows[stem], "x_low": rows[f"{stem}_low"], "x_high": rows[f"{stem}_high"]}
    if stem == "precision_speedup":
        full = rows["precision"] == Precision.FULL
        places["x"] = places["x"].mask(full, 1.0)
    # The smallest of the processes' errors, each the largest of its kinds.
    key = case_columns_among(rows.columns)
    errors = data.processes[key].assign(smallest=data.processes[list(ERRORS)].max(axis=1))
    least = errors.groupby(key, as_index=False, observed=True)["smallest"].min()
    smallest = rows[key].merge(least, on=key, how="left").set_axis(rows.index)["smallest"]
    ends = {"y": rows["error"].clip(lower=_LEAST), "y_low": smallest.clip(lower=_LEAST)}
    found = rows.assign(**places, **ends).rename(columns={"precision": "rounding"})
    found = found[found["x"].notna() & found["y"].notna()]
    groups: Any = found.groupby(case_columns_among(found.columns))
    found = found[groups["rounding"].transform("nunique") > 1] if len(found) else found
    if not len(found):
        raise NothingToShowError(
            "no case stands with its error and a speedup beside another precision: add full to --precision."
        )
    return found, over


def _power(value: float, place: Any = None) -> str:
    """Return a number as a digit and a power of ten, such as 1e-7."""
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _style(number: int | None, precision: str, look: Look) -> dict[str, Any]:
    """Return the look of a mark: colour and filling for what computes, the marker for its precision."""
    colour = look.theme.mark(number)["color"]
    fill = _FILLS[(number or 0) // len(look.theme.series) % len(_FILLS)]
    marker = MARKERS[_PRECISIONS.index(Precision(precision))]
    edge = look.theme.edge if fill == "full" else colour
    style = {"color": colour, "marker": marker, "fillstyle": fill, "markerfacecoloralt": look.theme.paper}
    return style | {"mec": edge, "mew": 0.6 * look.line, "ms": 6.0 * look.line}


def _letter(number: int) -> str:
    """Return what stands beside the marks of an implementation."""
    return ascii_lowercase[number] if number < len(ascii_lowercase) else str(number)


def _marks(axis: Axes, rows: pd.DataFrame, letter: str, number: int | None, look: Look) -> None:
    """Draw the cases of one implementation and backend in a panel."""
    x, low, high, y, least = (rows[name].to_numpy(dtype=float) for name in ("x", "x_low", "x_high", "y", "y_low"))
    width = 1.0 * look.line
    errors = np.nan_to_num(np.vstack([x - low, high - x])).clip(min=0), np.nan_to_num(np.vstack([y - least, 0 * y]))
    bars: dict[str, Any] = {"elinewidth": width, "capsize": 2.2 * width, "capthick": width, "ecolor": look.theme.ink}
    axis.errorbar(x, y, xerr=errors[0], yerr=errors[1].clip(min=0), fmt="none", zorder=3, **bars)
    for place, precision in enumerate(rows["rounding"]):
        axis.plot(x[place], y[place], ls="none", zorder=4, **_style(number, precision, look))
        if precision != Precision.FULL:  # those are all in one place
            where: dict[str, Any] = {"xytext": (4.5 * look.line, 2.5 * look.line), "textcoords": "offset points"}
            text = axis.annotate(letter, (x[place], y[place]), zorder=5, fontsize=0.85 * look.points, **where)
            text.set_path_effects([withStroke(linewidth=2.0 * look.line, foreground=look.theme.paper)])


def _keys(pairs: Sequence[tuple[str, str]], rows: pd.DataFrame, cast: Cast, look: Look) -> list[Line2D]:
    """Return a key for each implementation, and one for each precision."""
    several = _rows.several_backends(rows)
    keys = []
    for place, (name, backend) in enumerate(pairs):
        style = _style(cast.number(name, backend), Precision.FULL, look) | {"marker": "", "lw": 2.4 * look.line}
        tail = f" ({backend})" if several else ""
        label = f"{_letter(place)}: {cast.fitting(name, key_room(look) - look.em(2), look.points, tail)}"
        keys.append(Line2D([], [], label=label, **style))
    ink: dict[str, Any] = {"color": look.theme.soft, "ms": 5.5 * look.line, "ls": "none"}
    known = [each for each in _PRECISIONS if (rows["rounding"] == each).any()]
    keys += [Line2D([], [], label=each, marker=MARKERS[_PRECISIONS.index(each)], **ink) for each in known]
    return keys
