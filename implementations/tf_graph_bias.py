"""Two linear layers with bias as a TensorFlow graph that is built once, trained by plain gradient descent."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation
from bench.backends.tf_trace import traced_operations


@implementation("tf_graph_bias", framework="tensorflow", workload="mlp_bias_sgd", fused=True, by_default=False)
def build(problem, data, device):
    """A graph with biases, executed in a tf.compat.v1 Session."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    arrays = {"x": data.x, "y": data.y, **data.parameters}

    graph = tf.Graph()
    with graph.as_default():
        # As in tf_static_graph, the batch is fed once and gradients stay in variables.
        fed = {name: tf1.placeholder(array.dtype, array.shape, name) for name, array in arrays.items()}
        held = {name: tf1.Variable(placeholder, use_resource=True) for name, placeholder in fed.items()}
        x, y = held.pop("x"), held.pop("y")
        last_loss = tf1.Variable(tf.zeros((), x.dtype), use_resource=True)
        last = {name: tf1.Variable(tf.zeros(w.shape, w.dtype), use_resource=True) for name, w in held.items()}
        with tf.name_scope("forward"):
            h_relu = tf.nn.relu(tf.matmul(x, held["w1"]) + held["b1"])
            y_pred = tf.matmul(h_relu, held["w2"]) + held["b2"]
            loss = tf.reduce_sum(tf.square(y_pred - y))
            keep = [last_loss.assign(loss, read_value=False)]
        with tf.name_scope("backward"):
            gradients = dict(zip(held, tf1.gradients(loss, list(held.values())), strict=True))
            keep += [last[name].assign(gradient, read_value=False) for name, gradient in gradients.items()]
        with tf.name_scope("update"), tf.control_dependencies(list(gradients.values())):
            moves = [held[n].assign_sub(data.learning_rate * g, read_value=False) for n, g in gradients.items()]
        train = tf.group(*keep, *moves)
        start = tf1.global_variables_initializer()

    session = tf1.Session(graph=graph)

    def run():
        session.run(train)

    def state():
        return State(*session.run([last_loss, held, last]))

    def reset():
        session.run(start, {fed[name]: array for name, array in arrays.items()})

    reset()
    stage = Stage(FORWARD + BACKWARD + UPDATE, run)
    return Step((stage,), state, reset, trace=lambda: traced_operations(session, train))
