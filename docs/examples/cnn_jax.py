"""The network of cnn.py in JAX: it joins the workload `cnn` and shares its batch, initial parameters and truth."""

from bench import Training, training


@training("cnn_jax", framework="jax", workload="cnn")
def cnn_jax(size, rng):
    """CNN with BatchNorm in JAX, images with the channels last."""
    import jax
    import numpy as np
    import optax

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def normalise(x, layer, running):
        """Normalise by torch's rule: the running variance is unbiased, and each step renews a tenth of it."""
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        count = x.size // x.shape[-1]
        new = {
            "mean": 0.9 * running["mean"] + 0.1 * mean,
            "var": 0.9 * running["var"] + 0.1 * variance * count / (count - 1),
        }
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * layer["scale"] + layer["bias"], new

    def loss(layers, running, x, labels):
        x, first = normalise(convolve(x, layers["conv1"]), layers["norm1"], running["norm1"])
        batch, height, width, channels = x.shape
        x = jax.nn.relu(x).reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
        x, second = normalise(convolve(x, layers["conv2"]), layers["norm2"], running["norm2"])
        logits = jax.nn.relu(x).mean((1, 2)) @ layers["dense"]["kernel"] + layers["dense"]["bias"]
        mean = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return mean, {"norm1": first, "norm2": second}

    def norm(channels):
        return {"scale": np.ones(channels), "bias": np.zeros(channels)}

    def statistics(channels):
        return {"mean": np.zeros(channels), "var": np.ones(channels)}

    few, many = size.width, 2 * size.width
    return Training(
        model={  # their values are those of cnn.py: here only their shapes count
            "conv1": np.zeros((3, 3, 3, few)),
            "norm1": norm(few),
            "conv2": np.zeros((3, 3, few, many)),
            "norm2": norm(many),
            "dense": {"kernel": np.zeros((many, 10)), "bias": np.zeros(10)},
        },
        state={"norm1": statistics(few), "norm2": statistics(many)},
        inputs=(("input0", (0, 2, 3, 1)), "input1"),
        loss=loss,
        optimizer=optax.sgd(0.05, momentum=0.9),
        names={  # the name of each array in cnn.py, with its axes in the order that they have here
            "conv1": ("0.weight", (2, 3, 1, 0)),
            "norm1.scale": "1.weight",
            "norm1.bias": "1.bias",
            "norm1.mean": "1.running_mean",
            "norm1.var": "1.running_var",
            "conv2": ("4.weight", (2, 3, 1, 0)),
            "norm2.scale": "5.weight",
            "norm2.bias": "5.bias",
            "norm2.mean": "5.running_mean",
            "norm2.var": "5.running_var",
            "dense.kernel": ("9.weight", (1, 0)),
            "dense.bias": "9.bias",
        },
    )
