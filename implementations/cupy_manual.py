"""Program 1 on a GPU: the NumPy program with CuPy in NumPy's place, its gradients derived by hand."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("cupy_manual", framework="cupy", workload="mlp_sgd", by_default=False)
def build(problem, data, device):
    """CuPy arrays, gradients by hand."""
    import cupy as cp

    x, y = device.put(data.x), device.put(data.y)
    w1, w2 = device.put(data.parameters["w1"]), device.put(data.parameters["w2"])
    start = w1.copy(), w2.copy()
    learning_rate = data.learning_rate
    h = h_relu = y_pred = loss = grad_w1 = grad_w2 = None

    def forward():
        nonlocal h, h_relu, y_pred, loss
        h = x @ w1
        h_relu = cp.maximum(h, 0)
        y_pred = h_relu @ w2
        loss = cp.square(y_pred - y).sum()

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
        parameters = {"w1": cp.asnumpy(w1), "w2": cp.asnumpy(w2)}
        return State(float(loss), parameters, {"w1": cp.asnumpy(grad_w1), "w2": cp.asnumpy(grad_w2)})

    def reset():
        w1[...], w2[...] = start

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
