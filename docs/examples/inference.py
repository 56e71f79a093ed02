"""Inference: the forward phase alone, without loss, gradients and optimiser."""

from bench import FORWARD, Training, training


@training("inference", sizes={"batch": 16, "width": 32}, phases=FORWARD)
def inference(size, rng):
    """A convolutional network's predictions."""
    from torch import nn

    model = nn.Sequential(
        nn.Conv2d(3, size.width, 3),
        nn.BatchNorm2d(size.width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16 * size.width, 10),
    )
    # The mode is yours: in eval(), BatchNorm uses its running statistics and dropout does nothing.
    return Training(model=model.eval(), inputs=(rng.standard_normal((size.batch, 3, 32, 32)),))
