"""The small GPT of mini_gpt.py in Keras, on each library that Keras computes with: it joins `mini_gpt`."""

from bench import Training, training


@training("mini_gpt_keras", framework="keras", workload="mini_gpt")
def mini_gpt_keras(size, rng):
    """A small GPT in Keras, AdamW."""
    import keras
    import numpy as np
    from keras import layers, ops

    characters, heads, width = 65, 4, size.width

    class Block(layers.Layer):
        """Causal self-attention and a feed-forward layer, each behind a layer norm and added to its input."""

        def __init__(self, name):
            super().__init__(name=name)
            self.norm1 = layers.LayerNormalization(epsilon=1e-5, name="norm1")
            self.norm2 = layers.LayerNormalization(epsilon=1e-5, name="norm2")
            self.qkv, self.out = layers.Dense(3 * width, name="qkv"), layers.Dense(width, name="out")
            self.up, self.down = layers.Dense(4 * width, name="up"), layers.Dense(width, name="down")

        def call(self, x):
            split = ops.reshape(self.qkv(self.norm1(x)), (*x.shape[:2], 3, heads, width // heads))
            y = ops.dot_product_attention(split[:, :, 0], split[:, :, 1], split[:, :, 2], is_causal=True)
            x = x + self.out(ops.reshape(y, x.shape))
            return x + self.down(ops.gelu(self.up(self.norm2(x)), approximate=False))

    class GPT(keras.Model):
        """Token and position embeddings, blocks, and a head that shares its weights with the embedding."""

        def __init__(self):
            super().__init__(name="gpt")
            self.tokens = layers.ReversibleEmbedding(characters, width, name="tokens")
            self.positions = layers.Embedding(size.context, width, name="positions")
            self.blocks = [Block(f"block{number}") for number in range(size.layers)]
            self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")

        def call(self, tokens):
            x = self.tokens(tokens) + self.positions(ops.arange(size.context))
            for block in self.blocks:
                x = block(x)
            return self.tokens(self.norm(x), reverse=True)

    class AdamW(keras.optimizers.AdamW):
        """AdamW by torch's rule: epsilon is added to a root that has been corrected for its bias."""

        def update_step(self, gradient, variable, learning_rate):
            step = ops.cast(self.iterations + 1, variable.dtype)
            self.epsilon = 1e-8 * ops.sqrt(1 - ops.power(ops.cast(self.beta_2, variable.dtype), step))
            super().update_step(gradient, variable, learning_rate)

    def loss(model, tokens, following):
        logits = model(tokens)
        return ops.mean(keras.losses.sparse_categorical_crossentropy(following, logits, from_logits=True))

    # The name of each array in mini_gpt_model.py; torch's linear layers hold their kernels transposed.
    names = {
        "tokens/embeddings": "tokens.weight",
        "positions/embeddings": "positions.weight",
        "norm/gamma": "norm.weight",
        "norm/beta": "norm.bias",
    }
    for number in range(size.layers):
        ours, theirs = f"block{number}", f"blocks.{number}"
        for layer, there in (("qkv", "qkv"), ("out", "out"), ("up", "mlp.0"), ("down", "mlp.2")):
            names[f"{ours}/{layer}/kernel"] = (f"{theirs}.{there}.weight", (1, 0))
            names[f"{ours}/{layer}/bias"] = f"{theirs}.{there}.bias"
        for layer in ("norm1", "norm2"):
            names[f"{ours}/{layer}/gamma"] = f"{theirs}.{layer}.weight"
            names[f"{ours}/{layer}/beta"] = f"{theirs}.{layer}.bias"

    model = GPT()
    model(np.zeros((size.batch, size.context), "int32"))  # makes the parameters, whose values mini_gpt.py decides
    return Training(model=model, loss=loss, optimizer=AdamW(3e-4, weight_decay=1e-2), names=names)
