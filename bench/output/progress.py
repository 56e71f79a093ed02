"""Progress on standard error, drawn by the parent between measurements; during one only if that lasts a minute."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from rich.console import Console

from bench.data.schema import Status
from bench.model.case import Case


class Progress:
    """One line that is rewritten on a terminal; elsewhere one line a round."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr, highlight=False)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def _clear(self) -> None:
        if self._live:
            self._console.file.write("\r\x1b[2K")
            self._console.file.flush()

    def _say(self, line: str, otherwise: str = "") -> None:
        """Rewrite the line of a terminal; elsewhere print a line of its own, if there is something for it."""
        if self._live:
            self._clear()
            # No spinner and no refreshing thread: a timer in the parent would wake up in the middle of a measurement.
            self._console.file.write(line[: self._console.width - 1])
            self._console.file.flush()
        elif otherwise:
            self._console.print(otherwise, soft_wrap=True, markup=False)

    def starting(self, frameworks: Sequence[str]) -> None:
        """Say that the interpreters are being started."""
        line = f"Starting {', '.join(frameworks)} …"
        self._say(line, line)

    def measuring(
        self, case: Case, number: int, done: int, of: int, seconds_left: float, widest: tuple[Case, float] | None = None
    ) -> None:
        """Say that a case's turn in a round has come; `widest` is the case with the widest interval, and how wide."""
        more = f", {seconds_left:.0f} s left" if seconds_left else ""
        if widest is not None and math.isfinite(widest[1]):
            more += f", widest interval ±{widest[1] * 100:.1f} % ({widest[0].label})"
        line = f"Round {number + 1}: {done + 1} of {of}{more}: {case.label}"
        self._say(line, "" if done else f"Round {number + 1}: {of} cases{more}.")

    def pairing(self, case: Case, pair: int, of: int) -> None:
        """Say that a pair of processes of one case is about to be measured."""
        self._say(f"Pair {pair + 1} of {of}: {case.label}", "" if pair else f"{of} pairs of {case.label}.")

    def calibrating(self, backend: str) -> None:
        """Say that the peak of a backend's device is about to be measured."""
        self._say(f"Measuring the peak of the device: {backend}")

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self._clear()
        self._console.print(line, soft_wrap=True, markup=False, emoji=False)

    def waiting(self, who: str, seconds: float, working: bool) -> None:
        """Say that a process is still in one step, compilation or build, and whether it does anything."""
        line = f"{who}: no answer for {seconds / 60:.0f} min, {'at work' if working else 'idle'}"
        self._say(line, f"{line}.")

    def failed(self, case: Case, status: Status, reason: str) -> None:
        """Say that a case is out of the run."""
        self.note(f"{case.label}: {status.value}: {reason}")
