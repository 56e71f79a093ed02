"""Gradients of four micro-batches are added up, then one update: a large batch where memory is small."""

from bench import Training, training


@training("accumulation", sizes={"batch": 64, "hidden": 256}, fused=True)  # forward and backward alternate
def accumulation(size, rng):
    """MLP with micro-batches, SGD."""
    import torch
    from torch import nn

    return Training(
        model=nn.Sequential(nn.Linear(100, size.hidden), nn.Tanh(), nn.Linear(size.hidden, 10)),
        inputs=(rng.standard_normal((size.batch, 100)), rng.integers(0, 10, size.batch)),
        # Each part's loss is divided by their number, so with a mean the step is that of the whole batch.
        loss=lambda model, x, y: nn.functional.cross_entropy(model(x), y),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        micro_batches=4,
    )
