"""The figure of a calibration: what it draws, its files, and what `bench plot` and `explain` make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from bench.errors import DataFormatError, NothingToShowError, UsageError
from bench.output import figures
from bench.output.figures import Look, Style, Width, power
from bench.output.provenance import read
from bench.run.calibration import Calibration, Rate
from bench.stats.rates import binomial_interval

LOOKS = [Look(width, style) for width in Width for style in Style]


def rate(happened: int, trials: int = 24) -> Rate:
    low, high = binomial_interval(happened, trials)
    return Rate(happened=happened, trials=trials, low=low, high=high)


def made(**changes: Any) -> Calibration:
    values: dict[str, Any] = {
        "fingerprint": "0123456789abcdef",
        "created": "2026-02-03T04:05:06+00:00",
        "implementation": "torch_autograd on torch-cpu",
        "pairs": 44,
        "seconds": 600.0,
        "false_positives": rate(0),
        "power": {"2%": rate(9), "5%": rate(22), "10%": rate(24)},
        "localised": rate(54, 55),
        "alpha": 0.01,
        "tolerance": 0.05,
        "cpu": "Imaginary Processor 3000 @ 2.80GHz",
        "stepbench": "0.1.0",
    }
    return Calibration(**{**values, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "kept" / "0123456789abcdef.json"
    path.parent.mkdir()
    path.write_text(made().model_dump_json(), encoding="utf-8")
    return path


@pytest.fixture
def show(seen: Any) -> Callable[..., Any]:
    def draw(found: Calibration, look: Look | None = None) -> Any:
        look = look or Look()
        with mpl.rc_context(look.rc()):
            return seen(power.draw(found, look))

    return draw


def boxes(axis: Any) -> list[tuple[list[float], list[float], list[tuple[float, float]]]]:
    """Places, shares and ends of the intervals of the planted slowdowns, then of the unchanged step."""
    found = []
    for box in (each for each in axis.containers if isinstance(each, ErrorbarContainer)):
        ends = [(segment[0][1], segment[1][1]) for segment in box.lines[2][0].get_segments()]
        found.append((list(map(float, box.lines[0].get_xdata())), list(map(float, box.lines[0].get_ydata())), ends))
    return found


def test_points_are_the_counted_shares_with_their_exact_intervals(show: Callable[..., Any]) -> None:
    drawing = show(made())
    planted, unchanged = boxes(drawing.axis)
    assert planted[0] == [2.0, 5.0, 10.0]
    assert planted[1] == pytest.approx([9 / 24 * 100, 22 / 24 * 100, 100.0])
    for found, happened in zip(planted[2], (9, 22, 24), strict=True):
        assert found == pytest.approx(tuple(100 * end for end in binomial_interval(happened, 24)))
    assert unchanged[:2] == ([0.0], [0.0])
    assert unchanged[2][0] == pytest.approx((0.0, 100 * binomial_interval(0, 24)[1]))
    assert [text.get_text() for text in drawing.axis.texts] == ["9 of 24", "22 of 24", "24 of 24", "0 of 24"]
    assert list(drawing.keys) == ["found", "false alarm, unchanged step", "tolerance, 5 %"]
    assert [float(line.get_xdata()[0]) for line in drawing.axis.lines if line.get_linestyle() == "--"] == [5.0]
    assert "right phase named in 54 of 55 found" in drawing.words


def test_a_calibration_that_does_not_tell_its_criteria_has_no_tolerance(show: Callable[..., Any]) -> None:
    drawing = show(made(tolerance=None, alpha=None, cpu="", stepbench=""))
    assert list(drawing.keys) == ["found", "false alarm, unchanged step"]
    assert not [line for line in drawing.axis.lines if line.get_linestyle() == "--"]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.stem or "page")
@pytest.mark.parametrize("powers", [(2, 2, 2), (0, 9, 24)])
def test_no_text_meets_another_or_the_edge(show: Callable[..., Any], look: Look, powers: tuple[int, ...]) -> None:
    trials = max(powers)
    planted = {name: rate(found, trials) for name, found in zip(("2%", "5%", "10%"), powers, strict=True)}
    assert show(made(power=planted, false_positives=rate(0, trials)), look).problems() == []


def test_without_a_planted_slowdown_there_is_nothing_to_show() -> None:
    with pytest.raises(NothingToShowError, match="no planted slowdown"):
        power.draw(made(power={}), Look())


def test_the_files_lie_beside_the_calibration_and_are_the_same_each_time(path: Path) -> None:
    look = Look(Width.COLUMN, Style.DARK)
    paths = figures.draw_calibration(path, formats=figures.FORMATS, look=look)
    assert [each.name for each in paths] == [f"0123456789abcdef-power-column-dark.{kind}" for kind in figures.FORMATS]
    contents = [each.read_bytes() for each in paths]
    assert contents == [each.read_bytes() for each in figures.draw_calibration(path, (), figures.FORMATS, look)]
    for each in paths:
        notes = read(each)
        assert (notes.figure, notes.run_id) == ("power", "0123456789abcdef")
        assert notes.command.startswith("bench plot 0123456789abcdef.json --figure power --format ")
        assert notes.measured_by == "bench doctor --calibrate"


def test_figures_of_runs_and_of_calibrations_are_told_apart(path: Path, measured: Any) -> None:
    with pytest.raises(UsageError, match=r"0123456789abcdef\.json is a calibration, .* 'speedup'"):
        figures.draw_calibration(path, ["speedup"])
    measured.contenders(["torch_nn"])
    with pytest.raises(UsageError, match="--figure power shows a calibration and no run"):
        figures.draw(measured.write(), ["power"])
    with pytest.raises(DataFormatError, match=r"manifest\.json is no calibration"):
        figures.draw_calibration(measured.folder / "manifest.json")
    with pytest.raises(DataFormatError, match="cannot be read"):
        figures.draw_calibration(path.with_name("absent.json"))


def test_the_command_draws_it_and_explain_tells_whether_the_counts_are_still_those(
    path: Path, here: Callable[..., Any], error: Callable[..., str]
) -> None:
    done = here("plot", path, "--format", "svg", STEPBENCH_HOME=str(path.parent))
    assert done.stdout == f"{path.with_name('0123456789abcdef-power.svg')}\n"
    figure = path.with_name("0123456789abcdef-power.svg")
    lines = here("explain", figure).stdout.splitlines()
    assert "now          drawn from the files as they are" in lines
    assert f"draw again   bench plot {path} --figure power --format svg --width page --style light" in lines
    assert here("explain", figure, "--check").returncode == 0
    path.write_text(made(pairs=20).model_dump_json(), encoding="utf-8")
    assert here("explain", figure, "--check").returncode == 1
    moved = figure.rename(path.parents[1] / "copy.svg")
    home = {"STEPBENCH_HOME": str(path.parents[1] / "nothing")}
    assert "its calibration was not found" in here("explain", moved, **home).stdout
    assert here("explain", moved, "--run", path, **home).returncode == 0
    path.write_text(made(fingerprint="f" * 16).model_dump_json(), encoding="utf-8")
    assert "is the calibration 'ffffffffffffffff'" in error(here("explain", moved, "--run", path))
    assert "--baseline is for the figures of a run" in error(here("plot", path, "--baseline", "torch_nn"))


def test_a_slowdown_of_many_sizes_stays_in_order(show: Callable[..., Any]) -> None:
    drawing = show(made(power={"10%": rate(24), "2%": rate(3), "5%": rate(9)}))
    assert np.diff(boxes(drawing.axis)[0][0]).min() > 0
