"""A workload of a user's own, with sizes of its own, beside the tutorial's: from the list to the exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bench.data.run import StoredRun
from bench.data.store import SAMPLES, SUMMARY

TEXT = '''
from lying_beside import rate
from bench import BACKWARD, FORWARD, UPDATE, Data, Stage, State, Step, implementation, workload


@workload("toy", sizes={"layers": 3, "width": 8}, baseline="toy_loop")
class Toy:
    """A sum of dot products, squared."""

    def data(self, size, rng):
        return Data({"v": rng.standard_normal(size.width)}, {"w": rng.standard_normal((size.layers, size.width))})

    def reference(self, size, data, steps):
        w, states = data.parameters["w"].copy(), []
        for _ in range(steps):
            total = float((w @ data.v).sum())
            gradient = 2 * total * data.v[None].repeat(size.layers, axis=0)
            w = w - rate() * gradient
            states.append(State(total**2, {"w": w}, {"w": gradient}))
        return states


def step(data, dot):
    w, now = data.parameters["w"].copy(), {}

    def forward():
        now["total"] = dot(w, data.v)

    def backward():
        now["gradient"] = 2 * now["total"] * data.v

    def update():
        w[...] -= rate() * now["gradient"]

    def reset():
        w[...] = data.parameters["w"]

    def state():
        gradient = now["gradient"][None].repeat(len(w), axis=0)
        return State(float(now["total"]) ** 2, {"w": w.copy()}, {"w": gradient})

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)


@implementation("toy_loop", framework="numpy", workload="toy")
def loop(problem, data, device):
    assert data.parameters["w"].shape == (problem.layers, problem.width)
    return step(data, lambda w, v: sum(row @ v for row in w))


@implementation("toy_at_once", framework="numpy", workload="toy")
def at_once(problem, data, device):
    return step(data, lambda w, v: (w @ v).sum())
'''
Here = Callable[..., Any]
TUTORIAL = ("--batch", "8", "--d-in", "6", "--hidden", "5", "--d-out", "3")
OTHERS = ["size.batch", "size.d_in", "size.hidden", "size.d_out"]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The option that loads the file; what it imports lies beside it."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "toy.py").write_text(TEXT, encoding="utf-8")
    (folder / "lying_beside.py").write_text("def rate():\n    return 1e-3\n", encoding="utf-8")
    return "--load", str(folder / "toy.py")


@pytest.fixture(scope="module")
def runs(here: Here, load: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of the user's workload and one of the tutorial's, in one folder, as a history wants them."""
    folder = tmp_path_factory.mktemp("results")
    made = [folder / "one", folder / "two"]
    names = ("-i", "toy_loop,toy_at_once,numpy_manual")
    for out in made:
        sizes = ("--size", "layers=2", *TUTORIAL)
        done = here("run", *load, *names, *sizes, "--threads", "1", "--rounds", "1", "--no-figures", "--out", out)
        assert done.returncode == 0, done.stderr
    return made


def test_it_is_listed_with_its_implementations(here: Here, load: tuple[str, str]) -> None:
    listed = json.loads(here("list", *load, "--json").stdout)
    assert [item["implementation"] for item in listed if item["workload"] == "toy"] == ["toy_loop", "toy_at_once"]


def test_it_is_verified_by_its_own_reference(here: Here, load: tuple[str, str]) -> None:
    assert here("verify", *load, "-w", "toy", "--threads", "1").returncode == 0


