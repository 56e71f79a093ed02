"""Program 7 as a TensorFlow graph that is built once: two linear layers with bias, trained by Adam."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation
from bench.backends.tf_trace import traced_operations


@implementation("tf_graph_adam", framework="tensorflow", workload="mlp_bias_adam", fused=True, by_default=False)
def build(problem, data, device):
    """A graph with TensorFlow's own Adam kernel, executed in a tf.compat.v1 Session."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    arrays = {"x": data.x, "y": data.y, **data.parameters}
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    graph = tf.Graph()
    with graph.as_default():
        # As in tf_static_graph, the batch is fed once and gradients stay in variables.
        fed = {name: tf1.placeholder(array.dtype, array.shape, name) for name, array in arrays.items()}
        held = {name: tf1.Variable(placeholder, use_resource=True) for name, placeholder in fed.items()}
        x, y = held.pop("x"), held.pop("y")
        last_loss = tf1.Variable(tf.zeros((), x.dtype), use_resource=True)
        last, mean, variance = (
            {name: tf1.Variable(tf.zeros(w.shape, w.dtype), use_resource=True) for name, w in held.items()}
            for _ in range(3)
        )
        power1, power2 = (tf1.Variable(tf.constant(beta, x.dtype), use_resource=True) for beta in (beta1, beta2))
        with tf.name_scope("forward"):
            h_relu = tf.nn.relu(tf.matmul(x, held["w1"]) + held["b1"])
            y_pred = tf.matmul(h_relu, held["w2"]) + held["b2"]
            loss = tf.reduce_sum(tf.square(y_pred - y))
            keep = [last_loss.assign(loss, read_value=False)]
        with tf.name_scope("backward"):
            gradients = dict(zip(held, tf1.gradients(loss, list(held.values())), strict=True))
            keep += [last[name].assign(gradient, read_value=False) for name, gradient in gradients.items()]
        with tf.name_scope("update"), tf.control_dependencies(list(gradients.values())):
            # The kernel under tf.compat.v1.train.AdamOptimizer. That adds epsilon before the correction of the
            # variance, where the paper and torch add it after: hence the factor.
            now1, now2 = power1.read_value(), power2.read_value()
            moves = [
                tf.raw_ops.ResourceApplyAdam(
                    var=held[name].handle,
                    m=mean[name].handle,
                    v=variance[name].handle,
                    beta1_power=now1,
                    beta2_power=now2,
                    lr=tf.constant(data.learning_rate, x.dtype),
                    beta1=tf.constant(beta1, x.dtype),
                    beta2=tf.constant(beta2, x.dtype),
                    epsilon=epsilon * tf.sqrt(1 - now2),
                    grad=gradient,
                )
                for name, gradient in gradients.items()
            ]
            with tf.control_dependencies(moves):
                moves += [power1.assign(now1 * beta1, read_value=False), power2.assign(now2 * beta2, read_value=False)]
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
