"""Program 3: the forward phase only; autograd derives the gradients."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_autograd", framework="torch", workload="mlp_sgd")
def build(problem, data, device):
    """Leaves with requires_grad, loss.backward(), update under no_grad."""
    import torch

    x, y = device.put(data.x), device.put(data.y)
    w1 = device.put(data.parameters["w1"]).requires_grad_()
    w2 = device.put(data.parameters["w2"]).requires_grad_()
    start = w1.detach().clone(), w2.detach().clone()
    learning_rate = data.learning_rate
    loss = None

    def forward():
        nonlocal loss
        y_pred = x.mm(w1).clamp(min=0).mm(w2)
        loss = (y_pred - y).pow(2).sum()

    def backward():
        w1.grad = w2.grad = None
        loss.backward()

    def update():
        nonlocal w1, w2
        with torch.no_grad():
            w1 -= learning_rate * w1.grad
            w2 -= learning_rate * w2.grad

    def state():
        return State(
            loss.item(),
            {"w1": w1.detach().cpu().numpy().copy(), "w2": w2.detach().cpu().numpy().copy()},
            {"w1": w1.grad.cpu().numpy(), "w2": w2.grad.cpu().numpy()},
        )

    def reset():
        with torch.no_grad():
            w1.copy_(start[0])
            w2.copy_(start[1])

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
