"""The normalisations of entries are their formulas, for all inputs and parameters.

A variance is the mean of squares less the square of the mean, as flax has it by
default, and at least 0: over the reals it is never less, rounded it may be.
"""

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.zoo._network import Network

SIZE, EPSILON = 4, 1e-5
X = jax.ShapeDtypeStruct((3, SIZE), jnp.float32)


def layer_norm(trained=None):
    """LayerNorm: (x - mean) / sqrt(variance + eps) * scale + bias, with the mean and
    variance of each row.

    Source: Ba, Kiros, Hinton 2016 (arXiv:1607.06450), equation 4.
    """

    def formula(p, x):
        return _standard(x, -1) * p["scale"] + p["bias"]

    return _equals(
        lambda rngs: nnx.LayerNorm(SIZE, epsilon=EPSILON, rngs=rngs), formula
    )


def rms_norm(trained=None):
    """RMSNorm: x / sqrt(mean of x^2 + eps) * scale.

    Source: Zhang and Sennrich 2019 (arXiv:1910.07467), equation 4, with eps.
    """

    def formula(p, x):
        mean = (x**2).mean(-1, keepdims=True)
        return x / jnp.sqrt(mean + EPSILON) * p["scale"]

    return _equals(lambda rngs: nnx.RMSNorm(SIZE, epsilon=EPSILON, rngs=rngs), formula)


def group_norm(trained=None):
    """GroupNorm: as LayerNorm, over groups of channels.

    Source: Wu and He 2018 (arXiv:1803.08494), equations 1 and 7.
    """

    def formula(p, x):
        grouped = _standard(x.reshape(-1, 2, SIZE // 2), -1)
        return grouped.reshape(x.shape) * p["scale"] + p["bias"]

    def make(rngs):
        return nnx.GroupNorm(SIZE, num_groups=2, epsilon=EPSILON, rngs=rngs)

    return _equals(make, formula)


def batch_norm(trained=None):
    """BatchNorm, in training: as LayerNorm, with the mean and variance of each channel
    over the batch.

    Source: Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithm 1.
    """

    def formula(p, x):
        return _standard(x, 0) * p["scale"] + p["bias"]

    def make(rngs):
        return nnx.BatchNorm(SIZE, epsilon=EPSILON, rngs=rngs)

    return _equals(make, formula, training=True)


CLAIMS = (layer_norm, rms_norm, group_norm, batch_norm)


def _standard(x, axis):
    mean = x.mean(axis, keepdims=True)
    variance = (x**2).mean(axis, keepdims=True) - mean**2
    return (x - mean) / jnp.sqrt(jnp.maximum(variance, 0) + EPSILON)


def _equals(make, formula, training=False):
    network = Network(make)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0)))

    @tl.claims.equals(lambda variables, x: formula(variables.params, x))
    @tl.claims.example(shapes, X)
    def installed(variables, x):
        return network.apply(variables, x, training=training)[0]

    return installed
