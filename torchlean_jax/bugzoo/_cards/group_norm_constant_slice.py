"""A GroupNorm whose gradient is no number where a group is constant."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

EPSILON = 2.0**-10


def faulty(x):
    groups = x.reshape(2, 3)
    centred = groups - groups.mean(1, keepdims=True)
    std = jnp.sqrt((centred**2).mean(1, keepdims=True))
    return (centred / (std + EPSILON)).reshape(x.shape)


def fixed(x):
    groups = x.reshape(2, 3)
    centred = groups - groups.mean(1, keepdims=True)
    variance = (centred**2).mean(1, keepdims=True)
    return (centred / jnp.sqrt(variance + EPSILON)).reshape(x.shape)


def examine(normalise):
    blank = jnp.array([0.5, 0.5, 0.5, 1.0, 2.0, 4.0])
    report = tl.check_vjp(normalise, points=1)(blank)
    return Finding(report.ok is True, str(report))


CARD = Card(
    name="group-norm-constant-slice",
    title="A constant slice in GroupNorm",
    family="normalisation",
    story=(
        "Epsilon is added to the standard deviation, so the forward pass never divides "
        "by zero and looks safe. But the slope of sqrt at 0 is infinite, and the chain "
        "rule multiplies it by 0. One blank patch, silent channel or padded row in a "
        "batch then makes every gradient NaN."
    ),
    contract="Where a group is constant the gradient is still the derivative.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "FluxML/Flux.jl#2096",
        "pyg-team/pytorch_geometric#2917",
        "keras-team/keras#2960",
    ),
    sources=("Wu and He 2018, Group Normalization (arXiv:1803.08494)",),
    requires=("flint",),
)
