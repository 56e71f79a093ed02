"""The command: what it writes, and what it says where there is no GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.run import gpu_plan
from bench.run.gpu_judges import judge_doctor
from bench.run.gpu_proof import ProofPart

FAKE = Path(__file__).resolve().parents[1] / "gpu" / "fakegpu.py"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Plan nothing but a doctor, whose command says what it is told to."""

    def plan(*checks: tuple[str, bool]) -> None:
        said = json.dumps(
            [{"subject": "a|b", "name": name, "passed": passed, "detail": "3 %"} for name, passed in checks]
        )
        part = ProofPart("doctor", ("doctor", "second clock"), ("-c", f"print({said!r})"), judge_doctor)
        monkeypatch.setattr(gpu_plan, "planned_parts", lambda *_: (part,))

    return plan


def test_it_writes_a_line_for_each_question_and_ends_well(here: Any, tmp_path: Path, tiny: Callable[..., None]) -> None:
    tiny(("hold", True), ("second clock", True))
    done = here("gpu-proof", "--device", "fakegpu", "--load", FAKE, "--out", tmp_path / "proof")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "[1/1] doctor: up to 120 s\nPASS doctor: 1 checks of 1 subjects\n" in done.stderr
    text = (tmp_path / "proof" / "PROOF.md").read_text(encoding="utf-8")
    assert "`bench gpu-proof --device fakegpu`: 3 PASS, 0 FAIL, 0 SKIP in " in text
    assert "| **PASS** | second clock | a\\|b: 3 % |" in text
    assert "| Python | 3." in text
    assert "\n****\n" not in text


def test_a_line_that_fails_is_in_the_status(here: Any, tmp_path: Path, tiny: Callable[..., None]) -> None:
    tiny(("hold", True), ("second clock", False))
    done = here("gpu-proof", "--device", "fakegpu", "--load", FAKE, "--out", tmp_path / "proof")
    assert done.returncode == 4
    assert "FAIL second clock: a|b: 3 %" in done.stderr


def test_without_a_gpu_it_is_one_sentence_with_the_reason(here: Any, tmp_path: Path) -> None:
    from bench.model.backends import BACKENDS

    if BACKENDS["torch-cuda"].availability().present:
        pytest.skip("there is a GPU here")
    done = here("gpu-proof", "--out", tmp_path / "proof")
    assert done.returncode == here("doctor", "--device", "cuda").returncode == 2
    assert done.stderr.startswith("Error: --device cuda is absent here: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "proof").exists()
