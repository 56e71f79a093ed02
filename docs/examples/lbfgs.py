"""LBFGS evaluates loss and gradients several times a step, so its phases are fused and evaluations are counted."""

from bench import Training, training


@training("lbfgs", sizes={"batch": 128, "features": 50}, fused=True)
def lbfgs(size, rng):
    """Logistic regression, LBFGS."""
    import torch
    from torch import nn

    return Training(
        model=nn.Linear(size.features, 10),
        inputs=(rng.standard_normal((size.batch, size.features)), rng.integers(0, 10, size.batch)),
        loss=lambda model, x, y: nn.functional.cross_entropy(model(x), y),
        optimizer=lambda parameters: torch.optim.LBFGS(parameters, lr=0.5, max_iter=4),
    )
