"""What the figure of scaling draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.data.manifest import ImplementationFacts
from bench.errors import NothingToShowError
from bench.output.figures import Look, Width
from bench.workloads import tutorial

BIAS = "mlp_bias_sgd"
FACTS = {
    "torch_ddp": ImplementationFacts(spreads="torch_nn"),
    "a_spread_step_with_a_really_long_name": ImplementationFacts(spreads="torch_nn"),
}


@pytest.fixture
def spread(sampled: Any) -> Any:
    sampled.manifest = {"implementations": FACTS}
    sampled.add("torch_nn", workload=BIAS, seconds=8e-4, threads=1)
    for devices, seconds, share in ((1, 1e-3, 0.01), (2, 6e-4, 0.26), (4, 4e-4, 0.4)):
        row = lambda number, share=share: {"communication_share": share}  # noqa: E731
        sampled.add("torch_ddp", workload=BIAS, seconds=seconds, threads=1, devices=devices, row=row)
    return sampled


def test_a_line_goes_through_the_speedups_beside_the_ideal_line_and_the_plain_step(
    spread: Any, drawn: Callable[..., Any]
) -> None:
    drawing = drawn("scaling", spread)
    assert drawing.titles == [f"{BIAS}: strong, batch 64"]
    line = drawing.lines()["torch_ddp"]
    x, y = line.lines[0].get_data()
    assert list(x) == [1, 2, 4]
    assert list(y) == pytest.approx([0.8, 8 / 6, 2.0], rel=0.05)
    segments = line.lines[2][0].get_segments()
    assert all(low[1] < value < high[1] for (low, high), value in zip(segments, y, strict=True))
    ideal, plain = drawing.axis.lines[:2]
    assert list(ideal.get_xdata()) == list(ideal.get_ydata()) == [1, 4]
    assert (list(plain.get_xdata()), list(plain.get_ydata())) == ([1], [1])
    assert {"ideal", "plain step, one process (torch_nn)"} < set(drawing.keys)
    assert list(drawing.ticks("x")) == ["1", "2", "4"]


def test_the_efficiency_is_told_with_its_interval_and_the_share_of_communication(
    spread: Any, drawn: Callable[..., Any]
) -> None:
    run = spread.write()
    last, first = drawn("scaling", run).notes()
    assert last.startswith("efficiency on 4 devices: 5")
    assert last.endswith("; 40 % communication")
    assert "[" in last
    assert first.startswith("efficiency on 1 device: ")
    assert "communication" not in first
    narrow = drawn("scaling", run, Look(Width.COLUMN))
    assert narrow.notes()[0].startswith("efficiency on 4")
    assert narrow.problems() == []


def test_weak_scaling_names_the_batch_of_a_device_and_has_a_panel_of_its_own(
    spread: Any, drawn: Callable[..., Any], look: Look
) -> None:
    long = "a_spread_step_with_a_really_long_name"
    for devices, seconds in ((1, 1e-3), (2, 9e-4)):
        spread.add(long, workload=BIAS, seconds=seconds, threads=1, devices=devices)
    for devices in (2, 4):
        problem = tutorial(batch=64 * devices)
        spread.add("torch_ddp", workload=BIAS, seconds=1.1e-3, threads=1, devices=devices, problem=problem)
    drawing = drawn("scaling", spread, look)
    assert drawing.titles == [f"{BIAS}: strong, batch 64", f"{BIAS}: weak, batch 64 a device"]
    x, y = drawing.lines(drawing.axes[1])["torch_ddp"].lines[0].get_data()
    assert list(x) == [1, 2, 4]
    assert list(y) == pytest.approx([0.8, 2 * 8 / 11, 4 * 8 / 11], rel=0.05)
    assert drawing.problems() == []


def test_a_run_on_one_device_has_nothing_to_show(sampled: Any, drawn: Callable[..., Any]) -> None:
    sampled.manifest = {"implementations": FACTS}
    sampled.add("torch_nn", workload=BIAS)
    sampled.add("torch_ddp", workload=BIAS)
    with pytest.raises(NothingToShowError, match="--devices 1,2"):
        drawn("scaling", sampled)
