"""Two linear layers with bias in JAX, as three jitted functions, updated by optax's Adam."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("jax_adam", framework="jax", workload="mlp_bias_adam", compiles=True, by_default=False)
def build(problem, data, device):
    """jax.vjp in one jitted function, the gradients and optax.adam in one each."""
    import jax
    import jax.numpy as jnp
    import optax

    x, y = device.put(data.x), device.put(data.y)
    start = {name: device.put(value) for name, value in data.parameters.items()}
    adam = optax.adam(data.learning_rate)
    parameters, moments = start, adam.init(start)
    loss = derivative = gradients = None

    def compute(w, x, y):
        y_pred = jax.nn.relu(x @ w["w1"] + w["b1"]) @ w["w2"] + w["b2"]
        return jnp.square(y_pred - y).sum()

    compute_loss = jax.jit(lambda w, x, y: jax.vjp(lambda inner: compute(inner, x, y), w))
    compute_gradients = jax.jit(lambda derivative, loss: derivative(jnp.ones_like(loss))[0])

    @jax.jit
    def descend(w, g, moments):
        changes, moments = adam.update(g, moments)
        return optax.apply_updates(w, changes), moments

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
        nonlocal parameters, moments
        parameters, moments = descend(parameters, gradients, moments)
        return parameters, moments

    def state():
        return State(float(loss), *jax.device_get((parameters, gradients)))

    def reset():
        nonlocal parameters, moments
        parameters, moments = start, adam.init(start)

    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
