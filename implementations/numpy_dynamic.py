"""The baseline of program 9: in every step one shared middle layer is applied a different number of times."""

from itertools import cycle

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("numpy_dynamic", framework="numpy", workload="mlp_dynamic")
def build(problem, data, device):
    """NumPy arrays, a shared layer reused k times, SGD with momentum by hand."""
    import numpy as np

    x, y = device.put(data.x), device.put(data.y)
    parameters = {name: device.put(value) for name, value in data.parameters.items()}
    w1, b1, wm, bm, w2, b2 = (parameters[name] for name in ("w1", "b1", "wm", "bm", "w2", "b2"))
    velocity = {name: np.zeros_like(value) for name, value in parameters.items()}
    momentum = 0.9
    depths = cycle(data.depths)
    gradients = {}
    activations = y_pred = loss = None

    def forward():
        nonlocal activations, y_pred, loss
        activations = [np.maximum(x @ w1 + b1, 0)]
        for _ in range(next(depths)):
            activations.append(np.maximum(activations[-1] @ wm + bm, 0))
        y_pred = activations[-1] @ w2 + b2
        loss = np.square(y_pred - y).sum()

    def backward():
        gradients.clear()  # a step of depth 0 leaves the middle layer and its momentum alone
        grad_y_pred = 2.0 * (y_pred - y)
        gradients["w2"] = activations[-1].T @ grad_y_pred
        gradients["b2"] = grad_y_pred.sum(axis=0)
        grad_h = grad_y_pred @ w2.T
        for below, above in zip(activations[-2::-1], activations[:0:-1], strict=True):
            grad_h[above == 0] = 0
            gradients["wm"] = gradients.get("wm", 0) + below.T @ grad_h
            gradients["bm"] = gradients.get("bm", 0) + grad_h.sum(axis=0)
            grad_h = grad_h @ wm.T
        grad_h[activations[0] == 0] = 0
        gradients["w1"] = x.T @ grad_h
        gradients["b1"] = grad_h.sum(axis=0)

    def update():
        for name, gradient in gradients.items():
            velocity[name] *= momentum
            velocity[name] += gradient
            parameters[name] -= data.learning_rate * velocity[name]

    def state():
        return State(float(loss), {name: value.copy() for name, value in parameters.items()}, dict(gradients))

    def reset():
        nonlocal depths
        depths = cycle(data.depths)
        for name, parameter in parameters.items():
            parameter[...] = data.parameters[name]
            velocity[name][...] = 0

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
