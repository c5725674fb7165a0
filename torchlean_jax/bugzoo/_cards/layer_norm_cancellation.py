"""A LayerNorm whose variance is a difference of large numbers."""

from typing import Any

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(x):
    from flax import linen

    norm = linen.LayerNorm(use_bias=False, use_scale=False)
    return norm.apply({}, x)


def fixed(x):
    from flax import linen

    norm = linen.LayerNorm(use_bias=False, use_scale=False, use_fast_variance=False)
    return norm.apply({}, x)


def examine(normalise):
    domain: Any = tl.Real(digits=8)
    x = jnp.arange(40000.0, 40004.0)
    bound = float(tl.float_error(normalise)(x).bound.max())
    runs = jax.jit(normalise)(x)
    real = tl.interpret(normalise, domain=domain)(x)
    rows = zip(x, real.decimal(6), runs, strict=True)
    table = [("x", "over the reals", "float32 run")]
    table += [(f"{a:.0f}", str(b), f"{c:.5f}") for a, b, c in rows]
    return Finding(
        bound < 0.1,
        f"at {x} a float32 run is within {bound:.2g} of the real result; "
        f"this one gives {runs}",
        tuple(table),
    )


CARD = Card(
    name="layer-norm-cancellation",
    title="LayerNorm that cancels",
    family="normalisation",
    story=(
        "The variance is computed as E[x^2] - E[x]^2, which is one pass over the data "
        "and the same number over the reals. In float32 both terms are near 1.6e9 "
        "here, where neighbouring floats are 128 apart, and the variance to be found "
        "is 1.25. It is what released flax does unless use_fast_variance=False is "
        "passed."
    ),
    contract="On [40000..40003] every float32 run is within 0.1 of the real result.",
    check="tl.float_error",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "pytorch/pytorch#51102",
        "microsoft/onnxruntime#28463",
        "tracel-ai/burn#5607",
    ),
    sources=(
        "Chan, Golub and LeVeque 1983, Algorithms for Computing the Sample Variance, "
        "The American Statistician 37",
    ),
    library="flax",
    requires=("flax", "flint"),
)
