"""The power of verdicts on one machine: how often a slowdown is found, from what `bench doctor --calibrate` counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.errors import NothingToShowError
from bench.output.figures import _lines
from bench.output.figures._frame import Texts
from bench.output.figures._look import Look
from bench.output.figures._ticks import FittingLocator, even_steps, plain, put_ticks
from bench.output.names import counted
from bench.output.text import rough
from bench.run.calibration import Calibration, Rate

OF = "calibration"
TITLE = "How often a slowdown is found on this machine"
READING = (
    "A point is the share of trials in which a slowdown of that size was called a REGRESSION, its whisker the exact "
    "95 % interval. The cross at 0 % is the same step against itself: what was found there is a false alarm."
)
_COUNT = 0.86
"""Size of the letters of the counts, in ems."""


def draw(found: Calibration, look: Look) -> Figure:
    """Draw the counted shares with their intervals, and lines from one to the next."""
    planted = sorted((float(name.rstrip("%")), rate) for name, rate in found.power.items() if rate.trials)
    if not planted:
        raise NothingToShowError(
            "the calibration holds no planted slowdown: measure it anew, `bench doctor --calibrate`."
        )
    keys, theme = _keys(found, look), look.theme
    frame = _lines.panel_frame(look, Texts(TITLE, _subtitle(found), _foot(found), keys), [0])
    look, (axis,) = frame.look, frame.axes
    slowdowns = [slowdown for slowdown, _ in planted]
    _points(axis, slowdowns, [rate for _, rate in planted], look, _power_look(look))
    if found.false_positives.trials:
        _points(axis, [0.0], [found.false_positives], look, _alarm_look(look))
    if found.tolerance is not None:
        axis.axvline(found.tolerance * 100, zorder=1, **_tolerance_look(look))
    last = max(*slowdowns, (found.tolerance or 0) * 100)
    axis.set_xlim(-0.08 * last, 1.1 * last)
    axis.set_ylim(-9, 109)
    axis.axhline(0, color=theme.ink, lw=0.8 * look.line, zorder=1)
    put_ticks(axis, "x", lambda value, _: f"{plain(value)} %", FittingLocator(look, even_steps, (0, 1.1 * last)))
    put_ticks(axis, "y", lambda value, _: f"{value:.0f} %", FittingLocator(look, even_steps, (0, 100)))
    axis.set_xlabel("slowdown that was planted in one phase, of the whole step")
    _lines.label_y(frame, "share of trials called a REGRESSION", "called a REGRESSION", "share")
    return frame.figure


def _points(axis: Any, slowdowns: list[float], rates: list[Rate], look: Look, style: dict[str, Any]) -> None:
    """Draw shares with their intervals, and beside each how many trials there were."""
    shares = np.array([rate.happened / rate.trials for rate in rates]) * 100
    ends = np.array([(rate.low, rate.high) for rate in rates]).T * 100
    errors = np.abs(np.vstack([shares - ends[0], ends[1] - shares]))
    width = 1.0 * look.line
    axis.errorbar(
        slowdowns, shares, yerr=errors, elinewidth=width, capsize=2.5 * width, capthick=width, zorder=3, **style
    )
    for slowdown, share, rate in zip(slowdowns, shares, rates, strict=True):
        axis.annotate(
            f"{rate.happened} of {rate.trials}",
            (slowdown, share),
            xytext=(0.55 * look.points, (0.75 if share < 15 else -0.75) * look.points),
            textcoords="offset points",
            va="center",
            fontsize=look.points * _COUNT,
            zorder=4,
            bbox={"facecolor": look.theme.paper, "edgecolor": "none", "pad": 0.08 * look.points},
        )


def _power_look(look: Look) -> dict[str, Any]:
    return {**look.theme.mark(0), "lw": 1.4 * look.line, "ms": 5.0 * look.line}


def _alarm_look(look: Look) -> dict[str, Any]:
    return {"color": look.theme.alarm, "ls": "none", "marker": "X", "ms": 6.5 * look.line}


def _tolerance_look(look: Look) -> dict[str, Any]:
    return {"color": look.theme.ink, "lw": look.line, "ls": "--"}


def _keys(found: Calibration, look: Look) -> list[Line2D]:
    keys = [
        Line2D([], [], label="found", **_power_look(look)),
        Line2D([], [], label="false alarm, unchanged step", **_alarm_look(look)),
    ]
    if found.tolerance is not None:
        label = f"tolerance, {plain(found.tolerance * 100)} %"
        keys.append(Line2D([], [], label=label, **_tolerance_look(look)))
    return keys


def _subtitle(found: Calibration) -> list[str]:
    allowed = "" if found.alpha is None else f"false alarms may be {plain(found.alpha * 100)} % at most"
    return [
        f"{found.implementation}, up to {counted(found.pairs, 'pair')} a verdict",
        "whiskers: exact 95 % interval (Clopper and Pearson)",
        allowed,
        f"right phase named in {found.localised.happened} of {found.localised.trials} found",
        "nothing is fitted: lines only join the points",
    ]


def _foot(found: Calibration) -> str:
    made = [found.cpu, f"stepbench {found.stepbench}" if found.stepbench else ""]
    when = f"{found.created[:10]}, {rough(found.seconds)}"
    return "; ".join([*filter(None, made), when, f"calibration {found.fingerprint}"])
