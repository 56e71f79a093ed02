"""A convolutional network with BatchNorm and cross-entropy, on random images of CIFAR's shape."""

from bench import Training, training


@training("cnn", sizes={"batch": 32, "width": 16})
def cnn(size, rng):
    """CNN with BatchNorm, SGD with momentum."""
    import torch  # here, so that `bench list` does not wait for it
    from torch import nn

    model = nn.Sequential(
        nn.Conv2d(3, size.width, 3, padding=1, bias=False),
        nn.BatchNorm2d(size.width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(size.width, 2 * size.width, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * size.width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * size.width, 10),
    )
    images = rng.standard_normal((size.batch, 3, 32, 32))  # NumPy arrays or tensors, of any dtype
    labels = rng.integers(0, 10, size.batch)
    return Training(
        model=model,
        inputs=(images, labels),
        loss=lambda model, x, y: nn.functional.cross_entropy(model(x), y),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    )
