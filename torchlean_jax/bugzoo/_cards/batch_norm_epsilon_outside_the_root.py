"""A BatchNorm that adds its epsilon to the deviation."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

EPSILON = 2.0**-10


def faulty(x, mean, var, scale, bias):
    return scale * (x - mean) / (jnp.sqrt(var) + EPSILON) + bias


def fixed(x, mean, var, scale, bias):
    return scale * (x - mean) / jnp.sqrt(var + EPSILON) + bias


def definition(x, mean, var, scale, bias):
    """Each feature alone: normalised, then moved."""
    columns = []
    for k in range(x.shape[1]):
        deviation = jnp.sqrt(EPSILON + var[k])
        columns.append((x[:, k] - mean[k]) / deviation * scale[k] + bias[k])
    return jnp.stack(columns, axis=1)


def examine(normalise):
    x = jnp.linspace(-2.0, 2.0, 6).reshape(3, 2)
    mean, var = jnp.array([0.5, 0.0]), jnp.array([2.0**-8, 1.0])
    scale, bias = jnp.ones(2), jnp.zeros(2)
    compared = tl.equivalent(normalise, definition)
    return same_function(compared(x, mean, var, scale, bias))


CARD = Card(
    name="batch-norm-epsilon-outside-the-root",
    title="BatchNorm's epsilon outside the root",
    family="normalisation",
    story=(
        "Epsilon keeps a division from being one by zero, and it does so on either "
        "side of the root. Weights trained with one convention and run with the other "
        "still give plausible outputs: features of large variance hardly change, those "
        "of small variance are off by a large factor. Converters between frameworks "
        "had it."
    ),
    contract="The layer is scale * (x - mean) / sqrt(var + epsilon) + bias.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "Tencent/ncnn#311",
        "chainer/chainer#2214",
        "tensorflow/tensorflow#24690",
    ),
    sources=(
        "Ioffe and Szegedy 2015, Batch Normalization, Algorithm 1 (arXiv:1502.03167)",
        "Pham et al. 2019, CRADLE, ICSE",
    ),
    requires=("flint",),
)
