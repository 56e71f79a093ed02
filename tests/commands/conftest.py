"""A small repository with revisions to compare, and the real command in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import pytest

from bench.run.pairs import PAIR_POLICY

Done = subprocess.CompletedProcess[str]
ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--batch", "16", "--d-in", "64", "--hidden", "32", "--d-out", "4")
# Criteria that noise cannot meet: what is planted makes a phase many times slower, and nothing else comes near half.
SURE = ("--alpha", "5%", "--margin", "50%", "--tolerance", "95%")
QUICK = (*SMALL, *SURE, "--pairs", "7", "--budget", "60s")

SMALL_PAIRS = replace(PAIR_POLICY, process_seconds=0.015, max_units=4)

KNOB = "def turn():\n    pass\n"
SLOW_KNOB = """import time

def turn():
    end = time.perf_counter() + 150e-6
    while time.perf_counter() < end:
        pass
"""


def small_step(name: str = "tiny", turn: str = "from lib.knob import turn") -> str:
    """The NumPy implementation under another name; its backward phase ends with a call of `turn`."""
    text = (ROOT / "implementations" / "numpy_manual.py").read_text(encoding="utf-8")
    text = text.replace('"numpy_manual"', f'"{name}"').replace("from bench import", f"{turn}\nfrom bench import")
    changed = text.replace("        grad_w1 = x.T @ grad_h\n", "        grad_w1 = x.T @ grad_h\n        turn()\n")
    assert changed != text
    return changed


@dataclass
class Repository:
    """A repository of a user's, and a folder for temporary files that must be empty whenever a command has ended."""

    top: Path
    temporary: Path
    outputs: Path
    here: Callable[..., Done]
    """Runs the command in this process."""
    count: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    def git(self, *arguments: str) -> str:
        """Run git; gives what it prints."""
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", *who, *arguments]
        return subprocess.run(command, cwd=self.top, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, tag: str, files: dict[str, str | None]) -> None:
        """Write files, delete those that are None, commit and tag."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", tag)
        self.git("tag", tag)

    def write(self, files: dict[str, str | None]) -> None:
        """Change the working tree."""
        for name, text in files.items():
            path = self.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")

    def full_environment(self, **more: str) -> dict[str, str]:
        """What a command is started with."""
        return {**os.environ, **self.environment, "TMPDIR": str(self.temporary), **more}

    def out(self) -> Path:
        """A folder that no comparison has used yet."""
        self.count += 1
        return self.outputs / str(self.count)

    def bench(self, *arguments: str | Path, cwd: Path | None = None, **environment: str) -> Done:
        """Run the command in the repository; it must leave neither a worktree nor a temporary folder behind."""
        with (
            mock.patch("tempfile.tempdir", str(self.temporary)),
            mock.patch("bench.run.contest.PAIR_POLICY", SMALL_PAIRS),
        ):
            done = self.here(*arguments, cwd=cwd or self.top, **{**self.environment, **environment})
        self.check_clean()
        return done

    def check_clean(self) -> None:
        """Nothing of a comparison is left."""
        assert self.git("worktree", "list").splitlines() == [self.git("worktree", "list").splitlines()[0]]
        assert list(self.temporary.iterdir()) == []


@pytest.fixture(scope="module")
def repository(here: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Revisions: base, same (another file differs), slow, wrong, syntax, gone; the working tree is base."""
    folder = tmp_path_factory.mktemp("user")
    for name in ("repo", "tmp", "out"):
        (folder / name).mkdir()
    made = Repository(folder / "repo", folder / "tmp", folder / "out", here)
    made.environment = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GITHUB_STEP_SUMMARY": "",
        "STEPBENCH_HOME": str(folder / "home"),
    }
    made.git("init", "-q", "-b", "main")
    step = small_step()
    made.commit("base", {"implementations/tiny.py": step, "lib/knob.py": KNOB, ".gitignore": "__pycache__\n"})
    made.commit("same", {"readme.txt": "nothing that a step would read"})
    made.commit("slow", {"lib/knob.py": SLOW_KNOB})
    wrong = step.replace("grad_w1 = x.T @ grad_h", "grad_w1 = 1.5 * (x.T @ grad_h)")
    made.commit("wrong", {"lib/knob.py": KNOB, "implementations/tiny.py": wrong})
    made.commit("syntax", {"implementations/tiny.py": step.replace("return Step", "return return Step")})
    made.commit("gone", {"implementations/tiny.py": None, "implementations/other.py": small_step("other")})
    made.git("checkout", "-q", "--detach", "base")
    yield made
    made.check_clean()


@pytest.fixture
def quick() -> tuple[str, ...]:
    """Options for a comparison of seconds whose verdict noise cannot change."""
    return QUICK


@pytest.fixture
def step_file() -> Callable[..., str]:
    """The text of a small implementation."""
    return small_step


@pytest.fixture
def slow_knob() -> str:
    """The text of lib/knob.py that makes the backward phase slower."""
    return SLOW_KNOB
