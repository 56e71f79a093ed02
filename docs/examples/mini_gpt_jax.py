"""The small GPT of mini_gpt.py in JAX: it joins the workload `mini_gpt` and shares its batch and truth."""

from bench import Training, training


@training("mini_gpt_jax", framework="jax", workload="mini_gpt")
def mini_gpt_jax(size, rng):
    """A small GPT in JAX, AdamW."""
    import jax
    import numpy as np
    import optax

    characters, heads, width = 65, 4, size.width

    def dense(x, layer):
        return x @ layer["kernel"] + layer["bias"]

    def norm(x, layer):
        return jax.nn.standardize(x, epsilon=1e-5) * layer["scale"] + layer["bias"]

    def block(x, layers):
        batch, context, _ = x.shape
        split = dense(norm(x, layers["norm1"]), layers["qkv"]).reshape(batch, context, 3, heads, width // heads)
        q, k, v = split[:, :, 0], split[:, :, 1], split[:, :, 2]
        y = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape)
        x = x + dense(y, layers["out"])
        return x + dense(jax.nn.gelu(dense(norm(x, layers["norm2"]), layers["up"]), approximate=False), layers["down"])

    def loss(layers, tokens, following):
        x = layers["tokens"][tokens] + layers["positions"]
        for each in layers["blocks"]:
            x = block(x, each)
        logits = norm(x, layers["norm"]) @ layers["tokens"].T  # the head shares its weights with the embedding
        return optax.softmax_cross_entropy_with_integer_labels(logits, following).mean()

    def one_norm():
        return {"scale": np.ones(width), "bias": np.zeros(width)}

    def one_dense(inputs, outputs):
        return {"kernel": np.zeros((inputs, outputs)), "bias": np.zeros(outputs)}

    def one_block():
        return {
            "norm1": one_norm(),
            "norm2": one_norm(),
            "qkv": one_dense(width, 3 * width),
            "out": one_dense(width, width),
            "up": one_dense(width, 4 * width),
            "down": one_dense(4 * width, width),
        }

    # The name of each array in mini_gpt_model.py; torch's linear layers hold their kernels transposed.
    names = {"tokens": "tokens.weight", "positions": "positions.weight", "norm.scale": "norm.weight"}
    for number in range(size.layers):
        ours = theirs = f"blocks.{number}"
        for layer, there in (("qkv", "qkv"), ("out", "out"), ("up", "mlp.0"), ("down", "mlp.2")):
            names[f"{ours}.{layer}.kernel"] = (f"{theirs}.{there}.weight", (1, 0))
            names[f"{ours}.{layer}.bias"] = f"{theirs}.{there}.bias"
        for layer in ("norm1", "norm2"):
            names[f"{ours}.{layer}.scale"] = f"{theirs}.{layer}.weight"
    return Training(
        model={  # their values are those of mini_gpt.py: here only their shapes count
            "tokens": np.zeros((characters, width)),
            "positions": np.zeros((size.context, width)),
            "blocks": [one_block() for _ in range(size.layers)],
            "norm": one_norm(),
        },
        loss=loss,
        optimizer=optax.adamw(3e-4, weight_decay=1e-2),
        names=names,
    )
