"""Program 4: autograd again, with ReLU as a function of our own that knows its derivative."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_custom_function", framework="torch", workload="mlp_sgd")
def build(problem, data, device):
    """ReLU as an own torch.autograd.Function with a saved tensor."""
    import torch

    class Relu(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            ctx.save_for_backward(values)
            return values.clamp(min=0)

        @staticmethod
        def backward(ctx, grad_output):
            (values,) = ctx.saved_tensors
            return grad_output.masked_fill(values < 0, 0)

    x, y = device.put(data.x), device.put(data.y)
    w1 = device.put(data.parameters["w1"]).requires_grad_()
    w2 = device.put(data.parameters["w2"]).requires_grad_()
    start = w1.detach().clone(), w2.detach().clone()
    learning_rate = data.learning_rate
    loss = None

    def forward():
        nonlocal loss
        y_pred = Relu.apply(x.mm(w1)).mm(w2)
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
