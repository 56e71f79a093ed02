"""Program 9 with the control flow inside a TensorFlow graph: the depth is fed into a loop that was built once."""

from itertools import cycle

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation
from bench.backends.tf_trace import traced_operations


@implementation("tf_graph_dynamic", framework="tensorflow", workload="mlp_dynamic", fused=True, by_default=False)
def build(problem, data, device):
    """tf.while_loop over the shared layer, differentiated by TensorFlow, executed in a tf.compat.v1 Session."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    tf1.disable_control_flow_v2()  # loop and choice become nodes of this graph, and no functions beside it
    arrays = {"x": data.x, "y": data.y, **data.parameters}
    middle, momentum = ("wm", "bm"), 0.9

    graph = tf.Graph()
    with graph.as_default():
        # As in tf_static_graph, the batch is fed once and gradients stay in variables; the depth comes with every step.
        fed = {name: tf1.placeholder(array.dtype, array.shape, name) for name, array in arrays.items()}
        depth = tf1.placeholder(tf.int32, (), "depth")
        held = {name: tf1.Variable(placeholder, use_resource=True) for name, placeholder in fed.items()}
        x, y = held.pop("x"), held.pop("y")
        last_loss = tf1.Variable(tf.zeros((), x.dtype), use_resource=True)
        last, velocity = (
            {name: tf1.Variable(tf.zeros(w.shape, w.dtype), use_resource=True) for name, w in held.items()}
            for _ in range(2)
        )
        with tf.name_scope("forward"):
            wm, bm = held["wm"].read_value(), held["bm"].read_value()
            _, h_relu = tf.while_loop(
                lambda times, _: times < depth,
                lambda times, h_relu: (times + 1, tf.nn.relu(tf.matmul(h_relu, wm) + bm)),
                (0, tf.nn.relu(tf.matmul(x, held["w1"]) + held["b1"])),
            )
            loss = tf.reduce_sum(tf.square(tf.matmul(h_relu, held["w2"]) + held["b2"] - y))
            keep = [last_loss.assign(loss, read_value=False)]
        with tf.name_scope("backward"):
            sources = {**held, "wm": wm, "bm": bm}
            gradients = dict(zip(held, tf1.gradients(loss, list(sources.values())), strict=True))
            keep += [last[name].assign(gradient, read_value=False) for name, gradient in gradients.items()]

        def move(names):
            faster = {name: momentum * velocity[name] + gradients[name] for name in names}
            moves = [velocity[name].assign(value, read_value=False) for name, value in faster.items()]
            moves += [held[n].assign_sub(data.learning_rate * v, read_value=False) for n, v in faster.items()]
            return tf.group(*moves)

        with tf.name_scope("update"), tf.control_dependencies(list(gradients.values())):
            # A step of depth 0 leaves the middle layer and its momentum alone.
            shared = tf.cond(depth > 0, lambda: move(middle), tf.no_op)
            train = tf.group(*keep, shared, move([name for name in held if name not in middle]))
        start = tf1.global_variables_initializer()

    session = tf1.Session(graph=graph)
    depths, now = cycle(data.depths), 0

    def run():
        nonlocal now
        now = next(depths)
        session.run(train, {depth: now})

    def trace():
        nonlocal now
        now = next(depths)
        return traced_operations(session, train, {depth: now})

    def state():
        loss, parameters, gradients = session.run([last_loss, held, last])
        return State(loss, parameters, {n: g for n, g in gradients.items() if now or n not in middle})

    def reset():
        nonlocal depths
        depths = cycle(data.depths)
        session.run(start, {fed[name]: array for name, array in arrays.items()})

    reset()
    return Step((Stage(FORWARD + BACKWARD + UPDATE, run),), state, reset, trace)
