"""A network with dropout: it draws random numbers while it runs, so no two runs agree, and every table says so."""

from bench import Training, training


@training("mlp_dropout", sizes={"batch": 64, "hidden": 256}, unverified="dropout")
def mlp_dropout(size, rng):
    """MLP with dropout, Adam."""
    import torch
    from torch import nn

    return Training(
        model=nn.Sequential(nn.Linear(100, size.hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(size.hidden, 10)),
        inputs=(rng.standard_normal((size.batch, 100)), rng.integers(0, 10, size.batch)),
        loss=lambda model, x, y: nn.functional.cross_entropy(model(x), y),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    )
