"""Three classifiers as plain JAX: parameters are a pytree, a model is a function of it.

Each takes pixels in [0, 1]. Its preprocessing is its first line, so that a claim about
the model is a claim about the pixels.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

CLASSES = 10


@dataclass(frozen=True)
class Model:
    """`init(key)` makes parameters; `apply(params, x)` maps an image, or many."""

    name: str
    init: Callable[[Array], Any]
    apply: Callable[[Any, Any], Array]


def classifier(model: Model, params) -> Callable[[Any], Array]:
    """`model` with its parameters fixed: from 64 pixels to 10 logits.

    Keep the function it returns: the verbs compile once for each function object.

    >>> model = MODELS["linear"]
    >>> f = classifier(model, model.init(jax.random.key(0)))
    >>> f(jnp.zeros(64)).shape
    (10,)
    """
    function = functools.partial(model.apply, params)
    return functools.update_wrapper(function, model.apply)


def centred(x):
    """Pixels from [0, 1] to [-1, 1]. Exact in float32, since pixels are sixteenths."""
    return 2 * x - 1


def linear(
    params, x: Float[Array | np.ndarray, "*batch 64"]
) -> Float[Array, "*batch 10"]:
    return centred(x) @ params["weight"] + params["bias"]


def mlp(params, x: Float[Array | np.ndarray, "*batch 64"]) -> Float[Array, "*batch 10"]:
    x = centred(x)
    *hidden, last = params
    for layer in hidden:
        x = jax.nn.relu(x @ layer["weight"] + layer["bias"])
    return x @ last["weight"] + last["bias"]


def conv(
    params, x: Float[Array | np.ndarray, "*batch 64"]
) -> Float[Array, "*batch 10"]:
    batch = x.shape[:-1]
    x = jnp.reshape(centred(x), (-1, 8, 8, 1))
    for layer in params["conv"]:
        x = jax.lax.conv_general_dilated(
            x,
            layer["weight"],
            window_strides=(2, 2),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jax.nn.relu(x + layer["bias"])
    last = params["dense"]
    return x.reshape(*batch, -1) @ last["weight"] + last["bias"]


def layer(key, *shape: int):
    """Weights of variance 2 / fan-in, for ReLU, and zero biases.

    Source: He, Zhang, Ren, Sun 2015 (arXiv:1502.01852), equation 10.
    """
    weight = jax.nn.initializers.he_normal()(key, shape)
    return {"weight": weight, "bias": jnp.zeros(shape[-1])}


def init_mlp(key):
    sizes = (64, 64, 64, CLASSES)
    keys = jax.random.split(key, len(sizes) - 1)
    return [layer(k, m, n) for k, m, n in zip(keys, sizes, sizes[1:], strict=False)]


def init_conv(key):
    first, second, last = jax.random.split(key, 3)
    return {
        "conv": [layer(first, 3, 3, 1, 16), layer(second, 3, 3, 16, 32)],
        "dense": layer(last, 2 * 2 * 32, CLASSES),
    }


MODELS = {
    model.name: model
    for model in (
        Model("linear", lambda key: layer(key, 64, CLASSES), linear),
        Model("mlp", init_mlp, mlp),
        Model("conv", init_conv, conv),
    )
}
