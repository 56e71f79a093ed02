"""Program 8 compiled: torch.compile makes one function each of loss, gradients and torch.optim.SGD's step."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_compiled_bias", framework="torch", workload="mlp_bias_sgd", compiles=True, by_default=False)
def build(problem, data, device):
    """torch.compile of nn.Sequential with its loss, and of torch.optim.SGD's step."""
    import torch

    x, y = device.put(data.x), device.put(data.y)
    options = {"device": device.handle, "dtype": x.dtype}
    model = torch.nn.Sequential(
        torch.nn.Linear(problem.d_in, problem.hidden, **options),
        torch.nn.ReLU(),
        torch.nn.Linear(problem.hidden, problem.d_out, **options),
    )
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=data.learning_rate)
    named = {"w1": model[0].weight, "b1": model[0].bias, "w2": model[2].weight, "b2": model[2].bias}
    start = {name: device.put(value.T) for name, value in data.parameters.items()}  # Linear keeps (outputs, inputs)
    loss = None

    compute = torch.compile(lambda x, y: loss_fn(model(x), y))
    descend = torch.compile(optimizer.step)

    def forward():
        nonlocal loss
        loss = compute(x, y)

    def backward():
        optimizer.zero_grad()
        loss.backward()

    def update():
        descend()

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
