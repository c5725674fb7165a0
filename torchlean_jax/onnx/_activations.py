"""Activation functions, written the way in which the bound methods recognise them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._arithmetic import broadcast
from torchlean_jax.onnx._operators import define, is_floating, same_dtype


@define("Relu", "1 6 13 14")
def _relu(node, x):
    node.ignore("consumed_inputs")
    return jax.nn.relu(x) if is_floating(x) else jnp.maximum(x, 0)


@define("LeakyRelu", "1 6 16")
def _leaky_relu(node, x):
    node.ignore("consumed_inputs")
    return jnp.where(x >= 0, x, node.number("alpha", 0.01) * x)


@define("PRelu", "1 6 7 9 16")
def _prelu(node, x, slope):
    node.ignore("consumed_inputs")
    if node.version < 7:
        if np.size(slope) > 1:  # one slope per channel
            slope = slope.reshape(-1, *(1,) * (x.ndim - 2))
    else:
        broadcast(node, x, slope)
    # a sum of two kinks and not a choice between lines, which has coarser bounds
    return jnp.maximum(x, 0) + slope * jnp.minimum(x, 0)


@define("ThresholdedRelu", "10 22")
def _thresholded_relu(node, x):
    return jnp.where(x > node.number("alpha", 1.0), x, jnp.zeros_like(x))


@define("Elu", "1 6 22")
def _elu(node, x):
    node.ignore("consumed_inputs")
    return jax.nn.elu(x, node.number("alpha", 1.0))


@define("Selu", "1 6 22")
def _selu(node, x):
    node.ignore("consumed_inputs")
    first = node.version == 1
    alpha = node.number("alpha", 1.6732 if first else 1.67326319217681884765625)
    gamma = node.number("gamma", 1.0507 if first else 1.05070102214813232421875)
    return gamma * jax.nn.elu(x, alpha)


@define("Celu", "12")
def _celu(node, x):
    return jax.nn.celu(x, node.number("alpha", 1.0))


@define("Sigmoid Tanh", "1 6 13")
def _saturating(node, x):
    node.ignore("consumed_inputs")
    return jax.nn.sigmoid(x) if node.op_type == "Sigmoid" else jnp.tanh(x)


@define("Softplus Softsign", "1 22")
def _soft(node, x):
    function = jax.nn.softplus if node.op_type == "Softplus" else jax.nn.soft_sign
    return function(x)


@define("Gelu", "20")
def _gelu(node, x):
    kind = node.text("approximate", "none")
    if kind not in ("none", "tanh"):
        raise FileFormatError(f"approximate={kind!r} is neither none nor tanh")
    return jax.nn.gelu(x, approximate=kind == "tanh")


@define("HardSigmoid", "1 6 22")
def _hard_sigmoid(node, x):
    node.ignore("consumed_inputs")
    line = node.number("alpha", 0.2) * x + node.number("beta", 0.5)
    return jnp.minimum(jnp.maximum(line, 0), 1)


@define("HardSwish", "14 22")
def _hard_swish(node, x):
    return x * jnp.minimum(jnp.maximum(x / 6 + 0.5, 0), 1)


@define("Mish", "18 22")
def _mish(node, x):
    return x * jnp.tanh(jax.nn.softplus(x))


@define("Swish", "24")
def _swish(node, x):
    alpha = node.number("alpha", 1.0)
    return x * jax.nn.sigmoid(x if alpha == 1 else alpha * x)


@define("Softmax LogSoftmax", "1 11 13")
def _softmax(node, x):
    log = node.op_type == "LogSoftmax"
    function = jax.nn.log_softmax if log else jax.nn.softmax
    if node.version >= 13:
        return function(x, axis=node.axis(node.integer("axis", -1), x.ndim))
    # all axes from `axis` on are one
    axis = node.axis(node.integer("axis", 1), x.ndim, extra=1)
    rows = x.reshape(*x.shape[:axis], -1)
    return function(rows, axis=-1).reshape(x.shape)


@define("Clip", "1 6 11 12 13", fixed=[1, 2], foldable=True)
def _clip(node, x, low=None, high=None):
    node.ignore("consumed_inputs")
    if node.version < 11:
        low, high = node.number("min"), node.number("max")
    else:
        same_dtype(x, *(a for a in (low, high) if a is not None))
        # a scalar; some exporters write one element
        low, high = (a if a is None else a.reshape(()) for a in (low, high))
    steps = (node.xp.maximum, low), (node.xp.minimum, high)
    return functools.reduce(lambda y, s: y if s[1] is None else s[0](y, s[1]), steps, x)
