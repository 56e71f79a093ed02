"""Program 3 once more, recorded as a CUDA graph: one launch from the host replays every kernel of the step."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("torch_cuda_graph", framework="torch", workload="mlp_sgd", fused=True, devices=("cuda",))
def build(problem, data, device):
    """The whole autograd step captured as one torch.cuda.CUDAGraph."""
    import torch

    x, y = device.put(data.x), device.put(data.y)
    w1 = device.put(data.parameters["w1"]).requires_grad_()
    w2 = device.put(data.parameters["w2"]).requires_grad_()
    start = w1.detach().clone(), w2.detach().clone()
    learning_rate = data.learning_rate

    def train():
        nonlocal w1, w2
        y_pred = x.mm(w1).clamp(min=0).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        w1.grad = w2.grad = None  # backward then allocates them anew: while capturing, in the graph's own memory
        loss.backward()
        with torch.no_grad():
            w1 -= learning_rate * w1.grad
            w2 -= learning_rate * w2.grad
        return loss

    # Libraries set themselves up in their first calls, which must not be captured: warm up, on a stream of its own.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            train()
    torch.cuda.current_stream().wait_stream(side)

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):  # runs nothing; loss and gradients stay where they are, each replay fills them
        loss = train()

    def state():
        return State(
            loss.item(),
            {"w1": w1.detach().cpu().numpy(), "w2": w2.detach().cpu().numpy()},
            {"w1": w1.grad.cpu().numpy(), "w2": w2.grad.cpu().numpy()},
        )

    def reset():
        with torch.no_grad():
            w1.copy_(start[0])
            w2.copy_(start[1])

    reset()
    return Step((Stage(FORWARD + BACKWARD + UPDATE, graph.replay),), state, reset)
