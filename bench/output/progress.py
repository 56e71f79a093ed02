"""Progress on standard error, drawn by the parent between measurements; during one only if that lasts a minute."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from rich.console import Console

from bench.data.schema import Status
from bench.model.case import Case
from bench.output.names import counted
from bench.output.text import one_line, option, rough
from bench.run.forecast import Forecast


class Progress:
    """One line that is rewritten on a terminal; elsewhere one line a round."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr, highlight=False)
        self._done: int | None = None
        """How many tasks were done when that was last said."""
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
            line = one_line(line)
            # No spinner and no refreshing thread: a timer in the parent would wake up in the middle of a measurement.
            self._console.file.write(line[: self._console.width - 1])
            self._console.file.flush()
        elif otherwise:
            self._console.print(one_line(otherwise), soft_wrap=True, markup=False)

    def planned(self, cases: int, groups: int, seconds: float) -> None:
        """Say how much a run has to measure, and within which time."""
        what = f"{counted(cases, 'case')} in {counted(groups, 'group')}"
        self.note(f"{what}: at most {rough(seconds)}, but the first round is always finished.")

    def overrunning(self, seconds: float, budget_seconds: float) -> None:
        """Say that the first round will end later than the budget."""
        self.note(f"The first round ends after {rough(seconds)} at least; --budget leaves {rough(budget_seconds)}.")

    def foreseen(self, found: Forecast) -> None:
        """Say how many rounds or pairs the budget holds; that it is too short stays on a terminal."""
        line = f"A {found.unit} takes about {rough(found.seconds)}: the budget holds {found.held}"
        aim = f"{found.purpose} takes {found.wanted}"
        if found.short:
            self.note(f"{line}, and {aim}; give --budget {option(found.budget_seconds)}.")
        else:
            self._say(line, f"{line}, and {aim}.")

    def queued(self, reason: str) -> None:
        """Say that another command is waited for, or that nothing keeps one away."""
        self.note(reason)

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
        self._say(line, "" if done else f"Round {number + 1}: {counted(of, 'case')}{more}.")

    def tasks(self, queued: int, running: int, done: int) -> None:
        """Say how many tasks on other machines wait, run and are done."""
        line = f"{counted(queued + running + done, 'task')}: {queued} queued, {running} running, {done} done"
        self._say(line, f"{line}." if done != self._done else "")
        self._done = done

    def pairing(self, case: Case, pair: int, of: int) -> None:
        """Say that a pair of processes of one case is about to be measured."""
        self._say(f"Pair {pair + 1} of {of}: {case.label}", "" if pair else f"{counted(of, 'pair')} of {case.label}.")

    def measuring_peak(self, backend: str) -> None:
        """Say that the peak of a backend's device is about to be measured."""
        self._say(f"Measuring the peak of the device: {backend}")

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self._clear()
        self._console.print(one_line(line), soft_wrap=True, markup=False, emoji=False)

    def waiting(self, who: str, seconds: float, working: bool) -> None:
        """Say that a process is still in one step, compilation or build, and whether it does anything."""
        line = f"{who}: no answer for {rough(seconds)}, {'at work' if working else 'idle'}"
        self._say(line, f"{line}.")

    def unwritten(self, reason: str) -> None:
        """Say that a file cannot be written, whose contents are known all the same."""
        self.note(f"Warning: {reason}")

    def failed(self, case: Case, status: Status, reason: str) -> None:
        """Say that a case is out of the run."""
        self.note(f"{case.label}: {status.value}: {reason}")
