"""`bench gpu-proof`: parts of a proof, each a command in a process of its own, within one budget.

What becomes of one part says nothing about the others: one that fails, hangs or crashes costs its own lines, and what
the budget has no room for says so.
"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from bench.data.store import SAMPLES

FOLDER_BYTES = 16_000_000
LOGS = "logs"
FOLDER = "folder"
"""The line that says whether the folder is small enough."""
_GRACE_SECONDS = 20.0
"""How long a command that was interrupted may tidy up: a run summarises what it has finished."""
_LONGEST_FIGURE = 600
_ROOT = Path(__file__).resolve().parents[2]


class Judged(StrEnum):
    """What became of one line of the proof."""

    PASS = "PASS"  # noqa: S105 - a word
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True)
class ProofLine:
    """One question with its answer."""

    name: str
    answer: Judged
    figure: str
    """The figure that decides, or the reason."""
    seconds: float = 0.0
    """What its part took."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended, in whatever way."""

    folder: Path
    """Where it was to put its files."""
    status: int
    """Its exit status; negative after a signal."""
    output: str
    errors: str
    seconds: float
    late: bool = False
    """Whether it was ended because its time was over."""
    interrupted: bool = False
    """Whether it was ended by Ctrl-C."""

    @property
    def trouble(self) -> str:
        """Why it did not end well; empty if it did."""
        if self.late:
            return f"its time was over after {self.seconds:.0f} s"
        if self.status == 0:
            return ""
        last = next((line for line in reversed(self.errors.splitlines()) if line.strip()), "it said nothing")
        return f"exit status {self.status}: {last.strip()}"


@dataclass(frozen=True)
class ProofPart:
    """One command, and the lines that its result decides."""

    name: str
    """Of its folder and its log files."""
    lines: tuple[str, ...]
    arguments: tuple[str, ...]
    """What Python is started with; `{folder}` stands for the part's folder."""
    judge: Callable[[Ran], Sequence[ProofLine]]
    """Reads the result; may raise whatever a damaged one makes it raise."""
    seconds: float = 120.0
    """The longest that it may take."""
    least_seconds: float = 10.0
    """With less time left it is not begun."""


@dataclass(frozen=True)
class GpuProof:
    """What was found."""

    lines: tuple[ProofLine, ...]
    seconds: float
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """The exit status: 0 all passed, 4 some failed, 3 some were not run, 5 none was, 130 interrupted."""
        answers = {line.answer for line in self.lines if line.name != FOLDER}
        if self.interrupted:
            return 130
        if any(line.answer is Judged.FAIL for line in self.lines):
            return 4
        return 5 if answers == {Judged.SKIP} else 3 if Judged.SKIP in answers else 0


@dataclass
class Proving:
    """Runs parts one after the other, each into its own folder below one."""

    out: Path
    budget_seconds: float
    told: Callable[[str], None]
    """Is told what begins and what was found."""
    now: Callable[[], float] = time.monotonic
    interrupted: bool = field(default=False, init=False)

    def prove(self, parts: Sequence[ProofPart]) -> GpuProof:
        """Run all parts that the budget has room for; Ctrl-C ends the one under way and leaves out the rest."""
        began = self.now()
        lines: list[ProofLine] = []
        for number, part in enumerate(parts, 1):
            left = began + self.budget_seconds - self.now()
            try:
                found = self._part(part, left, f"[{number}/{len(parts)}]")
            except KeyboardInterrupt:
                self.interrupted = True
                found = _alike(part, Judged.SKIP, "interrupted while it was running")
            for line in found:
                self.told(f"{line.answer} {line.name}: {line.figure}")
            lines += found
        for each in self._fitted():
            self.told(f"{each.answer} {each.name}: {each.figure}")
            lines.append(each)
        return GpuProof(tuple(lines), self.now() - began, self.interrupted)

    def _part(self, part: ProofPart, left: float, place: str) -> list[ProofLine]:
        if self.interrupted:
            return _alike(part, Judged.SKIP, "not run: interrupted before it began")
        if left < part.least_seconds:
            why = f"not run: {max(0.0, left):.0f} s of the budget were left, and it takes {part.least_seconds:.0f} s"
            return _alike(part, Judged.SKIP, why)
        seconds = min(part.seconds, left)
        self.told(f"{place} {part.name}: up to {seconds:.0f} s")
        ran = self._run(part, seconds)
        if ran.interrupted:
            raise KeyboardInterrupt
        try:
            found = {line.name: line for line in part.judge(ran)}
        except Exception as error:  # noqa: BLE001 - whatever a damaged result does costs these lines alone
            why = ran.trouble or f"its result cannot be read ({type(error).__name__}: {error})"
            return _alike(part, Judged.FAIL, why, ran.seconds)
        silent = ProofLine("", Judged.FAIL, ran.trouble or "its result says nothing of it")
        return [
            replace(
                found.get(name, silent), name=name, seconds=ran.seconds, figure=_short(found.get(name, silent).figure)
            )
            for name in part.lines
        ]

    def _run(self, part: ProofPart, seconds: float) -> Ran:
        """Run a part's command, its outputs into files, and end it with all that it started when its time is over."""
        folder, logs = self.out / part.name, self.out / LOGS
        logs.mkdir(parents=True, exist_ok=True)
        files = [logs / f"{part.name}.{kind}.txt" for kind in ("out", "err")]
        command = [sys.executable, *(text.replace("{folder}", str(folder.resolve())) for text in part.arguments)]
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        began, late, interrupted = self.now(), False, False
        with files[0].open("wb") as out, files[1].open("wb") as errors:
            started = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,  # what it starts ends with it, and Ctrl-C reaches it through this process only
            )
            try:
                started.wait(seconds)
            except subprocess.TimeoutExpired:
                late = True
            except KeyboardInterrupt:
                interrupted = True
            finally:
                end_group(started)
        output, said = (file.read_text(encoding="utf-8", errors="replace") for file in files)
        return Ran(folder, started.returncode, output, said, self.now() - began, late, interrupted)

    def _fitted(self) -> Iterator[ProofLine]:
        """Compress samples, the largest file first, until the folder is small enough to be committed."""
        packed = 0
        while size_of(self.out) > FOLDER_BYTES and (files := sorted(self.out.rglob(SAMPLES), key=_size)):
            compress(files[-1])
            packed += 1
        size = size_of(self.out)
        figure = f"{size / 1e6:.1f} MB of at most {FOLDER_BYTES / 1e6:.0f} MB"
        if packed:
            figure += f"; {packed} samples.csv compressed: `gunzip` them to read their runs"
        yield ProofLine(FOLDER, Judged.PASS if size < FOLDER_BYTES else Judged.FAIL, figure)


def _alike(part: ProofPart, answer: Judged, figure: str, seconds: float = 0.0) -> list[ProofLine]:
    return [ProofLine(name, answer, _short(figure), seconds) for name in part.lines]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_FIGURE else f"{text[:_LONGEST_FIGURE]}…"


def end_group(started: subprocess.Popen[bytes], grace_seconds: float = _GRACE_SECONDS) -> None:
    """End a process that leads its own group: politely, then with all that it started."""
    if started.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)  # not SIGINT: whoever starts in the background ignores that
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            started.wait(grace_seconds)
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()


def _size(path: Path) -> int:
    return path.stat().st_size


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(_size(path) for path in folder.rglob("*") if path.is_file())


def compress(path: Path) -> None:
    """Put a compressed file in the place of a file; the same content gives the same bytes."""
    packed = path.with_name(f"{path.name}.gz")
    with path.open("rb") as plain, packed.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        shutil.copyfileobj(plain, file)
    path.unlink()
