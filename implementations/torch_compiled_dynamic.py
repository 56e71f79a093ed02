"""Program 9 compiled: torch.compile unrolls the loop over the shared layer, once for each depth that it meets."""

from itertools import cycle

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_compiled_dynamic", framework="torch", workload="mlp_dynamic", compiles=True, by_default=False)
def build(problem, data, device):
    """torch.compile of a module with control flow and its loss, and of torch.optim.SGD's step with momentum."""
    import torch

    x, y = device.put(data.x), device.put(data.y)
    options = {"device": device.handle, "dtype": x.dtype}

    class DynamicNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.input = torch.nn.Linear(problem.d_in, problem.hidden, **options)
            self.middle = torch.nn.Linear(problem.hidden, problem.hidden, **options)
            self.output = torch.nn.Linear(problem.hidden, problem.d_out, **options)

        def forward(self, batch, depth):
            h_relu = self.input(batch).clamp(min=0)
            for _ in range(depth):
                h_relu = self.middle(h_relu).clamp(min=0)
            return self.output(h_relu)

    model = DynamicNet()
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=data.learning_rate, momentum=0.9)
    named = dict(zip(("w1", "b1", "wm", "bm", "w2", "b2"), model.parameters(), strict=True))
    start = {name: device.put(value.T) for name, value in data.parameters.items()}  # Linear keeps (outputs, inputs)
    for parameter in named.values():
        # Zeros from the start are the same as none, and spare the compiler a first step of its own. They are always the
        # same tensors: for others it would compile anew.
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    depths = cycle(data.depths)
    loss = None

    compute = torch.compile(lambda x, y, depth: loss_fn(model(x, depth), y))
    descend = torch.compile(optimizer.step)  # twice: with gradients of the middle layer, and without

    def forward():
        nonlocal loss
        loss = compute(x, y, next(depths))

    def backward():
        optimizer.zero_grad()  # to None: a step of depth 0 then leaves the middle layer and its momentum alone
        loss.backward()

    def update():
        descend()

    def state():
        return State(
            loss.item(),
            {name: parameter.detach().cpu().numpy().T.copy() for name, parameter in named.items()},
            {name: parameter.grad.cpu().numpy().T for name, parameter in named.items() if parameter.grad is not None},
        )

    def reset():
        nonlocal depths
        depths = cycle(data.depths)
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(start[name])
                optimizer.state[parameter]["momentum_buffer"].zero_()

    reset()
    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
