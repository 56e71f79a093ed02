"""`bench plot`: which files it writes, what it prints, and what it says where there is nothing to draw."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.data.store import RunStore
from bench.errors import StorageError
from bench.output import figures
from bench.output.provenance import read

BENCH = Path(sys.executable).with_name("bench")


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Path:
    """The sample run without its figures, below a folder that holds nothing else."""
    folder = tmp_path / "results" / "sample"
    shutil.copytree(root / "tests" / "data" / "sample", folder, ignore=shutil.ignore_patterns("figures"))
    return folder


@pytest.fixture
def lonely(build: ModuleType, tmp_path: Path) -> Path:
    """A run of a baseline and nothing beside it: there is no speedup."""
    made = build.HandMade(tmp_path / "lonely")
    case = made.plan("numpy_manual")
    for number in range(6):
        seconds = 1e-3 * (1 + number / 100)
        made.process(case, number, step=[seconds] * 3, phases={"forward": [seconds / 2]})
    RunStore(made.folder).write_summary(made.summary())
    folder: Path = made.folder
    return folder


def drawn(folder: Path) -> dict[str, bytes]:
    """Everything in a run's folder for figures, hidden files too."""
    return {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}


def test_the_real_command_writes_what_is_asked_for_and_the_same_bytes_again(run: Path, here: Any) -> None:
    arguments = ["plot", "results/sample", "--figure", "phases,", "--figure", "phases"]
    arguments += ["--format", "svg,png,svg", "--width", "column"]
    outputs, contents, top = [], [], run.parents[1]
    # Python's hashes differ between the two: no set or dictionary may decide an order.
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    for draw in (
        lambda: subprocess.run(
            [BENCH, *arguments], cwd=top, env=environment, capture_output=True, text=True, timeout=120, check=False
        ),
        lambda: here(*arguments, cwd=top),
    ):
        done = draw()
        assert (done.returncode, done.stderr) == (0, "")
        outputs.append(done.stdout.splitlines())
        contents.append(drawn(run))
    names = [f"phases-column.{kind}" for kind in ("svg", "png")]
    assert outputs == [[f"results/sample/figures/{name}" for name in names]] * 2
    assert sorted(contents[0]) == sorted(names)
    assert [name for name in names if contents[0][name] != contents[1][name]] == []


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "phases.svg"),
        (["--width", "slide", "--style", "dark"], "phases-slide-dark.svg"),
    ],
)
def test_a_files_name_tells_its_look(run: Path, here: Any, options: list[str], name: str) -> None:
    done = here("plot", run, "--figure", "phases", "--format", "svg", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{run / 'figures' / name}\n"
    assert list(drawn(run)) == [name]
    assert " ".join(options) in read(run / "figures" / name).command


def test_another_baseline_is_in_the_figure_and_in_the_command_that_draws_it_again(run: Path, here: Any) -> None:
    files = {path: path.read_bytes() for path in run.iterdir()}
    done = here("plot", run, "--figure", "speedup", "--format", "svg", "--baseline", "torch_autograd")
    assert done.returncode == 0, done.stderr
    assert read(run / "figures" / "speedup.svg").command.endswith("--baseline torch_autograd")
    assert {path: path.read_bytes() for path in files} == files


def texts(path: Path) -> list[str]:
    """The texts of an SVG figure."""
    return re.findall("<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))


def test_an_author_chooses_what_is_shown_under_which_names_and_without_a_title(run: Path, here: Any) -> None:
    options = ["--no-title", "--only", "torch_tensor,torch_autograd", "--order", "torch_tensor"]
    options += ["--rename", "torch_tensor=Ours, by hand"]
    done = here("plot", run, "--figure", "phases", "--format", "svg", *options)
    assert done.returncode == 0, done.stderr
    found = texts(run / "figures" / "phases.svg")
    assert {"Ours, by hand", "torch_autograd"} <= set(found)
    assert not {"torch_tensor", "numpy_manual", figures.about("phases").title} & set(found)
    assert any("left out by --only" in text for text in found)
    command = read(run / "figures" / "phases.svg").command
    again = here(*[word if word != "results/sample" else str(run) for word in shlex.split(command)[1:]])
    assert again.returncode == 0
    assert read(run / "figures" / "phases.svg").command == command
    assert texts(run / "figures" / "phases.svg") == found


def test_a_run_without_its_samples_is_drawn_from_its_summary(run: Path, here: Any, error: Callable[..., str]) -> None:
    (run / "samples.csv").unlink()
    done = here("plot", run, "--format", "svg")
    assert done.returncode == 0, done.stderr
    assert {"speedup.svg", "phases.svg"} <= drawn(run).keys()
    told = [line for line in done.stderr.splitlines() if "samples.csv" in line]
    assert {line.split(":")[0] for line in told} >= {"No ecdf", "No samples", "No ladder"}
    assert all(line.endswith("samples.csv, the single samples, is not there: restore the file.") for line in told)
    assert "samples.csv" in error(here("plot", run, "--figure", "ecdf"))
    assert "samples.csv" in error(here("plot", run, "--baseline", "torch_autograd"))


def test_what_the_run_has_nothing_for_is_one_line_beside_the_rest(lonely: Path, here: Any) -> None:
    done = here("plot", lonely, "--format", "svg")
    assert done.returncode == 0
    names = [Path(line).name for line in done.stdout.splitlines()]
    assert names == sorted(drawn(lonely))
    assert "phases.svg" in names
    assert "speedup.svg" not in names
    left_out = done.stderr.splitlines()
    assert len([line for line in left_out if line.startswith("No speedup: ") and "baseline" in line]) == 1
    assert len(names) + len(left_out) == len(figures.names())
    assert all(line.startswith("No ") and line.endswith(".") for line in left_out)


def test_a_figure_asked_for_by_name_that_has_nothing_to_show_is_an_error(
    lonely: Path, here: Any, error: Callable[..., str]
) -> None:
    done = here("plot", lonely, "--figure", "phases,speedup", "--format", "svg")
    assert "--figure speedup: " in error(done)
    assert "baseline" in error(done)
    assert Path(done.stdout.strip()).name == "phases.svg"  # what was drawn before it is kept
    assert list(drawn(lonely)) == ["phases.svg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--figure", "phase"], "'phase': did you mean 'phases'?"),
        (["--figure", "speedup,heat-map-of-nothing"], "'heat-map-of-nothing'"),
        (["--baseline", "torch_autogra"], "--baseline 'torch_autogra' is not measured in this run: did you mean"),
        (["--baseline", "torch_autograd,thread=1"], "sets 'thread', which no case has: did you mean 'threads'?"),
        (["--only", "torch_autogra"], "--only names 'torch_autogra', which the run has no case of: did you mean"),
        (["--order", "x"], "--order names 'x'"),
        (["--rename", "torch_autograd"], "--rename is 'torch_autograd': write NAME=LABEL, such as"),
        (["--rename", "torch_autograd=numpy_manual"], "another implementation is called so too"),
        (["--rename", "torch_autograd=a", "--rename", "torch_autograd=b"], "--rename names 'torch_autograd' twice"),
        (["--format", "gif"], "--format is 'gif': give any of png, svg, pdf"),
        (["--format", ","], "--format is ',': give any of png, svg, pdf"),
        (["--width", "poster"], "'--width': 'poster' is not one of 'column', 'page', 'slide'."),
        (["--style", "sepia"], "'--style': 'sepia' is not one of 'light', 'dark'."),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else "",
)
def test_a_wrong_option_is_named_and_nothing_is_drawn(
    run: Path, here: Any, error: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in error(here("plot", run, *arguments))
    assert not (run / "figures").exists()


def test_ctrl_c_keeps_the_files_that_are_finished(run: Path) -> None:
    command = [BENCH, "plot", run, "--format", "svg,png,pdf"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        first = Path(running.stdout.readline().strip())
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert errors.strip() == "Interrupted."
    named = {first, *map(Path, rest.splitlines())}
    assert len(named) < 3 * len(figures.names())
    kept = set((run / "figures").iterdir())
    assert named <= kept
    assert {read(path).run_id for path in kept} == {"sample"}  # whole files only, and no temporary one


def test_the_help_names_the_figures_and_imports_nothing_that_draws() -> None:
    code = (
        "import sys; from bench.cli import main\n"
        "try: main(['plot', '--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "print(sorted({'torch', 'tensorflow', 'pandas', 'matplotlib', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    text = " ".join(done.stdout.split())
    for name in figures.names():
        assert f" {name} {figures.about(name).title} " in text
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_folder_without_a_run_is_named(tmp_path: Path, here: Any, error: Callable[..., str]) -> None:
    assert f"{tmp_path / 'nowhere'} is not the folder of a run" in error(here("plot", tmp_path / "nowhere"))


def test_figures_that_cannot_be_drawn_at_the_end_of_a_run_are_a_warning(
    here: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> list[Path]:
        raise StorageError(f"{folder}/figures cannot be written")

    monkeypatch.setattr("bench.output.figures.draw_headlines", full)
    sizes = ("--batch", "4", "--d-in", "5", "--hidden", "4", "--d-out", "3", "--threads", "1")
    done = here("run", "-i", "numpy_manual", *sizes, "--rounds", "1", "--out", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert "numpy_manual" in done.stdout
    assert f"Warning: {tmp_path}/r/figures cannot be written" in done.stderr
    assert f"wrote {tmp_path}/r/summary.csv" in done.stderr
