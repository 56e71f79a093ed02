"""Options that make no sense, over all commands: each ends soon, with a status of the table and with one sentence.

Nothing is measured: a pool of interpreters that is about to be used ends the command as Ctrl-C does. The options are
drawn by chance, the same ones each time.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest import mock

import click
import pytest

from bench.cli import cli, main
from bench.data.store import RunStore
from bench.model.backends import BACKENDS
from bench.model.workload import WORKLOADS

EXAMPLES, TOGETHER = int(os.environ.get("STEPBENCH_DRAWS", "200")), 20
SECONDS = 30.0
ANY_VERDICT, OF_ALL = {"ab", "gate", "compare", "explain"}, {0, 2, 3, 4, 5, 130, 141}
NUMBERS = [
    "0",
    "-1",
    "1",
    "2",
    "7",
    "9" * 400,
    str(2**31),
    str(2**63),
    str(2**64),
    "1e400",
    "nan",
    "inf",
    "-inf",
    "0.5",
]
NUMBERS += ["1,all", "all", "0x10", "\u0663", "1_000", "2%", "1e-9%", "10ms", "9999999999h", "1ns", "3,,3"]
WORDS = [
    "",
    " ",
    ",",
    "-",
    "--",
    "\u202eevil",
    "\x1b]0;owned\x07",
    "\r\n",
    "=cmd|' /C'!A1",
    "x" * 5000,
    "\U0001f642",
    "\udce9",
]
WORDS += [
    "numpy_manual",
    "numpy_manual,numpy_manual",
    "numpy_manaul",
    "mlp_sgd",
    "cuda",
    "full,tf32",
    "help",
    "html",
    "svg",
]
WORDS += [
    "hidden=4,8",
    "hidden=1:9:x2",
    "hidden=0:9:x1",
    "threads=1,99999",
    "hidden=" + "9" * 400,
    "batch=64:fit:x0.5",
    "a=b",
]
WORDS += ["HEAD", "main..HEAD", "--output", "@{-1}", "%s%n", "$(id)", "`id`", "numpy_manual@numpy", "mine,threads=1"]
PATHS = [
    "RUN",
    "RUN/samples.csv",
    "RUN/manifest.json",
    "RUN/nothing.xml",
    "link.xml",
    "loop",
    "loop/x.svg",
    "pipe",
    "/dev/null",
]
PATHS += [
    ".",
    "/",
    "..",
    "~/x",
    "~nobody-of-that-name",
    "http:x",
    "file:x",
    "s3:x/y.svg",
    "missing/new.svg",
    "new.svg",
    "notes.txt",
]
PATHS += [
    "/dev/full",
    "/proc/self/mem",
    "y" * 300,
    "caf\udce9.svg",
    "empty",
    "broken.py",
    "other.py",
    "/dev/stdin",
    "a\nb.md",
]
USUAL = {
    "run": ["-i", "numpy_manual", "--d-in", "4", "--hidden", "3", "--batch", "2", "--threads", "1"],
    "verify": ["-i", "numpy_manual", "--d-in", "4", "--hidden", "3", "--batch", "2", "--threads", "1"],
    "sweep": ["-i", "numpy_manual", "--axis", "hidden=4,8", "--d-in", "4", "--threads", "1"],
    "ab": ["HEAD", "--pairs", "7"],
    "gate": ["--base", "HEAD", "--pairs", "7"],
    "bisect": ["HEAD~1", "HEAD"],
    "compare": ["RUN", "RUN"],
    "history": ["results", "--machine", "all"],
    "plot": ["RUN", "--figure", "speedup", "--format", "svg"],
    "report": ["RUN", "--to", "markdown"],
    "export": ["RUN", "--to", "bencher"],
    "explain": ["RUN/figures/speedup.svg"],
    "new": ["my_step"],
}


@dataclass
class World:
    """A folder of a user's: a run, a repository, and whatever else may be named."""

    top: Path
    run: Path

    def files(self) -> dict[Path, tuple[int, bytes]]:
        """What must stay: the data of the run, the programs, and whatever lies outside of all that is named."""
        kept = [
            *self.run.glob("*.csv"),
            *self.run.glob("*.json"),
            *self.top.glob("implementations/*"),
            self.top / "keep.txt",
        ]
        return {path: (path.stat().st_ino, path.read_bytes()) for path in kept}

    def written(self, text: str) -> str:
        """A value with the run's own folder in it."""
        return re.sub(r"^RUN\b", str(self.run), text)


