"""Program 2: the same network with torch tensors; gradients are still derived by hand."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_tensor", framework="torch", workload="mlp_sgd")
def build(problem, data, device):
    """torch tensors, gradients by hand, nothing recorded for autograd."""
    x, y = device.put(data.x), device.put(data.y)
    w1, w2 = device.put(data.parameters["w1"]), device.put(data.parameters["w2"])
    start = w1.clone(), w2.clone()
    learning_rate = data.learning_rate
    h = h_relu = y_pred = loss = grad_w1 = grad_w2 = None

    def forward():
        nonlocal h, h_relu, y_pred, loss
        h = x.mm(w1)
        h_relu = h.clamp(min=0)
        y_pred = h_relu.mm(w2)
        loss = (y_pred - y).pow(2).sum()

    def backward():
        nonlocal grad_w1, grad_w2
        grad_y_pred = 2.0 * (y_pred - y)
        grad_w2 = h_relu.t().mm(grad_y_pred)
        grad_h = grad_y_pred.mm(w2.t())
        grad_h.masked_fill_(h < 0, 0)
        grad_w1 = x.t().mm(grad_h)

    def update():
        nonlocal w1, w2
        w1 -= learning_rate * grad_w1
        w2 -= learning_rate * grad_w2

    def state():
        return State(
            loss.item(),
            {"w1": w1.cpu().numpy().copy(), "w2": w2.cpu().numpy().copy()},
            {"w1": grad_w1.cpu().numpy(), "w2": grad_w2.cpu().numpy()},
        )

    def reset():
        w1.copy_(start[0])
        w2.copy_(start[1])

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
