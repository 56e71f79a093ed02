"""A workload of one's own at the low level: data, a float64 reference in NumPy, and two implementations of a step."""

from bench import BACKWARD, FORWARD, UPDATE, Cost, Data, Stage, State, Step, implementation, workload


def softmax_step(x, labels, w):
    """Compute the mean cross-entropy of the logits x @ w, and its gradient with respect to w."""
    import numpy as np

    logits = x @ w
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    loss = -np.log(p[rows, labels]).mean()
    p[rows, labels] -= 1
    return loss, x.T @ p / len(x)


@workload("softmax", sizes={"batch": 64, "features": 500, "classes": 10}, baseline="softmax.numpy")
class Softmax:
    """Softmax regression, plain gradient descent."""

    def data(self, size, rng):
        """Draw what every implementation starts from; it is rounded to the number format that is asked for."""
        inputs = {
            "x": rng.standard_normal((size.batch, size.features)),
            "labels": rng.integers(0, size.classes, size.batch),
        }
        return Data(inputs, {"w": 0.1 * rng.standard_normal((size.features, size.classes))}, {"learning_rate": 0.1})

    def reference(self, size, data, steps):
        """Give the truth after each of the first steps: everything that is given here is float64."""
        w, states = data.parameters["w"].copy(), []
        for _ in range(steps):
            loss, gradient = softmax_step(data.x, data.labels, w)
            w = w - data.learning_rate * gradient
            states.append(State(float(loss), {"w": w}, {"w": gradient}))
        return states

    def cost(self, size, phase):
        """Count what there is to compute at the least; it gives rates, and shows what cannot be."""
        product = 2 * size.batch * size.features * size.classes
        return Cost(flops={"forward": product, "backward": product, "update": 0}.get(phase, 2 * product))


@implementation("softmax.numpy", framework="numpy", workload="softmax", fused=True)
def in_numpy(problem, data, device):
    """Forward and backward in one function, so they are timed as one."""
    x, labels, w = device.put(data.x), device.put(data.labels), device.put(data.parameters["w"])
    loss = gradient = None

    def passes():
        nonlocal loss, gradient
        loss, gradient = softmax_step(x, labels, w)

    def update():
        w[...] -= data.learning_rate * gradient

    def state():
        return State(float(loss), {"w": w.copy()}, {"w": gradient.copy()})

    def reset():
        w[...] = data.parameters["w"]

    return Step((Stage(FORWARD + BACKWARD, passes), Stage(UPDATE, update)), state, reset)


@implementation("softmax.torch", framework="torch", workload="softmax")
def in_torch(problem, data, device):
    """Autograd, on any device that torch knows."""
    import torch

    x, labels = device.put(data.x), device.put(data.labels)
    w = device.put(data.parameters["w"]).requires_grad_()
    start, loss = w.detach().clone(), None

    def forward():
        nonlocal loss
        loss = torch.nn.functional.cross_entropy(x @ w, labels)

    def backward():
        w.grad = None
        loss.backward()

    def update():
        with torch.no_grad():
            w.sub_(data.learning_rate * w.grad)

    def state():
        return State(loss.item(), {"w": w.detach().cpu().numpy().copy()}, {"w": w.grad.cpu().numpy().copy()})

    def reset():
        with torch.no_grad():
            w.copy_(start)

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
