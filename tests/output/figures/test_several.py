"""Figures of several runs: a colour a run, each bar over its own run's baseline, and texts that never meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.colors as colours
import pytest

from bench.analysis.several import read_several
from bench.errors import NothingToShowError, UsageError
from bench.output import figures
from bench.output.figures import Choice, Look, RunsData, Width
from bench.output.figures._look import LIGHT

LONG = "Imaginary Processor with a name that no figure has room for in one line of a narrow column "
Draw = Callable[..., Any]


@pytest.fixture
def several(new: Callable[[str, Path], Any], tmp_path: Path) -> Callable[..., RunsData]:
    """Runs of the same cases on machines of these names, each `factor` times as slow as the one before."""

    def make(
        kind: str = "measured",
        machines: tuple[str, ...] = ("one", "two", "three"),
        fill: Callable[[Any, float], None] | None = None,
        **choice: Any,
    ) -> RunsData:
        folders, base = [], tmp_path / str(len(list(tmp_path.iterdir())))
        for number, machine in enumerate(machines):
            run = new(kind, base / str(number))
            (fill or two_cases)(run, 1.5**number)
            run.manifest["machine"] = {"cpu": machine, "cpus": 2, "memory_bytes": 8e9, "system": "x", "python": "3"}
            run.manifest["run_id"] = f"run{number}"
            folders.append(run.write())
        chosen = Choice(**choice)
        return RunsData(read_several(folders, only=chosen.only), tmp_path / "out", chosen)

    return make


def two_cases(run: Any, factor: float) -> None:
    run.add("numpy_manual", "numpy", speedup=1.0, seconds=4e-4 * factor)
    run.add("torch_nn", speedup=2.0 * factor, seconds=2e-4)
    run.add("torch_autograd", speedup=0.5 * factor, seconds=8e-4)


def lines(run: Any, factor: float) -> None:
    run.line("numpy_manual", "numpy", constant=1e-4 * factor)
    run.line("torch_nn", constant=5e-5 * factor)


def many(run: Any, factor: float) -> None:
    run.add("numpy_manual", "numpy", speedup=1.0)
    for number in range(20):
        for backend in ("torch-cpu", "torch-cuda"):
            run.add(f"implementation_with_a_really_long_name{number:02}", backend, speedup=0.3 * factor + number)


def test_bars_of_one_case_stand_together_and_each_run_has_its_colour(several: Any, drawn: Draw) -> None:
    seen = drawn("runs_speedup", several())
    names = [label.get_text() for label in seen.axis.get_yticklabels()]
    assert names == ["torch_nn  A", "B", "C", "torch_autograd  A", "B", "C"], "the fastest first, the baseline not"
    places = seen.axis.get_yticks()
    assert places[2] - places[3] > places[0] - places[1], "a gap between two cases"
    texts = [text.get_text().split()[0] for text in seen.axis.texts]
    assert texts == ["2.00x", "3.00x", "4.50x", "0.500x", "0.750x", "1.12x"]
    bars = [bar for box in seen.axis.containers for bar in box if hasattr(bar, "get_width")]
    assert [colours.to_hex(bar.get_facecolor()).upper() for bar in bars[:4]] == [*LIGHT.series[:3], LIGHT.series[0]]
    assert list(seen.keys) == ["A: one", "B: two", "C: three"]
    assert "over numpy_manual of the same run" in seen.axis.get_xlabel()
    assert "A: run run0, 2026-01-02 03:04 UTC" in seen.words


def test_times_stand_beside_each_other_and_what_one_run_alone_has_is_counted(several: Any, drawn: Draw) -> None:
    def fill(run: Any, factor: float) -> None:
        two_cases(run, factor)
        if factor == 1.0:
            run.add("mine")

    seen = drawn("runs_time", several(fill=fill))
    texts = [text.get_text().split(" [")[0].strip() for text in seen.axis.texts]
    assert texts[:3] == ["200 µs"] * 3
    assert "Not shown: 1 case that one run alone has a time of." in seen.words


def test_lines_are_of_one_contender_in_each_run(several: Any, drawn: Draw) -> None:
    seen = drawn("runs_time_size", several("swept", fill=lines))
    assert seen.titles == ["torch_nn, mlp_sgd", "numpy_manual, mlp_sgd"]
    assert list(seen.lines(seen.axes[1])) == ["A: one", "B: two", "C: three"]
    heights = [box.lines[0].get_ydata()[0] for box in seen.lines(seen.axes[0]).values()]
    assert heights == sorted(heights)


def test_what_was_chosen_is_shown_under_its_name(several: Any, drawn: Draw) -> None:
    data = several(only=("torch_nn", "numpy_manual"), order=("numpy_manual",), renamed={"torch_nn": "PyTorch"})
    names = [label.get_text() for label in drawn("runs_time", data).axis.get_yticklabels()]
    assert names == ["numpy_manual  A", "B", "C", "PyTorch  A", "B", "C"]
    with pytest.raises(UsageError, match="nobody"):
        several(machines=("one",) * 2, only=("nobody",))


def test_nothing_to_show_is_said(several: Any, drawn: Draw) -> None:
    with pytest.raises(NothingToShowError, match="several sizes"):
        drawn("runs_time_size", several())
    with pytest.raises(NothingToShowError, match="no run has a speedup"):
        drawn("runs_speedup", several(machines=("x", "y"), fill=lambda run, factor: run.add("torch_nn")))


def test_a_figure_says_of_what_it_is_and_the_same_runs_give_the_same_bytes(several: Any) -> None:
    data = several()
    (path,) = figures.draw(data.folder, ["runs_time"], ["svg"], data=data).paths
    assert path == data.folder / "figures" / "runs_time.svg"
    before = path.read_bytes()
    assert b"bench plot results/run0 results/run1 results/run2 --figure runs_time" in before
    figures.draw(data.folder, ["runs_time"], ["svg"], data=data)
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="shows one run"):
        figures.draw(data.folder, ["speedup"], ["svg"], data=data)
    with pytest.raises(UsageError, match="shows several runs"):
        figures.draw(data.several.members[0].folder, ["runs_time"])


CROWDS = [("runs_speedup", "measured", many), ("runs_time", "measured", many), ("runs_time_size", "swept", lines)]


@pytest.mark.parametrize(("name", "kind", "fill"), CROWDS)
@pytest.mark.parametrize(
    "width",
    [Width.COLUMN, pytest.param(Width.PAGE, marks=pytest.mark.slow), pytest.param(Width.SLIDE, marks=pytest.mark.slow)],
)
def test_no_text_meets_another(name: str, kind: str, fill: Any, width: Width, several: Any, drawn: Draw) -> None:
    machines = tuple(LONG + str(number) for number in range(5))
    assert drawn(name, several(kind, machines, fill), Look(width)).problems() == []
