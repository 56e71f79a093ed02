"""The sources of figures that show several runs, what each run looks like, and what figures of rows of them share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.analysis.several import Member, Several
from bench.data.foreign import AnyCase
from bench.model.case import CASE_COLUMNS, case_columns_among
from bench.output.figures import _bars, _rows
from bench.output.figures._cast import Cast, Choice
from bench.output.figures._frame import Frame, Grid, Texts, beside, new_frame, panel_title
from bench.output.figures._look import Look
from bench.output.names import counted, day
from bench.output.provenance import digest
from bench.stats.estimates import Estimate

_GAP = 0.5
"""Room between the bars of two cases, as a part of that of a bar."""
_PANEL_WIDTH_EM = 33.0
_TEXTS = {column.name for column in CASE_COLUMNS if not issubclass(column.kind, int)}


class RunsData:
    """Several runs on disk. Frames are shared by all figures: do not change them."""

    def __init__(self, several: Several, folder: Path, choice: Choice | None = None) -> None:
        """Take what was read.

        Args:
            several: the runs.
            folder: the one whose `figures/` folder they are drawn into.
            choice: which implementations are shown, in which order and under which names; by default all as they are.

        Raises:
            UsageError: the choice does not fit the runs.
        """
        self.several, self.folder, self.choice = several, folder, choice or Choice()
        self.digest = cache(digest)  # computed once for all figures
        self.choice.check(list(dict.fromkeys(case.implementation for each in several.members for case in each.seen)))
        pairs = [(case.implementation, case.backend) for case in several.cases]
        self.cast = Cast.of(pairs, (), self.choice.renamed)
        """What contenders are called."""

    @property
    def options(self) -> list[str]:
        """The options of the commands that show it so."""
        baseline = self.several.baseline
        return [*(["--baseline", baseline] if baseline else []), *self.choice.options]

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files of the runs."""
        return self.several.files

    @property
    def words(self) -> list[str]:
        """The runs, as a command names them."""
        return [f"results/{member.run_id}" for member in self.several.members]

    @property
    def run_id(self) -> str:
        """The names of the runs."""
        return ", ".join(member.run_id for member in self.several.members)

    @property
    def measured_by(self) -> list[str]:
        """The command that measured them: there are several, so it is none."""
        return []

    @cached_property
    def rows(self) -> pd.DataFrame:
        """A row a case and run that has a time, the fastest case first: its columns, `run`, times and speedups.

        Cases that one run alone has are left out, unless there are no others.
        """
        last, places = len(self.choice.order), {name: place for place, name in enumerate(self.choice.order)}
        seen = {case: [self.several.at(each, case) for each in self.several.having(case)] for case in self._shown}
        fastest = {case: min(each.seconds.value for each in found if each.seconds) for case, found in seen.items()}
        order = sorted(seen, key=lambda case: (places.get(case.implementation, last), fastest[case]))
        found = pd.DataFrame([self._row(case, each) for case in order for each in self.several.having(case)])
        columns = case_columns_among(found.columns)
        found = found.fillna({name: "" if name in _TEXTS else 0 for name in columns})
        return found.astype({name: int for name in columns if name not in _TEXTS})

    @property
    def _shown(self) -> list[AnyCase]:
        return self.several.shared or self.several.cases

    def _row(self, case: AnyCase, member: Member) -> dict[str, Any]:
        seen = self.several.at(member, case)
        times, speedups = _ends(seen.seconds), _ends(seen.speedup)
        return {
            **case.columns,
            "run": self.several.members.index(member),
            "baseline": seen.baseline,
            **dict(zip(("median_seconds", "low_seconds", "high_seconds"), times, strict=True)),
            **dict(zip(("speedup", "speedup_low", "speedup_high"), speedups, strict=True)),
        }

    def foot(self, without: int = 0, lacking: str = "") -> str:
        """Return what a figure does not show, and which runs it shows.

        Args:
            without: how many of the cases that it could show lack what it shows.
            lacking: why, such as "without a speedup".
        """
        alone = len(self.several.cases) - len(self._shown)
        parts = [f"{counted(alone, 'case')} that one run alone has a time of"] if alone else []
        parts += [f"{counted(without, 'case')} {lacking}"] if without else []
        runs = "; ".join(f"{each.letter}: {self._source(each)}" for each in self.several.members)
        return "\n".join([*([f"Not shown: {'; '.join(parts)}."] if parts else []), runs])

    def _source(self, member: Member) -> str:
        by = f", measured by {member.measured_by}" if member.measured_by else ""
        return f"run {member.run_id}, {day(member.created)} UTC{by}"

    def keys(self, rows: pd.DataFrame, look: Look, filled: bool = False) -> list[Artist]:
        """Return a key for each run of these rows: a line with its marker, or the filling of a bar."""
        found: list[Artist] = []
        for run in sorted(set(rows["run"])):
            label = self.several.members[run].told
            if filled:
                found.append(Patch(label=label, **bar_look(run, look)))
            else:
                found.append(Line2D([], [], label=label, **line_look(run, look)))
        return found


