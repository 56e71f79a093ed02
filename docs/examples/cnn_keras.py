"""The network of cnn.py in Keras, on each library that Keras computes with: it joins the workload `cnn`."""

from bench import Training, training


@training("cnn_keras", framework="keras", workload="cnn")
def cnn_keras(size, rng):
    """CNN with BatchNorm in Keras, images with the channels last."""
    import keras
    from keras import layers, ops

    class BatchNorm(layers.Layer):
        """BatchNorm by torch's rule; Keras's own keeps a running variance that is biased."""

        def build(self, shape):
            self.scale = self.add_weight(shape=shape[-1:], initializer="ones", name="scale")
            self.bias = self.add_weight(shape=shape[-1:], initializer="zeros", name="bias")
            self.mean = self.add_weight(shape=shape[-1:], initializer="zeros", trainable=False, name="mean")
            self.var = self.add_weight(shape=shape[-1:], initializer="ones", trainable=False, name="var")

        def call(self, x):
            mean, variance = ops.moments(x, (0, 1, 2))
            count = x.shape[0] * x.shape[1] * x.shape[2]
            self.mean.assign(0.9 * self.mean + 0.1 * mean)
            self.var.assign(0.9 * self.var + 0.1 * variance * count / (count - 1))
            return (x - mean) * ops.rsqrt(variance + 1e-5) * self.scale + self.bias

    def convolution(channels, name):
        return layers.Conv2D(channels, 3, padding="same", use_bias=False, data_format="channels_last", name=name)

    model = keras.Sequential(
        [
            keras.Input((32, 32, 3), batch_size=size.batch),
            convolution(size.width, "conv1"),
            BatchNorm(name="norm1"),
            layers.ReLU(),
            layers.MaxPooling2D(2, data_format="channels_last"),
            convolution(2 * size.width, "conv2"),
            BatchNorm(name="norm2"),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(data_format="channels_last"),
            layers.Dense(10, name="dense"),
        ]
    )

    def loss(model, x, labels):
        losses = keras.losses.sparse_categorical_crossentropy(labels, model(x, training=True), from_logits=True)
        return ops.mean(losses)

    return Training(
        model=model,  # initial values are those of cnn.py
        inputs=(("input0", (0, 2, 3, 1)), "input1"),
        loss=loss,
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9),
        names={  # the name of each array in cnn.py, with its axes in the order that they have here
            "conv1/kernel": ("0.weight", (2, 3, 1, 0)),
            "norm1/scale": "1.weight",
            "norm1/bias": "1.bias",
            "norm1/mean": "1.running_mean",
            "norm1/var": "1.running_var",
            "conv2/kernel": ("4.weight", (2, 3, 1, 0)),
            "norm2/scale": "5.weight",
            "norm2/bias": "5.bias",
            "norm2/mean": "5.running_mean",
            "norm2/var": "5.running_var",
            "dense/kernel": ("9.weight", (1, 0)),
            "dense/bias": "9.bias",
        },
    )
