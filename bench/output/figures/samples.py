"""The samples of each case in the order in which they were taken, and what disturbed which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bench.errors import NothingToShowError
from bench.machine.disturbance import LAUNCH_BOUND, PREEMPTED, PRESSURE, STOLEN, UNSETTLED
from bench.model.condition import FOREIGN, THROTTLED
from bench.output.figures import _small, _style
from bench.output.figures._frame import Frame, new_frame
from bench.output.figures._times import padded, put_time_axis
from bench.output.names import VARIANT, variant_word

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.output.figures import Look, RunData

TITLE = "The samples in the order in which they were taken"
READING = (
    "Each dot is a sample, its height the time of one step; shades change where one process ends and the next begins. "
    "A mark around a dot says what disturbed it; a drift, or steps between processes, would show here."
)
SHOWS = ("step", "samples", "flagged", "processes")
MEANING = {
    PREEMPTED: "the kernel took a CPU away",
    STOLEN: "the hypervisor gave a CPU to others",
    PRESSURE: "tasks waited for a CPU",
    UNSETTLED: "the warm-up never became steady",
    THROTTLED: "the device ran slower than it can",
    FOREIGN: "others held memory of the device",
    LAUNCH_BOUND: "the device waited for the host",
}
_SIGNS = {PREEMPTED: ("o", 1), STOLEN: ("^", 2), PRESSURE: ("s", 0), UNSETTLED: ("v", 6)}
_SIGNS |= {THROTTLED: ("D", 3), FOREIGN: ("P", 4), LAUNCH_BOUND: ("X", 5)}
"""Mark, and place among the theme's colours."""
_OTHER_SIGN = ("*", 7)
MOST_DOTS = 3600
"""Of a figure; samples of a panel that has more than its part are gathered into so many bars."""
BARS = 120
MOST_FLAGGED = 2000
"""Marks of a figure; of more, each bar keeps the slowest of its kind."""
_MOST_BANDS = 24
_PANEL_EM = 5.5

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Case:
    row: pd.Series[Any]
    seconds: Floats
    """In the order in which they were taken."""
    process: NDArray[np.int64]
    """From 0, which of the case's processes each is of."""
    flags: dict[str, NDArray[np.bool_]]
    """Which samples carry each flag."""

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Which carry any."""
        found = np.zeros(len(self.seconds), dtype=bool)
        for marked in self.flags.values():
            found |= marked
        return found


def draw(data: RunData, look: Look) -> Figure:
    """A panel a case, the most disturbed first: dots, marks on what was flagged, shades that alternate by process."""
    rows = _style.headline(data.summary)
    every = _cases(data, rows)
    if not every:
        raise NothingToShowError("samples.csv holds no whole step of its cases: restore the file or measure anew.")
    shown = sorted(every, key=lambda case: -case.flagged.mean())[: _small.MOST[look.width]]
    kinds = [kind for kind in _kinds(every) if any(kind in case.flags for case in shown)]
    thinned = sum(int(marked.sum()) for case in shown for marked in case.flags.values()) > MOST_FLAGGED
    most = BARS if thinned else MOST_DOTS // len(shown)
    band = -(-max(int(case.process[-1]) + 1 for case in shown) // _MOST_BANDS)
    columns = _small.columns_of(look, len(shown))
    frame = new_frame(
        look,
        TITLE,
        _style.remarks(_style.problem_line(rows), *_remarks(every, shown, band, most, thinned)),
        _style.footer(data),
        [_PANEL_EM] * len(shown),
        keys=_keys(shown, kinds, look),
        columns=columns,
        around=_small.AROUND_EM,
    )
    telling = [name for name in ("workload", *VARIANT) if rows[name].nunique() > 1]
    for axis, case in zip(frame.axes, shown, strict=True):
        _panel(axis, case, band, most, thinned, frame)
        facts = [str(case.row[name]) if name == "workload" else variant_word(name, case.row[name]) for name in telling]
        _small.heading(axis, str(case.row["implementation"]), "; ".join([str(case.row["backend"]), *facts]), frame)
    for axis in frame.axes[-columns:]:
        axis.set_xlabel("samples, in their order")
    return frame.figure


def _cases(data: RunData, rows: pd.DataFrame) -> list[_Case]:
    found = []
    for label, row in rows.iterrows():
        own = data.steps[data.steps["case"] == label]
        if not (own["seconds"] > 0).any():
            continue
        texts = own["flags"].astype("category").cat
        words = [set(text.split()) for text in texts.categories]
        codes = texts.codes.to_numpy()
        marks = {kind: np.array([kind in each for each in words])[codes] for kind in sorted(set().union(*words))}
        flags = {kind: marked for kind, marked in marks.items() if marked.any()}
        process = own["process"].to_numpy(dtype=int)
        order = np.concatenate([[0], np.cumsum(process[1:] != process[:-1])])
        found.append(_Case(row, own["seconds"].to_numpy(dtype=float), order, flags))
    return found


def _kinds(cases: list[_Case]) -> list[str]:
    """The flags that there are, in the order of `MEANING`; unknown ones last."""
    found = {kind for case in cases for kind in case.flags}
    return [kind for kind in MEANING if kind in found] + sorted(found - MEANING.keys())


def _remarks(every: list[_Case], shown: list[_Case], band: int, most: int, thinned: bool) -> list[str]:
    count, flagged = sum(len(case.seconds) for case in every), sum(int(case.flagged.sum()) for case in every)
    found = [f"whole steps: {count:,} samples, {flagged:,} of them flagged"]
    if len(shown) < len(every):
        found.append(f"{len(shown)} of {len(every)} cases, the most disturbed first")
    found.append(f"shades alternate with {'each process' if band == 1 else f'every {band} processes'}")
    found.append("line: median in the table")
    if any(len(case.seconds) > most for case in shown):
        found.append("many samples are thinned to bars from the shortest to the longest with dots at the medians")
    if thinned:
        found.append("of the flagged ones only the longest in each bar is marked")
    return found


def _sign(kind: str, look: Look, ms: float = 4.5) -> dict[str, Any]:
    """A hollow mark, so that several on one sample can be told apart."""
    marker, place = _SIGNS.get(kind, _OTHER_SIGN)
    colour, line = look.theme.series[place], look.points / 9
    return {"ls": "none", "marker": marker, "ms": ms * line, "mfc": "none", "mec": colour, "mew": 0.9 * line}


def _keys(shown: list[_Case], kinds: list[str], look: Look) -> list[Line2D]:
    dot: dict[str, Any] = {
        "ls": "none",
        "marker": ".",
        "ms": look.points * 0.5,
        "mec": look.theme.soft,
        "mfc": look.theme.soft,
    }
    keys = [Line2D([], [], label="not flagged", **dot)]
    for kind in kinds:
        count = sum(int(case.flags[kind].sum()) for case in shown if kind in case.flags)
        words = f"{kind}: {MEANING[kind]}" if kind in MEANING else kind
        keys.append(Line2D([], [], label=f"{words} ({count:,})", **_sign(kind, look, 6.0)))
    return keys


def _panel(axis: Axes, case: _Case, band: int, most: int, thinned: bool, frame: Frame) -> None:
    look = frame.look
    theme, count = look.theme, len(case.seconds)
    _bands(axis, case, band, look)
    axis.axhline(float(case.row["median_seconds"]), color=theme.soft, lw=0.7 * look.points / 9, zorder=2)
    calm = ~case.flagged
    places = np.arange(count)
    bars = places * BARS // count if count > most else places
    _dots(axis, case.seconds, bars, calm, look)
    for kind in case.flags:
        places = _longest(case.seconds, bars, case.flags[kind]) if thinned else np.flatnonzero(case.flags[kind])
        axis.plot(places, case.seconds[places], zorder=4, label=kind, **_sign(kind, look))
    axis.set_xlim(-0.5 - count * 0.01, count - 0.5 + count * 0.01)
    positive = case.seconds[case.seconds > 0]
    limits = padded(float(positive.min()), float(positive.max()), 0.07)
    put_time_axis(axis, "y", limits, look.em(_PANEL_EM), lambda label: look.em(1.25))
    axis.grid(axis="y")
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _bands(axis: Axes, case: _Case, band: int, look: Look) -> None:
    """Every second group of processes is shaded."""
    group = case.process // band
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(begins[1:], len(group))
    spans = [(begin - 0.5, end - begin) for begin, end in zip(begins[1::2], ends[1::2], strict=True)]
    axis.broken_barh(
        spans, (0, 1), transform=axis.get_xaxis_transform(), facecolor=look.theme.faint, alpha=0.5, lw=0, zorder=0
    )


def _dots(axis: Axes, seconds: Floats, bars: NDArray[np.int64], calm: NDArray[np.bool_], look: Look) -> None:
    """Samples without a flag: dots, or bars from the shortest to the longest with a dot at the median."""
    colour, line = look.theme.soft, look.points / 9
    dot: dict[str, Any] = {"ls": "none", "marker": ".", "ms": 3 * line, "mec": "none", "mfc": colour, "zorder": 3}
    places = np.flatnonzero(calm)
    if bars[-1] == len(bars) - 1:
        axis.plot(places, seconds[places], label="calm", **dot)
        return
    middles, ends, medians = [], [], []
    for own in np.split(places, np.flatnonzero(np.diff(bars[places])) + 1):
        if len(own):
            middles.append((own[0] + own[-1]) / 2)
            ends.append((seconds[own].min(), seconds[own].max()))
            medians.append(np.median(seconds[own]))
    # One path for all bars: as single lines they would fill an SVG.
    across = np.repeat(np.asarray(middles, dtype=float), 3)
    upright = np.array([(low, high, np.nan) for low, high in ends]).ravel()
    axis.plot(across, upright, color=colour, lw=0.8 * line, alpha=0.6, zorder=3, label="bars")
    axis.plot(middles, medians, label="calm", **dot)


def _longest(seconds: Floats, bars: NDArray[np.int64], marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of the marked samples of each bar the place of the longest."""
    places = np.flatnonzero(marked)
    by_bar = np.split(places, np.flatnonzero(np.diff(bars[places])) + 1)
    return np.array([own[np.argmax(seconds[own])] for own in by_bar if len(own)], dtype=int)
