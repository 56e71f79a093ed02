"""A Keras model as a workload, on each library in an interpreter of its own; the quick tests are on one alone."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.data.store import read_processes

LIBRARIES = ("torch", "jax", "tensorflow")
PROGRAM = """
import json, sys
import numpy as np
from bench import Dtype, Problem, Settings, Sizes, Training
from bench.errors import StepError
from bench.model.backends import BACKENDS
from bench.model.step import FORWARD, TRAINING
from bench.training import Told
from bench.training.keras import adapt

device = BACKENDS["keras-" + sys.argv[1]].open(Settings(1, dtype=Dtype.FLOAT64))
import keras
from keras import layers, ops

def loss(model, x, y):
    return ops.mean(ops.square(model(x, training=True) - y))

def giving(**changes):
    def author(size, rng):
        model = keras.Sequential([
            keras.Input((3,)), layers.Dense(4, name="a"), layers.BatchNormalization(name="n"), layers.Dense(2, name="b")
        ])
        given = dict(model=model, inputs=(rng.standard_normal((8, 3)), rng.standard_normal((8, 2))), loss=loss,
                     optimizer=keras.optimizers.Adam(0.01))
        return Training(**(given | changes))
    return author

def built(author, dtype=Dtype.FLOAT32, phases=TRAINING):
    adapted = adapt(Told("mine", author, phases, False, ""))
    problem = Problem(Sizes(), dtype)
    data = adapted.program.data(problem.sizes, np.random.default_rng(0)).as_type(dtype.value)
    return adapted.ways["fused"].build(problem, data, device), data

def states(step, count=3):
    found = []
    for _ in range(count):
        step()
        found.append(step.state())
    return found

def flat(state):
    arrays = {**state.parameters, **state.results}
    return {"loss": state.loss, **{name: np.asarray(value, float).tolist() for name, value in arrays.items()}}

def refusal(**changes):
    try:
        states(built(giving(**changes))[0], 1)
    except StepError as error:
        return str(error)

step, data = built(giving())
first = states(step)
kept = flat(first[0])
step.reset()
again = states(step)
double = states(built(giving(), Dtype.FLOAT64)[0])
single = states(built(giving())[0], 1)[0]
small, _ = built(giving(loss=None, optimizer=None, inputs=(np.ones((8, 3)),)), phases=FORWARD)
outputs = states(small, 1)[0]
json.dump({
    "stages": [stage.label for stage in step.stages],
    "start": {name: value.tolist() for name, value in data.parameters.items()},
    "first": [flat(state) for state in first],
    "again": [flat(state) for state in again],
    "copied": kept == flat(first[0]),
    "double": [flat(state) for state in double],
    "kinds": [sorted({str(a.dtype) for a in s.parameters.values()}) for s in (double[0], single)],
    "gradients": sorted(first[0].gradients),
    "outputs": {name: list(value.shape) for name, value in outputs.results.items()},
    "refused": [
        refusal(model=3), refusal(optimizer=len), refusal(loss=lambda m, x, y: x), refusal(loss=lambda m, x, y: 1.0),
        refusal(model=keras.Sequential([layers.Dense(2)])), refusal(state={}),
    ],
}, sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_it_trains_resets_and_refuses(library: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, library], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stages"] == ["forward+backward+update"]
    names = ["a/bias", "a/kernel", "b/bias", "b/kernel", "n/beta", "n/gamma"]
    assert sorted(found["start"]) == names
    assert found["gradients"] == ([] if library == "jax" else names)
    assert found["first"] == found["again"]
    assert found["copied"]
    assert found["kinds"] == [["float64"], ["float32"]]
    assert sorted(found["first"][0]) == sorted(["loss", *names, "n/moving_mean", "n/moving_variance"])
    losses = [[state["loss"] for state in found[kind]] for kind in ("first", "double")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] != losses[1]
    assert losses[1][2] < losses[1][0]
    change = found["first"][0]["b/bias"][0] - found["start"]["b/bias"][0]
    assert abs(change) == pytest.approx(0.01, rel=1e-3)  # Adam's first step
    assert found["outputs"] == {"output": [8, 2], "n/moving_mean": [4], "n/moving_variance": [4]}
    for reason, words in zip(
        found["refused"],
        (
            "mine gives a value of type int as its model: give a keras.Model.",
            "as its optimizer: give one of keras.optimizers, such as Adam(1e-3).",
            "mine has a loss of shape (8, 3): give a scalar, such as its mean.",
            "mine has a value of type float as its loss: give the tensor itself.",
            "has a model without variables yet: begin it with keras.Input(shape), or call it once on its inputs.",
            "mine gives state, which is not for Keras: leave it out.",
        ),
        strict=True,
    ):
        assert words in reason


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("victim", ["interpreter", "process"])
def test_what_is_killed_is_forked_again_or_resumed(root: Path, tmp_path: Path, victim: str) -> None:
    out = tmp_path / "run"
    start = ["run", "--load", "docs/examples/cnn_keras.py", "-i", "cnn_keras.fused", "--size", "batch=4,width=4"]
    ends = ["--threads", "1", "--rounds", "1", "--budget", "800s", "--no-figures", "--out", str(out)]
    running = subprocess.Popen([sys.executable, "-m", "bench", *start, *ends], cwd=root)
    killed = False
    while running.poll() is None and not killed:
        time.sleep(0.05)
        with contextlib.suppress(psutil.NoSuchProcess):
            for interpreter in psutil.Process(running.pid).children():
                if any(f"keras-{each}" in interpreter.cmdline() for each in LIBRARIES) and interpreter.children():
                    (interpreter if victim == "interpreter" else interpreter.children()[0]).kill()
                    killed = True
    assert killed
    running.wait()
    again = [sys.executable, "-m", "bench", "run", "--resume", str(out), *start[1:3], "--no-figures"]
    subprocess.run(again, cwd=root, check=False)
    processes = read_processes(out)
    good = processes[processes["status"] == "ok"]
    assert {f"keras-{each}" for each in LIBRARIES} == {*good["backend"]}, processes[["backend", "status", "reason"]]
