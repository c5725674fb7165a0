"""Primitives for functions that back-substitution bounds better whole than in pieces.

A graph in which a pattern was recognised (`_patterns.py`) holds one equation of such a
primitive in place of the pieces. Each is a real JAX primitive that runs, abstractly and
concretely, as the formula beside it; what it does to intervals is a rule in
`torchlean_jax.domains.affine`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import mlir

FORMULAS = {
    "call:silu": lambda x: x * lax.logistic(x),
    "call:softplus": lambda x: jnp.logaddexp(x, jnp.zeros_like(x)),
    "call:gelu_erf": lambda x, *, scale: 0.5 * x * lax.erfc(-x * x.dtype.type(scale)),
    "call:gelu_tanh": lambda x, *, scale, cubic: (
        0.5 * x * (1 + jnp.tanh(scale * (x + cubic * x**3)))
    ),
    "call:leaky_relu": lambda x, *, negative_slope: jnp.maximum(x, negative_slope * x),
    "call:elu": lambda x, *, alpha, scale: jnp.where(
        x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0) / scale)
    ),
    # a whole number times a power of two, rounded to nearest even
    "call:rounded_shift": lambda x, unit: lax.round(
        x * unit, lax.RoundingMethod.TO_NEAREST_EVEN
    ),
    # entries[x] of a whole number x
    "call:table": lambda x, *, entries: jnp.take(
        jnp.asarray(entries, x.dtype), jnp.round(x).astype(jnp.int32), mode="clip"
    ),
    # of whole numbers, as integers divide; bounded by enclosures alone
    "call:quotient": lambda x, y: jnp.trunc(x / y),
    "call:softmax": lambda x, *, axis: jnp.exp(x - _log_sum_exp(x, axis, True)),
    # gaps: x_j - x_i at [..., i, j], and nothing else
    "call:softmax_of_gaps": lambda gaps, *, axis: 1 / jnp.sum(jnp.exp(gaps), axis=axis),
    "call:logsumexp": lambda x, *, axis: _log_sum_exp(x, axis, False),
}


def _log_sum_exp(x, axis, keepdims):
    most = jnp.max(x, axis=axis, keepdims=True)
    total = jnp.log(jnp.sum(jnp.exp(x - most), axis=axis, keepdims=True)) + most
    return total if keepdims else jnp.squeeze(total, axis)


def _primitive(name, formula):
    primitive = Primitive(name)
    primitive.def_impl(formula)

    def shape(x, *others, **params):
        avals = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (x, *others)]
        out = jax.eval_shape(lambda *a: formula(*a, **params), *avals)
        return x.update(shape=out.shape, dtype=out.dtype)

    primitive.def_abstract_eval(shape)
    mlir.register_lowering(primitive, mlir.lower_fun(formula, multiple_results=False))
    return primitive


PRIMITIVES = {name: _primitive(name, formula) for name, formula in FORMULAS.items()}


def equation_of(function, *avals) -> Any:
    """The one jaxpr equation that `function` is, on operands like `avals`."""
    (eqn,) = jax.make_jaxpr(function)(*avals).jaxpr.eqns
    return eqn
