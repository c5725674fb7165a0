"""Interval rules for products along axes, running products and running log-sum-exps.

All fold an interval operation over the elements. The exact result does not depend on
the order, and the fold contains it in whichever order it goes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.interval import _arithmetic, _integer
from torchlean_jax.domains.interval._activations import log_add_exp
from torchlean_jax.domains.interval._kinds import operation_rule_for, rule_for
from torchlean_jax.domains.interval._value import Interval


@rule_for("integer", "reduce_prod")
def _integer_prod(x, *, axes):
    return _fold(_integer.mul, x, axes)


@rule_for("float", "reduce_prod")
def _prod(x, *, axes):
    return _fold(_arithmetic.mul, x, axes)


def _fold(operation, x, axes):
    """`operation` over pairs of elements, then over pairs of those, down to one."""
    kept = [a for a in range(x.ndim) if a not in axes]
    shape = tuple(x.shape[a] for a in kept)
    count = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
    order = (*axes, *kept)

    def flat(endpoint):
        return jnp.transpose(endpoint, order).reshape(count, *shape)

    x = jax.tree.map(flat, x)
    if count == 0:
        one = jnp.ones(shape, x.dtype)
        return Interval(one, one)
    while count > 1:
        half = count // 2
        folded = operation(x[:half], x[half : 2 * half])
        rest = x[2 * half :]
        x = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), folded, rest)
        count = half + count % 2
    return x[0]


@operation_rule_for("float", "cumprod")
def _cumprod(operation, x):
    return _running(_arithmetic.mul, operation, x)


@operation_rule_for("integer", "cumprod")
def _integer_cumprod(operation, x):
    return _running(_integer.mul, operation, x)


@operation_rule_for("float", "cumlogsumexp")
def _cumlogsumexp(operation, x):
    return _running(log_add_exp, operation, x)


def _running(combine, operation, x):
    axis, reverse = operation.params["axis"], operation.params["reverse"]
    return lax.associative_scan(combine, Interval.lift(x), reverse=reverse, axis=axis)
