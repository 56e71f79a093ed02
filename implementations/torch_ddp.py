"""Program 6 over several devices: DistributedDataParallel adds the gradients of all parts of the batch up."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_ddp", framework="torch", workload="mlp_bias_sgd", spreads="torch_nn")
def build(problem, data, device):
    """torch_nn in one process a device, each with its part of the batch; gloo on CPUs, NCCL on GPUs."""
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    if not dist.is_initialized():  # the environment is torchrun's
        dist.init_process_group("nccl" if device.kind == "cuda" else "gloo")
    x, y = device.put(data.x), device.put(data.y)  # this process's part
    options = {"device": device.handle, "dtype": x.dtype}
    model = torch.nn.Sequential(
        torch.nn.Linear(problem.d_in, problem.hidden, **options),
        torch.nn.ReLU(),
        torch.nn.Linear(problem.hidden, problem.d_out, **options),
    )
    parallel = DistributedDataParallel(model)
    loss_fn = torch.nn.MSELoss(reduction="sum")
    named = {"w1": model[0].weight, "b1": model[0].bias, "w2": model[2].weight, "b2": model[2].bias}
    start = {name: device.put(value.T) for name, value in data.parameters.items()}  # Linear keeps (outputs, inputs)
    learning_rate = data.learning_rate
    loss = None

    def forward():
        nonlocal loss
        loss = loss_fn(parallel(x), y)

    def backward():
        model.zero_grad()
        (dist.get_world_size() * loss).backward()  # averaged over the processes, it is the sum again

    def update():
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= learning_rate * parameter.grad

    def state():
        total = loss.detach().clone()
        dist.all_reduce(total)
        return State(
            total.item(),
            {name: parameter.detach().cpu().numpy().T.copy() for name, parameter in named.items()},
            {name: parameter.grad.cpu().numpy().T for name, parameter in named.items()},
        )

    def reset():
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(start[name])

    def feed(inputs):
        x.copy_(torch.tensor(inputs["x"]))
        y.copy_(torch.tensor(inputs["y"]))

    reset()
    stages = Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)
    return Step(stages, state, reset, feed=feed)
