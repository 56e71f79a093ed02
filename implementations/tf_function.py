"""The network as a tf.function: Python that TensorFlow traces into a graph at the first call."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("tf_function", framework="tensorflow", workload="mlp_sgd", fused=True, compiles=True, by_default=False)
def build(problem, data, device):
    """One tf.function with a GradientTape and variables."""
    import tensorflow as tf

    x, y = tf.constant(data.x), tf.constant(data.y)
    w1, w2 = tf.Variable(data.parameters["w1"]), tf.Variable(data.parameters["w2"])
    loss = gradients = None

    @tf.function
    def train(x, y):
        with tf.GradientTape() as tape:
            y_pred = tf.matmul(tf.maximum(tf.matmul(x, w1), 0), w2)
            loss = tf.reduce_sum(tf.square(y_pred - y))
        grad_w1, grad_w2 = tape.gradient(loss, [w1, w2])
        w1.assign_sub(data.learning_rate * grad_w1)
        w2.assign_sub(data.learning_rate * grad_w2)
        return loss, {"w1": grad_w1, "w2": grad_w2}

    def run():
        nonlocal loss, gradients
        loss, gradients = train(x, y)

    def state():
        parameters = {"w1": w1.numpy().copy(), "w2": w2.numpy().copy()}
        return State(float(loss), parameters, {name: value.numpy() for name, value in gradients.items()})

    def reset():
        w1.assign(data.parameters["w1"])
        w2.assign(data.parameters["w2"])

    return Step((Stage(FORWARD + BACKWARD + UPDATE, run),), state, reset)
