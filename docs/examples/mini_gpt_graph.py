"""The small GPT of mini_gpt.py as a CUDA graph: one launch from the host replays a whole step. Load both files."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation

PRECISIONS = ("full", "tf32", "amp-bf16", "bf16")


@implementation(
    "mini_gpt_graph", framework="torch", workload="mini_gpt", fused=True, devices=("cuda",), precisions=PRECISIONS
)
def build(problem, data, device):
    """A small GPT and a capturable AdamW, captured as one torch.cuda.CUDAGraph."""
    import torch
    from mini_gpt_model import GPT

    low = device.precision == "bf16"
    dtype = torch.bfloat16 if low else getattr(torch, problem.dtype)
    model = GPT(problem.width, problem.layers, problem.context).to(device.handle, dtype)
    start = {name: device.put(value).to(dtype) for name, value in data.parameters.items()}
    named = dict(model.named_parameters())
    x, y = (device.put(array) for array in data.inputs.values())
    optimizer = torch.optim.AdamW(named.values(), lr=3e-4, capturable=True)
    cast = torch.autocast(device.handle.type, torch.bfloat16, enabled=device.precision == "amp-bf16")

    def train():
        optimizer.zero_grad()  # to None: backward allocates them anew, while capturing in the graph's own memory
        with cast:
            loss = torch.nn.functional.cross_entropy(model(x).transpose(1, 2), y)
        loss.backward()
        optimizer.step()
        return loss

    # Libraries set themselves up in their first calls, and AdamW makes its moments in the first step: neither may be
    # captured, so warm up, on a stream of its own.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            train()
            for values in optimizer.state.values():  # made as float32: too coarse for a float64 bias correction
                values["step"] = values["step"].to(torch.promote_types(dtype, torch.float32))
    torch.cuda.current_stream().wait_stream(side)

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):  # runs nothing; loss and gradients stay where they are, each replay fills them
        loss = train()

    def host(tensor):
        return tensor.detach().cpu().to(torch.float64 if dtype is torch.float64 else torch.float32).numpy()

    def state():
        return State(
            loss.item(),
            {name: host(parameter) for name, parameter in named.items()},
            {name: host(parameter.grad) for name, parameter in named.items()},
        )

    def reset():
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(start[name])
                for value in optimizer.state[parameter].values():  # in place: the graph keeps their addresses
                    value.zero_()

    reset()
    return Step((Stage(FORWARD + BACKWARD + UPDATE, graph.replay),), state, reset)
