"""What is measured where nothing is named, and how the rest is asked for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
TWO = """
from bench import implementation
{source}
usual = implementation("usual", framework="numpy", workload="mlp_sgd")(build)
odd = implementation("odd", framework="numpy", workload="mlp_sgd", by_default=False)(build)
"""


@pytest.fixture
def two(root: Path, tmp_path: Path) -> Path:
    """A file of two implementations, one of which is only measured if it is named."""
    source = (root / "implementations" / "numpy_manual.py").read_text(encoding="utf-8")
    kept = "\n".join(line for line in source.splitlines() if not line.startswith("@"))
    path = tmp_path / "two.py"
    path.write_text(TWO.format(source=kept))
    return path


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["-i", "usual"], ["usual"]),
        (["-i", "odd"], ["odd"]),
        (["-i", "odd,usual", "--select", "all"], ["usual", "odd"]),
    ],
)
def test_what_is_named_is_taken_whatever_is_selected(
    here: Run, two: Path, options: list[str], names: list[str]
) -> None:
    done = here("verify", "--load", two, *options, "--threads", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert [row["implementation"] for row in json.loads(done.stdout)] == names


@pytest.mark.parametrize("select", ["", "tutorial", "all"])
def test_the_choice_reaches_the_plan(two: Path, select: str, monkeypatch: pytest.MonkeyPatch, here: Run) -> None:
    planned: list[str] = []

    def verify_all(cases: list[object], *_: object) -> list[object]:
        planned.extend(item.implementation.name for item in cases)  # type: ignore[attr-defined]
        return []

    monkeypatch.setattr("bench.run.session.verify_all", verify_all)
    options = ["--select", select] if select else []
    assert here("verify", "--load", two, "-w", "mlp_sgd", "--device", "cpu", *options, "--json").returncode == 0
    assert "usual" in planned
    assert {"odd", "torch_compiled", "jax_fused", "tf_function_xla"} & {*planned} == (
        {"odd", "torch_compiled", "jax_fused", "tf_function_xla"} if select == "all" else set()
    )


def test_another_word_names_those_that_there_are(here: Run) -> None:
    done = here("run", "--select", "everything")
    assert done.returncode == 2
    assert "'everything' is not one of 'tutorial', 'all'" in done.stderr
