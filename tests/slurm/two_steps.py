"""A file for `--load`: two steps that last as long as they are told to, and three times as long on the node n2."""

from __future__ import annotations

import os
import time

import numpy as np

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation

SLOWER = 3.0 if os.environ.get("SLURMD_NODENAME") == "n2" else 1.0


def step_of(seconds, data, device):
    x, y = device.put(data.x), device.put(data.y)
    w1, w2 = device.put(data.parameters["w1"]), device.put(data.parameters["w2"])
    found = {}

    def forward():
        until = time.perf_counter() + seconds * SLOWER
        found["h"] = x @ w1
        found["relu"] = np.maximum(found["h"], 0)
        found["y"] = found["relu"] @ w2
        found["loss"] = np.square(found["y"] - y).sum()
        while time.perf_counter() < until:
            pass

    def backward():
        grad = 2.0 * (found["y"] - y)
        hidden = grad @ w2.T
        hidden[found["h"] < 0] = 0
        found["w1"], found["w2"] = x.T @ hidden, found["relu"].T @ grad

    def update():
        w1[...] -= data.learning_rate * found["w1"]
        w2[...] -= data.learning_rate * found["w2"]

    def state():
        gradients = {"w1": found["w1"], "w2": found["w2"]}
        return State(float(found["loss"]), {"w1": w1.copy(), "w2": w2.copy()}, gradients)

    def reset():
        w1[...], w2[...] = data.parameters["w1"], data.parameters["w2"]

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)


@implementation("long_step", framework="numpy", workload="mlp_sgd")
def long_step(problem, data, device):
    """It takes 0.6 ms."""
    return step_of(0.0006, data, device)


@implementation("short_step", framework="numpy", workload="mlp_sgd")
def short_step(problem, data, device):
    """It takes 0.3 ms."""
    return step_of(0.0003, data, device)
