"""Two linear layers with bias in JAX, as one jitted step with optax's Adam."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation(
    "jax_adam_fused", framework="jax", workload="mlp_bias_adam", fused=True, compiles=True, by_default=False
)
def build(problem, data, device):
    """jax.value_and_grad and optax.adam in one jitted function."""
    import jax
    import jax.numpy as jnp
    import optax

    x, y = device.put(data.x), device.put(data.y)
    start = {name: device.put(value) for name, value in data.parameters.items()}
    adam = optax.adam(data.learning_rate)
    parameters, moments, loss, gradients = start, adam.init(start), None, None

    def compute(w, x, y):
        y_pred = jax.nn.relu(x @ w["w1"] + w["b1"]) @ w["w2"] + w["b2"]
        return jnp.square(y_pred - y).sum()

    @jax.jit
    def train(w, moments, x, y):
        loss, g = jax.value_and_grad(compute)(w, x, y)
        changes, moments = adam.update(g, moments)
        return optax.apply_updates(w, changes), moments, loss, g

    def run():
        nonlocal parameters, moments, loss, gradients
        parameters, moments, loss, gradients = train(parameters, moments, x, y)
        return parameters, moments, loss, gradients

    def state():
        return State(float(loss), *jax.device_get((parameters, gradients)))

    def reset():
        nonlocal parameters, moments
        parameters, moments = start, adam.init(start)

    return Step((Stage(FORWARD + BACKWARD + UPDATE, run),), state, reset)
