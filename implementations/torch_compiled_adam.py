"""Program 7 compiled: torch.compile makes one function each of loss, gradients and torch.optim.Adam's step."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_compiled_adam", framework="torch", workload="mlp_bias_adam", compiles=True, by_default=False)
def build(problem, data, device):
    """torch.compile of nn.Sequential with its loss, and of torch.optim.Adam's step."""
    import torch

    x, y = device.put(data.x), device.put(data.y)
    options = {"device": device.handle, "dtype": x.dtype}
    model = torch.nn.Sequential(
        torch.nn.Linear(problem.d_in, problem.hidden, **options),
        torch.nn.ReLU(),
        torch.nn.Linear(problem.hidden, problem.d_out, **options),
    )
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.Adam(model.parameters(), lr=data.learning_rate)
    named = {"w1": model[0].weight, "b1": model[0].bias, "w2": model[2].weight, "b2": model[2].bias}
    start = {name: device.put(value.T) for name, value in data.parameters.items()}  # Linear keeps (outputs, inputs)
    loss = None

    # Adam makes its state in a first step, outside the compiler. Its count of steps is then float32, which is too
    # coarse for a float64 bias correction.
    for parameter in named.values():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for values in optimizer.state.values():
        values["step"] = values["step"].to(x.dtype)

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
                for value in optimizer.state[parameter].values():  # in place: the compiled step holds them
                    value.zero_()

    reset()
    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
