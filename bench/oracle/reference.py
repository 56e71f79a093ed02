"""Float64 references: one function a workload, written for clarity and independent of every implementation.

All four share a forward and a backward pass over a list of layers; the layers differ in which parameters they use.
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
from bench.model.workload import ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON

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
    """Loss and gradients of a chain of layers with ReLU between them; a reused layer's gradients add up."""
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


def _train(
    data: Data, steps: int, margin: float, layers_of_step: Callable[[int], Sequence[Layer]], update: Update
) -> tuple[State, ...]:
    x, y = data.x.astype(np.float64), data.y.astype(np.float64)
    parameters: Parameters = {name: value.astype(np.float64) for name, value in data.parameters.items()}
    states = []
    for index in range(steps):
        loss, gradients = _loss_and_gradients(x, y, parameters, layers_of_step(index), margin)
        parameters = {**parameters, **update(index, parameters, gradients)}
        states.append(State(loss, parameters, gradients))
    return tuple(states)


def _sgd(learning_rate: float) -> Update:
    return lambda _, parameters, gradients: {
        name: parameters[name] - learning_rate * gradient for name, gradient in gradients.items()
    }


_BIASED: Sequence[Layer] = (("w1", "b1"), ("w2", "b2"))


def mlp_sgd(data: Data, steps: int, margin: float = 0.0) -> tuple[State, ...]:
    """relu(x W1) W2, plain gradient descent."""
    return _train(data, steps, margin, lambda _: (("w1", None), ("w2", None)), _sgd(data.learning_rate))


def mlp_bias_sgd(data: Data, steps: int, margin: float = 0.0) -> tuple[State, ...]:
    """Two layers with bias, plain gradient descent."""
    return _train(data, steps, margin, lambda _: _BIASED, _sgd(data.learning_rate))


def mlp_bias_adam(data: Data, steps: int, margin: float = 0.0) -> tuple[State, ...]:
    """Two layers with bias, Adam as in algorithm 1 of Kingma and Ba, "Adam" (ICLR 2015)."""
    mean: Parameters = {}
    variance: Parameters = {}

    def update(index: int, parameters: Parameters, gradients: Parameters) -> Parameters:
        new: Parameters = {}
        for name, gradient in gradients.items():
            mean[name] = ADAM_BETA1 * mean.get(name, np.float64(0)) + (1 - ADAM_BETA1) * gradient
            variance[name] = ADAM_BETA2 * variance.get(name, np.float64(0)) + (1 - ADAM_BETA2) * gradient**2
            mean_hat = mean[name] / (1 - ADAM_BETA1 ** (index + 1))
            variance_hat = variance[name] / (1 - ADAM_BETA2 ** (index + 1))
            new[name] = parameters[name] - data.learning_rate * mean_hat / (np.sqrt(variance_hat) + ADAM_EPSILON)
        return new

    return _train(data, steps, margin, lambda _: _BIASED, update)


def mlp_dynamic(data: Data, steps: int, margin: float = 0.0) -> tuple[State, ...]:
    """A shared middle layer, applied `data.depths[i]` times in step i; SGD with momentum 0.9.

    A step of depth 0 gives the middle layer no gradient, and then neither its parameters nor its momentum move.
    """
    velocity: Parameters = {}

    def update(_: int, parameters: Parameters, gradients: Parameters) -> Parameters:
        for name, gradient in gradients.items():
            velocity[name] = 0.9 * velocity[name] + gradient if name in velocity else gradient
        return {name: parameters[name] - data.learning_rate * velocity[name] for name in gradients}

    def layers(index: int) -> Sequence[Layer]:
        depth = data.depths[index % len(data.depths)]
        return (("w1", "b1"), *[("wm", "bm")] * depth, ("w2", "b2"))

    return _train(data, steps, margin, layers, update)


REFERENCES: dict[str, Callable[[Data, int, float], tuple[State, ...]]] = {
    "mlp_sgd": mlp_sgd,
    "mlp_bias_sgd": mlp_bias_sgd,
    "mlp_bias_adam": mlp_bias_adam,
    "mlp_dynamic": mlp_dynamic,
}
"""The reference of each workload, by its name; it gives the state after each of the first `steps` steps."""
