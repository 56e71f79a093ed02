"""The baseline of programs 6 and 8: two linear layers with bias in NumPy, plain gradient descent."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("numpy_bias_sgd", framework="numpy", workload="mlp_bias_sgd")
def build(problem, data, device):
    """NumPy arrays with bias, gradients by hand."""
    import numpy as np

    x, y = device.put(data.x), device.put(data.y)
    parameters = {name: device.put(value) for name, value in data.parameters.items()}
    w1, b1, w2, b2 = (parameters[name] for name in ("w1", "b1", "w2", "b2"))
    gradients = {}
    h = h_relu = y_pred = loss = None

    def forward():
        nonlocal h, h_relu, y_pred, loss
        h = x @ w1 + b1
        h_relu = np.maximum(h, 0)
        y_pred = h_relu @ w2 + b2
        loss = np.square(y_pred - y).sum()

    def backward():
        grad_y_pred = 2.0 * (y_pred - y)
        gradients["w2"] = h_relu.T @ grad_y_pred
        gradients["b2"] = grad_y_pred.sum(axis=0)
        grad_h = grad_y_pred @ w2.T
        grad_h[h < 0] = 0
        gradients["w1"] = x.T @ grad_h
        gradients["b1"] = grad_h.sum(axis=0)

    def update():
        for name, parameter in parameters.items():
            parameter -= data.learning_rate * gradients[name]

    def state():
        return State(float(loss), {name: value.copy() for name, value in parameters.items()}, dict(gradients))

    def reset():
        for name, parameter in parameters.items():
            parameter[...] = data.parameters[name]

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
