"""What stands in a panel of the history above and below its times: changes, and letters for what was new, in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.history import Change, History, Point, Series
from bench.output.figures._look import Look, text_inches
from bench.output.names import short, size_of

SIZE = 0.86
"""Of a label's letters, in ems."""
ROW_EM = 1.25
"""Height of a row."""
MARGIN = 0.6
"""Between the first run and the panel's edge, in runs."""
TIMES_EM = 5.0
"""Height of what the times span."""
STAR = "*"
_MOST_TOLD = 8


def letters_of(shown: Sequence[tuple[History, Series]]) -> dict[str, str]:
    """A letter for each of the newest combinations of things that were new in a run, in the order of the runs."""
    points = sorted((point for _, series in shown for point in series.points), key=lambda point: point.run)
    texts = list(dict.fromkeys(_news(point) for point in points if point.differences))
    first = max(0, len(texts) - _MOST_TOLD)
    return {text: STAR if at < first else chr(ord("a") + at - first) for at, text in enumerate(texts)}


@dataclass(frozen=True)
class Label:
    """One of them."""

    words: str
    place: float
    """On the axis of runs."""
    begin: float
    """Share of the axis at which its words begin."""
    row: int


@dataclass(frozen=True)
class Labels:
    """All of a panel."""

    changes: tuple[Label, ...]
    letters: tuple[Label, ...]
    gaps: tuple[int, ...]
    """Runs without a time."""
    stars: tuple[int, ...]
    """Runs in which there was something new that has no letter."""

    @classmethod
    def of(cls, series: Series, letters: dict[str, str], count: int, inches: float, look: Look) -> Labels:
        """Those of a series among so many runs, on an axis of so many inches."""
        told = [((change.before.run + change.after.run) / 2, _change_words(change)) for change in series.changes]
        news = [(point.run, letters[_news(point)]) for point in series.points if point.differences]
        return cls(
            _in_rows(told, 0.0, count, inches, look),
            _in_rows([item for item in news if item[1] != STAR], 0.5, count, inches, look),
            tuple(point.run for point in series.points if point.seconds is None),
            tuple(run for run, letter in news if letter == STAR),
        )

    @property
    def above_em(self) -> float:
        """Room over the times."""
        return 0.5 + ROW_EM * (1 + max((label.row for label in self.changes), default=-1))

    @property
    def marks_em(self) -> float:
        """Room of crosses and stars at the lower edge."""
        return ROW_EM if self.gaps or self.stars else 0.0

    @property
    def below_em(self) -> float:
        """Room under the times."""
        return 0.5 + self.marks_em + ROW_EM * (1 + max((label.row for label in self.letters), default=-1))

    @property
    def panel_em(self) -> float:
        """Height of the panel."""
        return self.above_em + TIMES_EM + self.below_em


def _in_rows(
    labels: Sequence[tuple[float, str]], hold: float, count: int, inches: float, look: Look
) -> tuple[Label, ...]:
    """Labels in as few rows as keep them apart; one that would leave the panel goes to its place's other side.

    Args:
        labels: place among the runs, and words.
        hold: which part of its width a label has before its place.
        count: runs.
        inches: width of the panel.
        look: the size of letters.
    """
    found: list[Label] = []
    ends: list[float] = []  # where each row's last label ends
    for place, words in labels:
        width = (text_inches(words, look.points * SIZE) + look.em(0.7 if hold == 0 else 0.3)) / inches
        share = (place + MARGIN) / (count - 1 + 2 * MARGIN)
        begin = share - hold * width
        if hold == 0 and begin + width > 1:
            begin = max(0.0, share - width)
        row = next((number for number, end in enumerate(ends) if end <= begin), len(ends))
        ends[row : row + 1] = [begin + width]
        found.append(Label(words, place, begin, row))
    return tuple(found)


def _change_words(change: Change) -> str:
    return f"{size_of(change)} at {short(change.after.revision)}"


def _news(point: Point) -> str:
    return ", ".join(map(str, point.differences))
