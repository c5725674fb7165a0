"""The norm of a gradient, summed in half precision."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(gradient):
    norm = jnp.sqrt(jnp.sum(jnp.square(gradient)))
    return gradient / jnp.maximum(norm, 1.0)


def fixed(gradient):
    norm = jnp.sqrt(jnp.sum(jnp.square(gradient.astype(jnp.float32))))
    return (gradient / jnp.maximum(norm, 1.0)).astype(gradient.dtype)


def examine(clipped):
    gradient = jnp.array([300.0, -400.0], jnp.float16)
    report = tl.float_error(clipped)(gradient)
    return Finding(
        bool(report.bound.max() < 0.01),
        f"{gradient} is clipped to {clipped(gradient)}; over the reals it is "
        f"(0.6, -0.8), and a float16 run may be {report.bound.max():.2g} off",
    )


CARD = Card(
    name="half-precision-norm",
    title="A norm in half precision",
    family="optimiser",
    story=(
        "The gradient is clipped to norm 1 in its own dtype. Half precision ends at "
        "65504, so the square of 300 is infinite, and so is the norm: the clipped "
        "gradient is 0. The larger the gradient, the surer nothing is learned from it, "
        "and no NaN gives it away."
    ),
    contract="Every run of clipping (300, -400) is within 0.01 of (0.6, -0.8).",
    check="tl.float_error",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("facebookresearch/fairscale#263", "tracel-ai/burn#5699"),
)