@pytest.fixture
def world(build: ModuleType, tmp_path: Path, root: Path) -> Iterator[World]:
    top = tmp_path
    made = build.HandMade(top / "results" / "run")
    for number, case in enumerate([made.plan(), made.plan("torch_tensor", "torch-cpu")]):
        for turn in range(7):
            seconds = (1 + number) * (1e-3 + turn * 1e-6)
            phases = {
                name: [seconds * part] * 3 for name, part in (("forward", 0.4), ("backward", 0.4), ("update", 0.2))
            }
            made.process(case, turn, step=[seconds] * 5, phases=phases)
    RunStore(made.folder).write_summary(made.summary())
    (top / "implementations").mkdir()
    text = (root / "implementations" / "numpy_manual.py").read_text(encoding="utf-8")
    (top / "implementations" / "mine.py").write_text(text.replace('"numpy_manual"', '"mine"'), encoding="utf-8")
    for name, content in (("keep.txt", "mine"), ("notes.txt", "old"), ("broken.py", "def"), ("other.py", "x = 1")):
        (top / name).write_text(content)
    (top / "empty").mkdir()
    (top / "loop").symlink_to("loop")
    (top / "link.xml").symlink_to("results/run/summary.csv")
    os.mkfifo(top / "pipe")
    drain = os.open(top / "pipe", os.O_RDWR)  # somebody reads what is written there
    threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(drain, 1 << 16), b"")], daemon=True).start()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (
        ["init", "-q"],
        ["add", "implementations"],
        ["commit", "-qm", "one"],
        ["commit", "-qm", "2", "--allow-empty"],
    ):
        subprocess.run([*git, *command], cwd=top, check=True, capture_output=True)
    with mock.patch.dict(
        os.environ, {"HOME": str(top), "STEPBENCH_HOME": str(top / "home"), "GITHUB_STEP_SUMMARY": ""}
    ):
        found = World(top, made.folder)
        assert ended(["plot", *USUAL["plot"][1:], str(found.run)], found)[0] == 0
        yield found


def fitting(kind: click.ParamType[object]) -> list[str]:
    """Values of the kind that an option takes, though few of them make sense."""
    if isinstance(kind, click.Choice):
        return [str(each) for each in kind.choices]
    by_kind = {"path": PATHS, "number": NUMBERS[2:5], "threads": ["1", "2", "1,2"], "duration": ["1ms", "10s", "168h"]}
    return {**by_kind, "percent": ["0.0001%", "5%", "0.5", "99.9999%"]}.get(kind.name, WORDS)


def drawn(chance: random.Random) -> list[str]:
    """A command with one to four options that are odd, among them unknown and doubled ones."""
    name = chance.choice(sorted(cli.commands))
    usual = list(USUAL.get(name, []))
    if usual and chance.random() < 0.3:
        usual[chance.randrange(len(usual))] = chance.choice(WORDS + PATHS + NUMBERS)
    known = [each for each in cli.commands[name].params if isinstance(each, click.Option)]
    odd: list[str] = []
    for _ in range(chance.randint(1, 4)):
        option = chance.choice(known)
        spelled = (
            chance.choice([*option.opts, *option.secondary_opts])
            if chance.random() < 0.95
            else "--" + chance.choice(WORDS)
        )
        odd.append(spelled)
        if not option.is_flag:
            odd.append(chance.choice(fitting(option.type) if chance.random() < 0.6 else WORDS + PATHS + NUMBERS))
    return [name, *usual, *odd] if chance.random() < 0.8 else [name, *odd, *usual]


def ended(arguments: list[str], world: World) -> tuple[int, str, str]:
    """The status of a command, and what it told."""
    for left in world.run.parent.iterdir():
        if left != world.run:
            shutil.rmtree(left)  # two commands of one second and one process would have the same folder
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(world.top),
        mock.patch.dict(BACKENDS),
        mock.patch.dict(WORKLOADS),
        mock.patch("signal.signal"),
        mock.patch("bench.run.pool.Pool.__enter__", side_effect=KeyboardInterrupt),
        pytest.raises(SystemExit) as end,
    ):
        main(arguments)
    return int(end.value.code or 0), out.getvalue(), err.getvalue()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(TOGETHER))
def test_no_option_breaks_a_command_or_a_file(world: World, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a draw, not a secret
    before = world.files()
    for _ in range(EXAMPLES // TOGETHER):
        arguments = [world.written(each) for each in drawn(chance)]
        began = time.monotonic()
        status, out, err = ended(arguments, world)
        assert time.monotonic() - began < SECONDS, arguments
        assert status in OF_ALL | ({1} if arguments[0] in ANY_VERDICT else set()), (arguments, err)
        assert not set("\x1b\x07\r\u202e") & set(out + err), (arguments, out, err)
        errors = [line for line in err.splitlines() if line.startswith("Error: ")]
        if status == 2:
            assert len(errors) == 1, (arguments, err)
            assert errors[0] == err.splitlines()[-1], (arguments, err)
            assert len(errors[0]) < 2000, (arguments, err)
        else:
            assert len(errors) <= (status != 0), (arguments, err)
        assert world.files() == before, arguments
        assert (world.top / "pipe").is_fifo(), arguments
        assert (world.top / "link.xml").is_symlink(), arguments
