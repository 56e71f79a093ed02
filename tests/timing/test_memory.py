from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step
from bench.timing import memory
from bench.timing.memory import Meter, held_bytes, peak_bytes, resident_peak

HOST: Any = SimpleNamespace(held_bytes=lambda: None, peak_bytes=lambda: None, reserved_bytes=lambda: None)
MB = 1 << 20


def test_a_device_that_can_tell_is_asked() -> None:
    device: Any = SimpleNamespace(held_bytes=lambda: 7, peak_bytes=lambda: 9)
    assert (held_bytes(device), peak_bytes(device)) == (7, 9)


@pytest.mark.parametrize("statm", [memory._STATM, Path("/none")], ids=["linux", "elsewhere"])
def test_else_what_is_resident_counts(monkeypatch: pytest.MonkeyPatch, statm: Path) -> None:
    monkeypatch.setattr(memory, "_STATM", statm)
    before = held_bytes(HOST)
    kept = b"x" * (64 * MB)
    assert 60 * MB < held_bytes(HOST) - before < 80 * MB
    assert peak_bytes(HOST) > len(kept)


def test_pages_of_files_do_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATM", tmp_path / "statm")
    monkeypatch.setattr("os.sysconf", {"SC_PAGESIZE": 4096}.__getitem__)
    (tmp_path / "statm").write_text("5000 1000 300 1 0 2000 0\n")
    assert held_bytes(HOST) == 700 * 4096


# The memory of a step


class Card:
    """A device whose allocator takes twice what is allocated, and can begin its peaks anew unless told otherwise."""

    def __init__(self, can_reset: bool = True) -> None:
        self.held = self.peak = 100
        self.reserved = 200
        self.can_reset = can_reset

    def take(self, count: int) -> None:
        self.held += count
        self.peak, self.reserved = max(self.peak, self.held), max(self.reserved, 2 * self.held)

    def held_bytes(self) -> int:
        return self.held

    def peak_bytes(self) -> int:
        return self.peak

    def reserved_bytes(self) -> int:
        return self.reserved

    def reset_peak(self) -> bool:
        if self.can_reset:
            self.peak, self.reserved = self.held, 2 * self.held
        return self.can_reset


def step_on(card: Card, fused: bool = False) -> Step:
    """A step that holds 50 for its weights; forward takes 300 and keeps 20, backward takes 70."""

    def stage(needs: int, keeps: int) -> None:
        card.take(needs)
        card.take(keeps - needs)

    stages = [Stage(FORWARD, lambda: stage(300, 20)), Stage(BACKWARD, lambda: stage(70, -20))]
    stages.append(Stage(UPDATE, lambda: stage(5, 0)))
    if fused:
        stages = [Stage(FORWARD + BACKWARD + UPDATE, lambda: [each.run() for each in stages_of_whole])]
        stages_of_whole = list(step_on(card).stages)
    card.take(50)
    return Step(tuple(stages), lambda: State(0.0), lambda: None)


def metered(card: Card, fused: bool = False) -> Meter:
    """What is found of a process whose verification takes much more than its steps."""
    meter = Meter(card)  # type: ignore[arg-type]
    step = step_on(card, fused)
    meter.ours = 10_000
    card.take(5000)
    card.take(-5000)
    meter.begin()
    step()
    meter.end()
    card.take(900)
    card.take(-900)
    meter.by_phase(step, 1)
    return meter


def test_the_peak_of_sampled_steps_leaves_out_verification_and_what_was_held_before() -> None:
    meter = metered(Card())
    assert (meter.framework_bytes, meter.step_peak_bytes) == (100, 350)
    assert meter.phase_peaks == {"forward": 350, "backward": 140, "update": 55}
    assert (meter.peak_bytes, meter.reserved_bytes) == (5150, 10300), "of the whole process, as before"


def test_a_fused_step_has_no_peaks_of_phases() -> None:
    meter = metered(Card(), fused=True)
    assert (meter.step_peak_bytes, meter.phase_peaks) == (400, {})


def test_where_a_peak_cannot_be_begun_anew_that_of_the_steps_is_unknown() -> None:
    meter = metered(Card(can_reset=False))
    assert (meter.step_peak_bytes, meter.phase_peaks) == (None, {})
    assert (meter.peak_bytes, meter.reserved_bytes) == (5150, 10300)


def test_a_device_that_tells_its_peak_alone_is_not_mixed_with_the_host() -> None:
    device: Any = SimpleNamespace(
        held_bytes=lambda: None, peak_bytes=lambda: 9, reserved_bytes=lambda: None, reset_peak=lambda: True
    )
    meter = Meter(device)
    meter.begin()
    meter.end()
    assert (meter.framework_bytes, meter.step_peak_bytes, meter.peak_bytes, meter.reserved_bytes) == (
        None,
        None,
        9,
        None,
    )


def test_on_the_host_the_mark_of_the_kernel_counts_without_pages_of_files(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t  900 kB\nRssAnon:\t 500 kB\nRssFile:\t 100 kB\nRssShmem:\t 50 kB\n")
    assert resident_peak(status) == 750 * 1024
    status.write_text("VmRSS:\t  900 kB\n")
    assert resident_peak(status) is resident_peak(tmp_path / "none") is None


@pytest.mark.parametrize("can_clear", [True, False])
def test_on_the_host_too_what_was_held_before_and_what_the_harness_holds_is_left_out(
    monkeypatch: pytest.MonkeyPatch, can_clear: bool
) -> None:
    monkeypatch.setattr(memory, "held_bytes", lambda backend: 1000)
    monkeypatch.setattr(memory, "peak_bytes", lambda backend: 7000 if not asked else 1)
    monkeypatch.setattr(memory, "resident_peak", lambda: 1600)
    asked: list[str] = []
    monkeypatch.setattr(memory, "forget_peak", lambda: asked.append("5") or can_clear)
    meter = Meter(HOST)
    meter.ours = 200
    meter.begin()
    meter.end()
    assert meter.step_peak_bytes == (400 if can_clear else None)
    assert (meter.framework_bytes, meter.peak_bytes, asked) == (1000, 7000, ["5"])


def test_a_kernel_that_does_not_let_the_mark_be_cleared_says_so(tmp_path: Path) -> None:
    assert not memory.forget_peak(tmp_path / "none" / "clear_refs")
    assert memory.forget_peak(tmp_path / "clear_refs")
    assert (tmp_path / "clear_refs").read_text() == "5"


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is limited elsewhere")
def test_under_a_limit_an_allocation_fails_and_smaller_ones_do_not() -> None:
    program = """
from bench.timing.memory import limit_memory
limit_memory(64 << 20)
small = bytearray(32 << 20)
try:
    bytearray(64 << 20)
except MemoryError:
    print("failed")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "failed\n"
