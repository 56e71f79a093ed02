"""A framework of a user's own, in one loaded file, through the commands: nothing in the harness knows its name."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.store import read_manifest, read_summary

SMALL = ("--batch", "8", "--d-in", "6", "--hidden", "5", "--d-out", "3", "--threads", "1")
TINY = """
from bench import backend
from bench.backends.numpy import NumpyBackend

@backend
class Tiny(NumpyBackend):
    name, framework, device = "tiny-cpu", "tiny", "cpu"
    packages = ("tinyarrays", "numpy")

"""
Bench = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def install(tmp_path: Path) -> Callable[[str], None]:
    """Install the package that the framework is said to be in, as far as its metadata go."""

    def do(version: str) -> None:
        folder = tmp_path / "site" / "tinyarrays.dist-info"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tinyarrays\nVersion: {version}\n")

    return do


@pytest.fixture
def bench(here: Bench, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Run a command in an empty folder, where `tiny.py` holds a backend and an implementation."""
    manual = (root / "implementations" / "numpy_manual.py").read_text(encoding="utf-8")
    mine = manual.replace('"numpy_manual", framework="numpy"', '"tiny_manual", framework="tiny"')
    assert mine != manual
    (tmp_path / "tiny.py").write_text(mine.replace("\n@implementation", f"{TINY}\n@implementation"))
    monkeypatch.syspath_prepend(tmp_path / "site")

    def do(*arguments: str, exits: int = 0) -> subprocess.CompletedProcess[str]:
        done = here(*arguments, cwd=tmp_path)
        assert done.returncode == exits, done.stderr
        return done

    return do


@pytest.mark.slow
def test_a_tiny_framework_goes_through_all_commands(
    bench: Bench, install: Callable[[str], None], tmp_path: Path
) -> None:
    chosen = ("--load", "tiny.py", "-i", "numpy_manual,tiny_manual")
    run = ("run", *chosen, *SMALL, "--rounds", "1", "--no-figures", "--out")
    install("1.0")
    listed = json.loads(bench("list", "--load", "tiny.py", "--json").stdout)
    assert [row["backend"] for row in listed if row["implementation"] == "tiny_manual"] == ["tiny-cpu"]
    assert "tiny_manual" in bench("verify", *chosen, *SMALL).stdout
    bench(*run, "a")
    manifest, summary = read_manifest(tmp_path / "a"), read_summary(tmp_path / "a")
    assert manifest.backend_packages == {"numpy": ["numpy", "threadpoolctl"], "tiny-cpu": ["tinyarrays", "numpy"]}
    assert manifest.packages["tinyarrays"] == "1.0"
    assert set(summary[summary["status"] == "ok"]["framework"]) == {"numpy", "tiny"}
    bench("plot", "a", "--figure", "speedup", "--format", "svg")
    assert list((tmp_path / "a").rglob("speedup.svg"))
    bench("compare", "a", "a", exits=3)  # one process gives no bound, but the runs are alike

    install("2.0")
    assert "tinyarrays: 1.0 / 2.0" in bench("run", "--resume", "a", exits=2).stderr
    bench(*run, "b")
    assert "tinyarrays: 1.0 / 2.0" in bench("compare", "a", "b", exits=2).stderr
    (history,) = json.loads(bench("history", ".", "--json").stdout)
    told = {series["implementation"]: series["points"][-1]["differences"] for series in history["series"]}
    assert told == {
        "numpy_manual": [],
        "tiny_manual": [{"name": "tinyarrays", "before": "1.0", "after": "2.0"}],
    }
