"""Program 7 once more, recorded as a CUDA graph: one launch from the host replays the model, its gradients and Adam."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_cuda_graph_adam", framework="torch", workload="mlp_bias_adam", fused=True, devices=("cuda",))
def build(problem, data, device):
    """nn.Sequential and a capturable torch.optim.Adam, captured as one torch.cuda.CUDAGraph."""
    import torch

    x, y = device.put(data.x), device.put(data.y)
    options = {"device": device.handle, "dtype": x.dtype}
    model = torch.nn.Sequential(
        torch.nn.Linear(problem.d_in, problem.hidden, **options),
        torch.nn.ReLU(),
        torch.nn.Linear(problem.hidden, problem.d_out, **options),
    )
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.Adam(model.parameters(), lr=data.learning_rate, capturable=True)
    named = {"w1": model[0].weight, "b1": model[0].bias, "w2": model[2].weight, "b2": model[2].bias}
    start = {name: device.put(value.T) for name, value in data.parameters.items()}  # Linear keeps (outputs, inputs)

    def train():
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()  # to None: backward allocates them anew, while capturing in the graph's own memory
        loss.backward()
        optimizer.step()
        return loss

    # Libraries set themselves up in their first calls, and Adam makes its moments in the first step: neither may be
    # captured, so warm up, on a stream of its own.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            train()
            for values in optimizer.state.values():  # made as float32: too coarse for a float64 bias correction
                values["step"] = values["step"].to(x.dtype)
    torch.cuda.current_stream().wait_stream(side)

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):  # runs nothing; loss and gradients stay where they are, each replay fills them
        loss = train()

    def state():
        return State(
            loss.item(),
            {name: parameter.detach().cpu().numpy().T for name, parameter in named.items()},
            {name: parameter.grad.cpu().numpy().T for name, parameter in named.items()},
        )

    def reset():
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(start[name])
                for value in optimizer.state[parameter].values():  # in place: the graph keeps their addresses
                    value.zero_()

    reset()
    return Step((Stage(FORWARD + BACKWARD + UPDATE, graph.replay),), state, reset)
