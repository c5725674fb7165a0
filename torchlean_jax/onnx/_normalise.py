"""Normalisations, in the form that inference takes, and dropout."""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import UnsupportedError, define, flag, same_dtype

_TRAINING = "it is set to training, where the result is random or depends on the batch"


@define("Dropout", "1 6 7 10 12 13 22", static=[1, 2])
def _dropout(node, x, ratio=None, training=None):
    node.ignore("ratio", "seed", "consumed_inputs")
    old = node.version < 7 and not flag(node, "is_test", 0)
    if old or (training is not None and training.item()):
        raise UnsupportedError(_TRAINING)
    # what the mask is in inference has only been said since opset 12
    return (x, jnp.ones(x.shape, bool)) if node.version >= 12 else x


@define("BatchNormalization", "1 6 7 9 14 15")
def _batch_norm(node, x, scale, bias, mean, variance):
    node.ignore("momentum", "consumed_inputs")
    if node.integer("training_mode", 0) or (
        node.version < 7 and not flag(node, "is_test", 0)
    ):
        raise UnsupportedError(_TRAINING)
    if not node.integer("spatial", 1):
        raise UnsupportedError("spatial=0")
    epsilon = node.number("epsilon", 1e-5)
    # one product and one sum for each element
    factor = scale / jnp.sqrt(variance + epsilon)
    rest = (1,) * (x.ndim - 2)
    shift = bias - mean * factor
    y = x * factor.reshape(-1, *rest) + shift.reshape(-1, *rest)
    return y.astype(x.dtype)


def _standardised(x, axes, epsilon):
    mean = jnp.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    variance = jnp.mean(lax.square(centred), axis=axes, keepdims=True)
    inverse = lax.rsqrt(variance + epsilon)
    return centred * inverse, mean, inverse


@define("LayerNormalization", "17")
def _layer_norm(node, x, scale, bias=None):
    axis = node.axis(node.integer("axis", -1), x.ndim)
    if node.integer("stash_type", 1) != 1:
        raise UnsupportedError("a stash_type other than float32")
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    axes = tuple(range(axis, x.ndim))
    normal, mean, inverse = _standardised(wide, axes, node.number("epsilon", 1e-5))
    y = normal.astype(x.dtype) * scale
    return y if bias is None else y + bias, mean, inverse


@define("RMSNormalization", "23")
def _rms_norm(node, x, scale):
    axis = node.axis(node.integer("axis", -1), x.ndim)
    if node.integer("stash_type", 1) != 1:
        raise UnsupportedError("a stash_type other than float32")
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    power = jnp.mean(lax.square(wide), axis=range(axis, x.ndim), keepdims=True)
    normal = wide * lax.rsqrt(power + node.number("epsilon", 1e-5))
    return normal.astype(x.dtype) * scale


def _per_channel(x, scale, bias):
    rest = (1,) * (x.ndim - 2)
    return x * scale.reshape(-1, *rest) + bias.reshape(-1, *rest)


@define("InstanceNormalization", "1 6 22")
def _instance_norm(node, x, scale, bias):
    node.ignore("consumed_inputs")
    same_dtype(x, scale, bias)
    axes = tuple(range(2, x.ndim))
    normal, *_ = _standardised(x, axes, node.number("epsilon", 1e-5))
    return _per_channel(normal, scale, bias)


@define("GroupNormalization", "21")
def _group_norm(node, x, scale, bias):
    groups = node.integer("num_groups")
    if not groups or x.shape[1] % groups:
        raise FileFormatError(f"{x.shape[1]} channels in {groups} groups")
    if node.integer("stash_type", 1) != 1:
        raise UnsupportedError("a stash_type other than float32")
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    cut = wide.reshape(x.shape[0], groups, -1)
    normal, *_ = _standardised(cut, (2,), node.number("epsilon", 1e-5))
    return _per_channel(normal.astype(x.dtype).reshape(x.shape), scale, bias)


@define("LpNormalization", "1 22")
def _lp_norm(node, x):
    axis, p = node.axis(node.integer("axis", -1), x.ndim), node.integer("p", 2)
    if p == 1:
        return x / jnp.sum(jnp.abs(x), axis=axis, keepdims=True)
    if p == 2:
        return x / jnp.sqrt(jnp.sum(lax.square(x), axis=axis, keepdims=True))
    raise FileFormatError(f"p={p} is neither 1 nor 2")