def _ends(found: Estimate | None) -> list[float]:
    values = (None,) * 3 if found is None else (found.value, found.low, found.high)
    return [math.nan if value is None else value for value in values]


def bar_look(run: int, look: Look) -> dict[str, Any]:
    """Return how the bars of a run look."""
    return {"facecolor": look.theme.mark(run)["color"], "edgecolor": look.theme.edge, "lw": 0.6 * look.line}


def line_look(run: int, look: Look) -> dict[str, Any]:
    """Return how the lines of a run look, and its dots."""
    return {**look.theme.mark(run), "lw": 1.3 * look.line, "ms": 4.2 * look.line, "mec": "none"}


# Rows, those of one case together and a run each


def _places(panel: pd.DataFrame) -> list[float]:
    """Return the height of each row: one a run, with a gap between two cases."""
    key = panel[case_columns_among(panel.columns)].apply(tuple, axis=1)
    case = (key != key.shift()).cumsum() - 1
    return [-(place + _GAP * float(number)) for place, number in enumerate(case)]


def _room(panel: pd.DataFrame) -> float:
    """Return the height of a panel in ems."""
    return _bars.bars_em(1) - _bars.BAR_EM * _places(panel)[-1]


def panels_of(rows: pd.DataFrame, look: Look) -> tuple[list[tuple[str, pd.DataFrame]], str]:
    """Choose the panels that there is room for, those of each workload in turn; and say how many are left out."""
    every = _rows.panels(rows)
    most = _bars.MOST_BARS[look.width]
    kept = [(title, _whole_cases(panel, most)) for title, panel in every]
    while len(kept) > 1 and not _bars.fit([_room(panel) * _bars.DENSEST for _, panel in kept], look, roomy=False):
        kept.pop()
    remarks = [f"{len(kept)} of {len(every)} panels shown"] if len(kept) < len(every) else []
    longest = max(len(panel) for _, panel in every)
    remarks += [f"the first {most} of up to {longest} bars a panel"] if longest > most else []
    return kept, "; ".join(remarks)


def _whole_cases(panel: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the first rows of a panel, so many at most and no case in part."""
    if len(panel) <= most:
        return panel
    keys = list(panel[case_columns_among(panel.columns)].itertuples(index=False, name=None))
    ends = [0]
    for _, inside in groupby(keys):
        ends.append(ends[-1] + len(list(inside)))
    return panel[: max([end for end in ends if end <= most][-1], ends[1])]


def run_rows(
    data: RunsData,
    texts: Texts,
    panels: Sequence[tuple[str, pd.DataFrame]],
    look: Look,
    draw: Callable[[Axes, float, pd.Series[Any], Frame], _bars.Bar],
) -> Frame:
    """Draw a row a case and run, one below the other, with the case's name, the run's letter, and its number.

    Args:
        data: the runs.
        texts: the words around the panels.
        panels: titles and rows.
        look: width and style.
        draw: draws one row at a height.
    """
    columns = _bars.columns_of(look, len(panels))
    heights = [_room(panel) for _, panel in panels]
    grid = Grid(heights, columns, least_width=_PANEL_WIDTH_EM, denser=_bars.DENSEST, least=_bars.DENSEST)
    frame = new_frame(look, texts, grid)
    several = _rows.several_backends(pd.concat([panel for _, panel in panels]))
    for number, (axis, (title, panel)) in enumerate(zip(frame.axes, panels, strict=True)):
        places, names, before = _places(panel), [], None
        for place, (_, row) in zip(places, panel.iterrows(), strict=True):
            bar = draw(axis, place, row, frame)
            _bars.whisker(axis, place, bar, frame.look)
            beside(axis, place, bar.text, frame.look)
            tail = f"  {data.several.members[row['run']].letter}"
            case = (row["implementation"], row["backend"])
            names.append(_name(data, row, frame, several, tail) if case != before else tail.strip())
            before = case
        axis.set_yticks(places, names)
        panel_title(axis, title, frame)
        # Panels beside each other are as high as the highest of them, and rows equally thick in all.
        lowest = max(heights[number // columns * columns :][:columns]) / _bars.BAR_EM
        axis.set_ylim(0.6 - lowest, 0.6)
    return frame


def _name(data: RunsData, row: pd.Series[Any], frame: Frame, several: bool, tail: str) -> str:
    backend = f" ({row['backend']})" if several else ""
    room = frame.panel_inches * _bars.NAME_SHARE
    return data.cast.fitting(row["implementation"], room, frame.look.points, backend + tail)
