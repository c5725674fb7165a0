"""For each kind of claim a function of which it is true, and one of which it is false.

Why each is right or wrong is elementary: a mask, a sign, a constant, a row too many.
"""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import claims

SEEN = np.tri(6, dtype=bool)


def attention(x, mask):
    scores = jnp.where(mask, x @ x.T, -jnp.inf)
    return jax.nn.softmax(scores) @ x


def energy(x):
    return jnp.sum(jnp.tanh(x) ** 2) / 2


@jax.custom_vjp
def cube(x):
    return x**3


cube.defvjp(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,))


@jax.custom_vjp
def wrong_cube(x):
    return x**3


wrong_cube.defvjp(lambda x: (x**3, x), lambda x, ct: (2 * x**2 * ct,))


# kind: (decorator, example, a function of which it holds, one of which it does not,
# what the failure says)
PROGRAMS = {
    "equals": (
        claims.equals(jax.nn.logsumexp),
        ["f32[5]"],
        lambda x: jnp.log(jnp.sum(jnp.exp(x))),
        lambda x: jnp.log(jnp.mean(jnp.exp(x))),
        "output 0, element (): ",
    ),
    "causal": (
        claims.causal(axis=0),
        ["f32[6,2]"],
        lambda x: attention(x, SEEN),
        lambda x: attention(x, np.tri(6, k=1, dtype=bool)),
        "at position 1 along axis 0",
    ),
    "batch_independent": (
        claims.batch_independent(axis=0),
        ["f32[4,3]"],
        lambda x: x - x.mean(1, keepdims=True),
        lambda x: x - x.mean(0),
        "mixes the rows of a batch",
    ),
    "independent_of": (
        claims.independent_of("noise"),
        ["f32[3]", "f32[3]"],
        lambda x, noise: x + jnp.zeros_like(noise),
        lambda x, noise: x + 1e-3 * noise,
        "depends on argument 1",
    ),
    "derivative_of": (
        claims.derivative_of(energy),
        ["f32[3]"],
        lambda x: jnp.tanh(x) * (1 - jnp.tanh(x) ** 2),
        lambda x: jnp.tanh(x) * (1 + jnp.tanh(x) ** 2),
        "claimed",
    ),
    "gradient": (
        claims.gradient(),
        ["f32[3]"],
        lambda x: cube(jnp.sin(x)),
        lambda x: wrong_cube(jnp.sin(x)),
        "claimed",
    ),
    "bounded_by": (
        claims.bounded_by(-0.5, 0.5, box=(-3.0, 3.0), method="ibp"),
        ["f32[3]"],
        lambda x: jnp.clip(x, -0.25, 0.25),
        lambda x: jnp.clip(x, -0.25, 0.75),
        "at x = ",
    ),
    "batch_invariant": (
        claims.batch_invariant(sizes=(1, 3)),
        ["f32[3,8]"],
        lambda x: 2 * jnp.maximum(x, 0),
        lambda x: x + x.mean(0),
        "other bits in",
    ),
}
