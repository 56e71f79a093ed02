"""Program 3 compiled: torch.compile makes one function each of loss, gradients and update."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_compiled", framework="torch", workload="mlp_sgd", compiles=True, by_default=False)
def build(problem, data, device):
    """torch.compile of the loss, whose compiled gradients loss.backward() runs, and of the update."""
    import torch

    x, y = device.put(data.x), device.put(data.y)
    w1 = device.put(data.parameters["w1"]).requires_grad_()
    w2 = device.put(data.parameters["w2"]).requires_grad_()
    start = w1.detach().clone(), w2.detach().clone()
    loss = None

    # Two functions and not one, so that phases can be timed apart. The compiler derives the gradients while it compiles
    # the loss, and keeps for them what is cheaper to keep than to compute again.
    @torch.compile
    def compute(x, y, w1, w2):
        return (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()

    @torch.compile
    def descend(w1, w2, grad_w1, grad_w2):
        w1 -= data.learning_rate * grad_w1
        w2 -= data.learning_rate * grad_w2

    def forward():
        nonlocal loss
        loss = compute(x, y, w1, w2)

    def backward():
        w1.grad = w2.grad = None
        loss.backward()

    def update():
        with torch.no_grad():
            descend(w1, w2, w1.grad, w2.grad)

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
