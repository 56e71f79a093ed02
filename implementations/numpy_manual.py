"""Program 1: a two-layer network in NumPy, its gradients derived by hand."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("numpy_manual", framework="numpy", workload="mlp_sgd")
def build(problem, data, device):
    """NumPy arrays, gradients by hand."""
    import numpy as np

    x, y = device.put(data.x), device.put(data.y)
    w1, w2 = device.put(data.parameters["w1"]), device.put(data.parameters["w2"])
    learning_rate = data.learning_rate
    h = h_relu = y_pred = loss = grad_w1 = grad_w2 = None

    def forward():
        nonlocal h, h_relu, y_pred, loss
        h = x @ w1
        h_relu = np.maximum(h, 0)
        y_pred = h_relu @ w2
        loss = np.square(y_pred - y).sum()

    def backward():
        nonlocal grad_w1, grad_w2
        grad_y_pred = 2.0 * (y_pred - y)
        grad_w2 = h_relu.T @ grad_y_pred
        grad_h = grad_y_pred @ w2.T
        grad_h[h < 0] = 0
        grad_w1 = x.T @ grad_h

    def update():
        nonlocal w1, w2
        w1 -= learning_rate * grad_w1
        w2 -= learning_rate * grad_w2

    def state():
        return State(float(loss), {"w1": w1.copy(), "w2": w2.copy()}, {"w1": grad_w1, "w2": grad_w2})

    def reset():
        w1[...], w2[...] = data.parameters["w1"], data.parameters["w2"]

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
