"""The network in JAX once more, as one jitted step: XLA sees loss, gradients and update together."""

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation("jax_fused", framework="jax", workload="mlp_sgd", fused=True, compiles=True, by_default=False)
def build(problem, data, device):
    """jax.value_and_grad and SGD in one jitted function."""
    import jax
    import jax.numpy as jnp

    x, y = device.put(data.x), device.put(data.y)
    start = {name: device.put(value) for name, value in data.parameters.items()}
    parameters, loss, gradients = start, None, None

    def compute(w, x, y):
        return jnp.square(jax.nn.relu(x @ w["w1"]) @ w["w2"] - y).sum()

    @jax.jit
    def train(w, x, y):
        loss, g = jax.value_and_grad(compute)(w, x, y)
        return jax.tree.map(lambda value, slope: value - data.learning_rate * slope, w, g), loss, g

    def run():
        nonlocal parameters, loss, gradients
        parameters, loss, gradients = train(parameters, x, y)
        return parameters, loss, gradients

    def state():
        return State(float(loss), *jax.device_get((parameters, gradients)))

    def reset():
        nonlocal parameters
        parameters = start

    return Step((Stage(FORWARD + BACKWARD + UPDATE, run),), state, reset)
