"""The network in JAX, as three jitted functions: the forward phase hands its derivative on to the backward phase."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("jax_staged", framework="jax", workload="mlp_sgd", compiles=True, by_default=False)
def build(problem, data, device):
    """jax.vjp in one jitted function, the gradients and SGD in one each."""
    import jax
    import jax.numpy as jnp

    x, y = device.put(data.x), device.put(data.y)
    start = {name: device.put(value) for name, value in data.parameters.items()}
    parameters, loss, derivative, gradients = start, None, None, None

    def compute(w, x, y):
        return jnp.square(jax.nn.relu(x @ w["w1"]) @ w["w2"] - y).sum()

    compute_loss = jax.jit(lambda w, x, y: jax.vjp(lambda inner: compute(inner, x, y), w))
    compute_gradients = jax.jit(lambda derivative, loss: derivative(jnp.ones_like(loss))[0])
    descend = jax.jit(lambda w, g: jax.tree.map(lambda value, slope: value - data.learning_rate * slope, w, g))

    # A call of JAX returns before its result is there, so each stage returns all that it computes, to be waited for.
    def forward():
        nonlocal loss, derivative
        loss, derivative = compute_loss(parameters, x, y)
        return loss, derivative

    def backward():
        nonlocal gradients
        gradients = compute_gradients(derivative, loss)
        return gradients

    def update():
        nonlocal parameters
        parameters = descend(parameters, gradients)
        return parameters

    def state():
        return State(float(loss), *jax.device_get((parameters, gradients)))

    def reset():
        nonlocal parameters
        parameters = start

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
