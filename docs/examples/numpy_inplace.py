"""A worked example: the plain workload in NumPy again, writing into arrays that were made once."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("numpy_inplace", framework="numpy", workload="mlp_sgd")
def build(problem, data, device):
    """NumPy arrays, every result written into a buffer made beforehand."""
    import numpy as np

    x, y = device.put(data.x), device.put(data.y)
    w1, w2 = device.put(data.parameters["w1"]), device.put(data.parameters["w2"])
    h, grad_h = np.empty((2, problem.batch, problem.hidden), x.dtype)
    error = np.empty_like(y)
    grad_w1, grad_w2 = np.empty_like(w1), np.empty_like(w2)
    loss = None

    def forward():
        nonlocal loss
        np.matmul(x, w1, out=h)
        np.maximum(h, 0, out=h)
        np.matmul(h, w2, out=error)
        np.subtract(error, y, out=error)
        loss = np.vdot(error, error)

    def backward():
        np.multiply(error, 2, out=error)
        np.matmul(h.T, error, out=grad_w2)
        np.matmul(error, w2.T, out=grad_h)
        np.multiply(grad_h, h > 0, out=grad_h)
        np.matmul(x.T, grad_h, out=grad_w1)

    def update():
        np.subtract(w1, data.learning_rate * grad_w1, out=w1)
        np.subtract(w2, data.learning_rate * grad_w2, out=w2)

    def state():
        parameters = {"w1": w1.copy(), "w2": w2.copy()}
        gradients = {"w1": grad_w1.copy(), "w2": grad_w2.copy()}
        return State(float(loss), parameters, gradients)

    def reset():
        w1[...], w2[...] = data.parameters["w1"], data.parameters["w2"]

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
