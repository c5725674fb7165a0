"""A LayerNorm over an axis of one element."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding
from torchlean_jax.bugzoo._checks import same_function


def faulty(series):
    x = series[:, None]
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(var + 1e-6)


def fixed(series):
    x = series[:, None]
    mean = x.mean(0, keepdims=True)
    var = ((x - mean) ** 2).mean(0, keepdims=True)
    return (x - mean) / jnp.sqrt(var + 1e-6)


def examine(normalise):
    def of_one(x, y):
        return normalise(x)

    def of_the_other(x, y):
        return normalise(y)

    x = jnp.linspace(0.0, 2.0, 5)
    same = same_function(tl.equivalent(of_one, of_the_other)(x, x**2))
    said = (
        "any two series give the same" if same.passed else "two series are told apart"
    )
    return Finding(not same.passed, f"{said}: {same.witness}")


CARD = Card(
    name="layer-norm-on-one-feature",
    title="LayerNorm on one feature",
    family="normalisation",
    story=(
        "A series with one feature per step meets a layer that normalises over "
        "features. The mean of one number is that number, so what is left is 0 "
        "whatever came in: the layer returns its bias, and no gradient reaches "
        "anything below. Shapes are right, and the rest of the network still learns "
        "the mean of the targets."
    ),
    contract="The output is not the same for all inputs.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("pytorch/pytorch#108956", "pytorch/pytorch#12968"),
    requires=("flint",),
)
