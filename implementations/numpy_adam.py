"""The baseline of program 7: two linear layers with bias in NumPy, trained by Adam (Kingma and Ba, 2015)."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("numpy_adam", framework="numpy", workload="mlp_bias_adam")
def build(problem, data, device):
    """NumPy arrays with bias, gradients and Adam by hand."""
    import numpy as np

    x, y = device.put(data.x), device.put(data.y)
    parameters = {name: device.put(value) for name, value in data.parameters.items()}
    w1, b1, w2, b2 = (parameters[name] for name in ("w1", "b1", "w2", "b2"))
    mean = {name: np.zeros_like(value) for name, value in parameters.items()}
    variance = {name: np.zeros_like(value) for name, value in parameters.items()}
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    gradients = {}
    h = h_relu = y_pred = loss = None
    t = 0

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
        nonlocal t
        t += 1
        step_size = data.learning_rate / (1 - beta1**t)
        correction = (1 - beta2**t) ** 0.5
        for name, parameter in parameters.items():
            gradient, m, v = gradients[name], mean[name], variance[name]
            m += (1 - beta1) * (gradient - m)
            v *= beta2
            v += (1 - beta2) * gradient * gradient
            parameter -= step_size * m / (np.sqrt(v) / correction + epsilon)

    def state():
        return State(float(loss), {name: value.copy() for name, value in parameters.items()}, dict(gradients))

    def reset():
        nonlocal t
        t = 0
        for name, parameter in parameters.items():
            parameter[...] = data.parameters[name]
            mean[name][...] = variance[name][...] = 0

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