def test_what_its_reference_does_not_agree_with_is_wrong(here: Here, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(TEXT.replace("from lying_beside import rate", "rate = lambda: 1e-3").replace("2 * now", "3 * now"))
    done = here("verify", "--load", wrong, "-w", "toy", "--threads", "1", "--json")
    assert done.returncode == 4
    assert [item["status"] for item in json.loads(done.stdout)] == ["wrong", "wrong"]


def test_each_workload_has_its_own_sizes_in_the_files_and_zero_for_others_in_frames(runs: list[Path]) -> None:
    run = StoredRun(runs[0])
    for frame in (run.summary, run.processes):
        mine, other = frame[frame["workload"] == "toy"], frame[frame["workload"] == "mlp_sgd"]
        assert set(mine["size.layers"]) == {2}
        assert set(mine["size.width"]) == {8}
        assert not mine[OTHERS].any(axis=None)
        assert set(other["size.batch"]) == {8}
        assert not other[["size.layers", "size.width"]].any(axis=None)
    header, first = (runs[0] / SUMMARY).read_text().splitlines()[:2]
    cells = dict(zip(header.split(","), first.split(","), strict=True))
    assert {cells[name] for name in (OTHERS if cells["workload"] == "toy" else ["size.layers", "size.width"])} == {""}
    assert "size." not in (runs[0] / SAMPLES).read_text().splitlines()[0]
    facts = run.manifest.workloads["toy"]
    assert (facts.title, facts.baseline, facts.sizes) == (
        "A sum of dot products, squared",
        "toy_loop",
        ["layers", "width"],
    )
    steps = run.summary[(run.summary["phase"] == "step") & (run.summary["implementation"] == "toy_at_once")]
    assert steps["speedup"].notna().all()
    assert steps["gflops"].isna().all(), "its author does not say what it costs"


def test_a_stored_run_is_shown_without_the_file_that_made_it(here: Here, runs: list[Path], tmp_path: Path) -> None:
    assert here("plot", runs[0], "--figure", "speedup", "--format", "svg").returncode == 0
    assert any((runs[0] / "figures").iterdir())
    for kind in ("html", "markdown"):
        path = tmp_path / f"report.{kind}"
        with mock.patch("bench.output.figures.names", return_value=("speedup",)):
            done = here("report", runs[0], "--to", kind, "--out", path)
        assert done.returncode == 0, done.stderr
        assert "A sum of dot products" in path.read_text(encoding="utf-8")
        assert "layers 0" not in path.read_text(encoding="utf-8")
    compared = json.loads(here("compare", *runs, "--json").stdout)
    assert compared
    history = here("history", runs[0].parent, "--json")
    assert history.returncode == 0, history.stderr
    assert "toy_at_once" in history.stdout
    exported = here("export", runs[0], "--to", "bencher")
    assert exported.returncode == 0, exported.stderr
    assert "toy_at_once" in exported.stdout


def test_it_is_swept_over_its_own_size_and_the_others_are_left_out(
    here: Here, load: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    names = ("-i", "toy_loop,toy_at_once,numpy_manual")
    axis = ("--axis", "layers=1:4:x4", "--size", "width=4")
    with mock.patch("bench.output.figures.names", return_value=("speedup_size",)):
        done = here("sweep", *load, *names, *axis, "--threads", "1", "--rounds", "1", "--budget", "60s", "--out", out)
    assert done.returncode == 0, done.stderr
    run = StoredRun(out)
    assert run.manifest.axes == {"size.layers": [1, 4]}
    assert set(zip(run.summary["implementation"], run.summary["size.layers"], strict=True)) == {
        (name, layers) for name in ("toy_loop", "toy_at_once") for layers in (1, 4)
    }
    assert set(run.summary["size.width"]) == {4}
    assert "speedup over toy_loop by layers" in done.stdout
    assert (out / "figures" / "speedup_size.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run", "--size", "layer=2"), "No chosen workload has a size 'layer': did you mean 'layers'"),
        (("run", "-w", "toy", "--size", "hidden=2"), "No chosen workload has a size 'hidden'"),
        (("run", "--size", "layers=2", "--size", "layers=3"), "The size layers is given twice"),
        (("run", "--size", "layers=2,layers=3"), "The size layers is given twice"),
        (("run", "--size", "hidden=2", "--hidden", "3"), "The size hidden is given twice"),
        (("run", "--hidden", "9999999999"), "'--hidden': '9999999999' is not a whole number from 1 to"),
        (("sweep", "--axis", "layer=1,2"), "did you mean 'layers'"),
        (("sweep", "--axis", "layers=1,2", "--size", "layers=3"), "--axis layers and an option that sets it"),
        (("sweep", "--axis", "layers=1,2", "--axis", "hidden=1,2"), "No chosen workload has all of the sizes"),
    ],
)
def test_sizes_that_make_no_sense_are_one_sentence(
    here: Here, load: tuple[str, str], error: Here, arguments: tuple[str, ...], complaint: str
) -> None:
    command, *rest = arguments
    assert complaint in error(here(command, *load, *rest))


@pytest.mark.parametrize(
    "text", ["layers", "layers=", "layers=0", "layers=-1", "layers=1.5", "=2", "layers=2;width=3", ""]
)
def test_a_text_that_is_no_size_says_how_to_write_one(here: Here, load: tuple[str, str], text: str) -> None:
    done = here("run", *load, "--size", text)
    assert done.returncode == 2
    assert "is not a size: write layers=4" in " ".join(done.stderr.split())
