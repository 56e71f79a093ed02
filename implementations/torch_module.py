"""Program 8: the model as a module of our own, updated by torch.optim.SGD."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_module", framework="torch", workload="mlp_bias_sgd")
def build(problem, data, device):
    """An own nn.Module subclass, update by torch.optim.SGD."""
    import torch

    x, y = device.put(data.x), device.put(data.y)
    options = {"device": device.handle, "dtype": x.dtype}

    class TwoLayerNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear1 = torch.nn.Linear(problem.d_in, problem.hidden, **options)
            self.linear2 = torch.nn.Linear(problem.hidden, problem.d_out, **options)

        def forward(self, batch):
            return self.linear2(self.linear1(batch).clamp(min=0))

    model = TwoLayerNet()
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=data.learning_rate)
    named = dict(zip(("w1", "b1", "w2", "b2"), model.parameters(), strict=True))
    start = {name: device.put(value.T) for name, value in data.parameters.items()}  # Linear keeps (outputs, inputs)
    loss = None

    def forward():
        nonlocal loss
        loss = loss_fn(model(x), y)

    def backward():
        optimizer.zero_grad()
        loss.backward()

    def update():
        optimizer.step()

    def state():
        return State(
            loss.item(),
            {name: parameter.detach().cpu().numpy().T.copy() for name, parameter in named.items()},
            {name: parameter.grad.cpu().numpy().T for name, parameter in named.items()},
        )

    def reset():
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(start[name])

    reset()
    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
