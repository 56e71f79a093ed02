"""Program 5: the network as a TensorFlow graph that is built once and then executed again and again."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation
from bench.backends.tf_trace import traced_operations


@implementation("tf_static_graph", framework="tensorflow", workload="mlp_sgd", fused=True)
def build(problem, data, device):
    """A graph with placeholders and variables, executed in a tf.compat.v1 Session."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    arrays = {"x": data.x, "y": data.y, "w1": data.parameters["w1"], "w2": data.parameters["w2"]}

    graph = tf.Graph()
    with graph.as_default():
        # The batch passes its placeholders once and then stays in variables, just as it stays on the device for
        # every other implementation: feeding it on each step would time the copy.
        fed = {name: tf1.placeholder(array.dtype, array.shape, name) for name, array in arrays.items()}
        x, y, w1, w2 = (tf1.Variable(placeholder, use_resource=True) for placeholder in fed.values())
        # What torch keeps in `.grad` is kept in variables here: an assignment hands the buffer over, it copies nothing.
        last_loss, last_grad_w1, last_grad_w2 = (
            tf1.Variable(tf.zeros(shape, x.dtype), use_resource=True) for shape in ((), w1.shape, w2.shape)
        )
        with tf.name_scope("forward"):
            h_relu = tf.maximum(tf.matmul(x, w1), 0)
            y_pred = tf.matmul(h_relu, w2)
            loss = tf.reduce_sum(tf.square(y_pred - y))
            keep_loss = last_loss.assign(loss, read_value=False)
        with tf.name_scope("backward"):
            grad_w1, grad_w2 = tf1.gradients(loss, [w1, w2])
            keep_grad_w1 = last_grad_w1.assign(grad_w1, read_value=False)
            keep_grad_w2 = last_grad_w2.assign(grad_w2, read_value=False)
        with tf.name_scope("update"), tf.control_dependencies([grad_w1, grad_w2]):
            new_w1 = w1.assign_sub(data.learning_rate * grad_w1, read_value=False)
            new_w2 = w2.assign_sub(data.learning_rate * grad_w2, read_value=False)
        train = tf.group(keep_loss, keep_grad_w1, keep_grad_w2, new_w1, new_w2)
        start = tf1.global_variables_initializer()

    session = tf1.Session(graph=graph)

    def run():
        session.run(train)

    def state():
        parameters, gradients = {"w1": w1, "w2": w2}, {"w1": last_grad_w1, "w2": last_grad_w2}
        return State(*session.run([last_loss, parameters, gradients]))

    def reset():
        session.run(start, {fed[name]: array for name, array in arrays.items()})

    reset()
    stage = Stage(FORWARD + BACKWARD + UPDATE, run)
    return Step((stage,), state, reset, trace=lambda: traced_operations(session, train))
