"""The float64 reference of the tutorial's network, written for clarity and independent of every implementation.

All workloads share a forward and a backward pass over a list of layers; they differ in which layers those are.
Gradients of the sum of squared errors L = sum((p - y)^2): dL/dp = 2 (p - y); through a layer z = a W + b they are
dW = a^T dz, db = sum of dz over the batch, da = dz W^T; through ReLU, dz = da where z > 0, else 0.

That last step jumps at z = 0, and rounding may put a z that is almost 0 on either side. `margin` moves the edge: with
margin m a unit counts as active where z > m |a| |w|, |a| |w| being the size that rounding errors of the dot product
a w are proportional to. The truth is margin 0; two runs with a small positive and negative margin show how much
depends on units that no arithmetic of the given precision can decide (see `bench.oracle.truth`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.model.data import Data
from bench.model.step import State

Parameters = dict[str, NDArray[np.float64]]
Layer = tuple[str, str | None]
"""The names of a layer's weight and bias."""
Update = Callable[[int, Parameters, Parameters], Parameters]


def _loss_and_gradients(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    parameters: Parameters,
    layers: Sequence[Layer],
    margin: float,
) -> tuple[float, Parameters]:
    """Compute loss and gradients of a chain of layers with ReLU between them; a reused layer's gradients add up."""
    inputs, active = [x], []
    for weight, bias in layers:
        z = inputs[-1] @ parameters[weight]
        if bias is not None:
            z = z + parameters[bias]
        edge: float | NDArray[np.float64] = 0.0
        if margin:
            sizes = np.linalg.norm(inputs[-1], axis=1), np.linalg.norm(parameters[weight], axis=0)
            edge = margin * np.outer(*sizes)
        active.append(z > edge)
        inputs.append(np.maximum(z, 0.0))
    error = z - y
    gradients: Parameters = {}

    def add(name: str, value: NDArray[np.float64]) -> None:
        gradients[name] = gradients[name] + value if name in gradients else value

    dz = 2.0 * error
    for index in range(len(layers) - 1, -1, -1):
        weight, bias = layers[index]
        add(weight, inputs[index].T @ dz)
        if bias is not None:
            add(bias, dz.sum(axis=0))
        if index:
            dz = np.where(active[index - 1], dz @ parameters[weight].T, 0.0)
    return float(np.sum(error * error)), gradients


def train(data: Data, steps: int, margin: float, bias: bool, adam: bool, momentum: float) -> tuple[State, ...]:
    """Train in float64 from the shared start and give the state after each step.

    Args:
        data: batch, start, learning rate and, for a network whose depth varies, the depth of each step: then a shared
            middle layer is applied `data.depths[i]` times in step i. A step of depth 0 gives that layer no gradient,
            and neither its parameters nor its momentum move.
        steps: how many.
        margin: see the module.
        bias: whether layers have biases.
        adam: whether the optimiser is Adam; else it is gradient descent.
        momentum: of gradient descent.
    """
    x, y = data.x.astype(np.float64), data.y.astype(np.float64)
    parameters: Parameters = {name: value.astype(np.float64) for name, value in data.parameters.items()}
    update = _adam(data.learning_rate) if adam else _sgd(data.learning_rate, momentum)
    first, middle, last = ((f"w{layer}", f"b{layer}" if bias else None) for layer in "1m2")
    states = []
    for index in range(steps):
        depth = data.depths[index % len(data.depths)] if data.depths else 0
        loss, gradients = _loss_and_gradients(x, y, parameters, (first, *[middle] * depth, last), margin)
        parameters = {**parameters, **update(index, parameters, gradients)}
        states.append(State(loss, parameters, gradients))
    return tuple(states)


def _sgd(learning_rate: float, momentum: float) -> Update:
    """Make the rule of gradient descent with Polyak's momentum."""
    velocity: Parameters = {}

    def update(_: int, parameters: Parameters, gradients: Parameters) -> Parameters:
        for name, gradient in gradients.items():
            velocity[name] = momentum * velocity[name] + gradient if name in velocity else gradient
        return {name: parameters[name] - learning_rate * velocity[name] for name in gradients}

    return update


def _adam(learning_rate: float) -> Update:
    """Make the rule of Adam, algorithm 1 of Kingma and Ba, "Adam" (ICLR 2015), with the constants given there."""
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    mean: Parameters = {}
    variance: Parameters = {}

    def update(index: int, parameters: Parameters, gradients: Parameters) -> Parameters:
        new: Parameters = {}
        for name, gradient in gradients.items():
            mean[name] = beta1 * mean.get(name, np.float64(0)) + (1 - beta1) * gradient
            variance[name] = beta2 * variance.get(name, np.float64(0)) + (1 - beta2) * gradient**2
            mean_hat = mean[name] / (1 - beta1 ** (index + 1))
            variance_hat = variance[name] / (1 - beta2 ** (index + 1))
            new[name] = parameters[name] - learning_rate * mean_hat / (np.sqrt(variance_hat) + epsilon)
        return new

    return update
