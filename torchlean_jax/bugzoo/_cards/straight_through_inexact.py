"""A straight-through estimator that does not return what it passes through."""

import jax.numpy as jnp
import numpy as np
from jax import lax

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

SCALE = 0.1


def faulty(x):
    level = jnp.clip(jnp.round(x / SCALE), -8, 7) * SCALE
    return x + lax.stop_gradient(level - x)


def fixed(x):
    level = jnp.clip(jnp.round(x / SCALE), -8, 7) * SCALE
    return lax.stop_gradient(level) + (x - lax.stop_gradient(x))


def examine(quantise):
    levels = np.arange(-8, 8, dtype=np.float32) * np.float32(SCALE)
    x = jnp.linspace(-3.0, 3.0, 64, dtype=jnp.float32)
    run = np.asarray(tl.interpret(quantise, domain=tl.IEEE32())(x).to_float())
    off = np.flatnonzero(~np.isin(run, levels))
    if not len(off):
        return Finding(True, f"each of {len(run)} results is one of the 16 levels")
    first = off[0]
    level = levels[np.argmin(abs(levels - run[first]))]
    return Finding(
        False,
        f"x = {float(x[first]):.9g} gives {float(run[first]):.9g}, and the level is "
        f"{float(level):.9g}; so {len(off)} of {len(run)} inputs give no level",
    )


CARD = Card(
    name="straight-through-inexact",
    title="A straight-through estimator that rounds",
    family="gradient",
    story=(
        "To round to 16 levels and let the gradient pass, the constant level - x is "
        "added to x. Over the reals that is the level. In floating point the "
        "difference is rounded wherever x lies far outside of the levels, and what "
        "comes out lies beside one: equality, lookups and packed integers computed "
        "from it go wrong for outliers. JAX's documentation recommended this form "
        "until 2021."
    ),
    contract="In IEEE-754 arithmetic each result is exactly one of the levels.",
    check="tl.interpret",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("jax-ml/jax#9032", "jax-ml/jax#9033"),
)
