"""A gradient that is clipped while it still carries the loss scale."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

MOST = 1.0


def loss(w, x):
    return jnp.sum(jnp.square(x @ w))


def clipped(g):
    norm = jnp.sqrt(jnp.sum(g * g))
    return g * MOST / jnp.maximum(norm, MOST)


def faulty(w, x, scale):
    g = jax.grad(lambda w: loss(w, x) * scale)(w)
    return w - clipped(g) / scale


def fixed(w, x, scale):
    g = jax.grad(lambda w: loss(w, x) * scale)(w)
    return w - clipped(g / scale)


def examine(step):
    x = jnp.linspace(-1.0, 1.0, 6).reshape(2, 3)
    w = jnp.array([0.5, -1.0, 0.25])

    def scaled_by_1024(w, x):
        return step(w, x, 1024.0)

    def scaled_by_1(w, x):
        return step(w, x, 1.0)

    return same_function(tl.equivalent(scaled_by_1024, scaled_by_1)(w, x))


CARD = Card(
    name="clip-before-unscale",
    title="Clipping before unscaling",
    family="optimiser",
    story=(
        "In half precision the loss is multiplied by a scale, so that small gradients "
        "survive, and the gradient divided by it before the step. Clipped in between, "
        "its norm is a thousand times too large: every step is clipped and then "
        "divided to nearly nothing. Training goes on, flat; with a dynamic scale the "
        "step size follows the history of overflows."
    ),
    contract="The step does not depend on the loss scale.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "Lightning-AI/pytorch-lightning#9599",
        "rwth-i6/returnn#1590",
        "milesial/Pytorch-UNet#468",
    ),
    sources=("Micikevicius et al. 2018, Mixed Precision Training (arXiv:1710.03740)",),
    requires=("flint",),
)
