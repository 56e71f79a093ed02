"""Program 9 in JAX, as one jitted step that takes the depth as a number."""

from itertools import cycle

from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation


@implementation(
    "jax_dynamic_fused", framework="jax", workload="mlp_dynamic", fused=True, compiles=True, by_default=False
)
def build(problem, data, device):
    """jax.lax.switch over the depths, gradients and SGD with momentum in one jitted function."""
    import jax
    import jax.numpy as jnp

    x, y = device.put(data.x), device.put(data.y)
    start = {name: device.put(value) for name, value in data.parameters.items()}
    rest = {name: jnp.zeros_like(value) for name, value in start.items()}
    parameters, velocity, depths = start, rest, cycle(data.depths)
    depth = loss = gradients = None
    momentum, middle = 0.9, ("wm", "bm")

    def reused(times):
        def apply(h_relu, w):
            for _ in range(times):
                h_relu = jax.nn.relu(h_relu @ w["wm"] + w["bm"])
            return h_relu

        return apply

    # A loop of unknown length has no reverse derivative in JAX; a choice between known lengths has.
    branches = [reused(times) for times in range(max(data.depths) + 1)]

    def compute(w, depth, x, y):
        h_relu = jax.lax.switch(depth, branches, jax.nn.relu(x @ w["w1"] + w["b1"]), w)
        return jnp.square(h_relu @ w["w2"] + w["b2"] - y).sum()

    @jax.jit
    def train(w, v, depth, x, y):
        loss, g = jax.value_and_grad(compute)(w, depth, x, y)
        new_w, new_v = {}, {}
        for name in w:
            used = depth > 0 if name in middle else True  # a step of depth 0 leaves the middle layer alone
            new_v[name] = jnp.where(used, momentum * v[name] + g[name], v[name])
            new_w[name] = jnp.where(used, w[name] - data.learning_rate * new_v[name], w[name])
        return new_w, new_v, loss, g

    def run():
        nonlocal depth, parameters, velocity, loss, gradients
        depth = next(depths)
        parameters, velocity, loss, gradients = train(parameters, velocity, depth, x, y)
        return parameters, velocity, loss, gradients

    def state():
        given = {name: value for name, value in gradients.items() if depth or name not in middle}
        return State(float(loss), *jax.device_get((parameters, given)))

    def reset():
        nonlocal parameters, velocity, depths
        parameters, velocity, depths = start, rest, cycle(data.depths)

    return Step((Stage(FORWARD + BACKWARD + UPDATE, run),), state, reset)
