"""`bench export`: where it writes, and which formats it knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.commands.export import export as command
from bench.output.export import export, names


@pytest.fixture
def sample(root: Path) -> Path:
    return root / "tests" / "data" / "sample"


def test_the_command_prints_or_writes_the_same_text(sample: Path, tmp_path: Path) -> None:
    printed = CliRunner().invoke(command, [str(sample), "--to", "bencher"], catch_exceptions=False)
    assert printed.exit_code == 0
    assert printed.stdout == export(sample, "bencher")
    path = tmp_path / "new" / "out.json"
    written = CliRunner().invoke(command, [str(sample), "--to", "bencher", "--output", str(path)])
    assert (written.exit_code, written.stdout) == (0, "")
    told = written.stderr.splitlines()
    assert told[-1] == f"wrote {path}"
    assert [line for line in told[:-1] if not line.startswith("left out: skipped on torch-cuda: ")] == []
    assert len(told) == 2
    assert path.read_text() == printed.stdout


def test_the_command_knows_its_formats_and_asks_for_one(sample: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(command, ["--help"]).stdout
    assert all(name in shown for name in names())
    for options in ([], ["--to", "xml"], ["--to", "bencher", "--output", str(tmp_path)]):
        assert CliRunner().invoke(command, [str(sample), *options]).exit_code == 2


def test_the_command_imports_nothing_heavy(root: Path) -> None:
    code = (
        "import sys, bench.commands.export\n"
        "print(sorted({'pandas', 'numpy', 'pydantic', 'torch', 'tensorflow', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
