"""Functions of which nothing is used but that they are functions, or are odd ones.

Equal arguments get equal residues, whatever the function; what holds for these residues
holds for every function of that kind, the meant one among them.
"""

import numpy as np
from jax import lax

from torchlean_jax.domains.finite_field._arithmetic import (
    constant,
    negate,
    subtract,
)
from torchlean_jax.domains.finite_field._value import (
    NUMBER,
    UNDEFINED,
    VARIABLE,
    FieldArray,
    kinds_of,
    rules,
)


def uninterpreted(field, tag, *xs: FieldArray, dtype=None) -> FieldArray:
    """A function of which nothing is used but that it is one."""
    field.note_arguments(*xs)
    names = np.broadcast_arrays(*[field.name(x) for x in xs])
    undefined = np.zeros(names[0].shape, bool)
    for x in xs:
        undefined = undefined | (kinds_of(x) == UNDEFINED)
    kinds = np.where(undefined, UNDEFINED, NUMBER).astype(np.uint8)
    return FieldArray(
        field.fresh(tag, *names),
        xs[0].dtype if dtype is None else dtype,
        kinds if undefined.any() else None,
        degree=VARIABLE,
    )


def uninterpreted_odd(field, tag, x: FieldArray) -> FieldArray:
    """A function with f(-x) = -f(x): that of the two whose name is smaller decides."""
    names, opposite = field.name(x), field.name(negate(field, x))
    field.note_arguments(x)
    value = field.fresh(tag, np.minimum(names, opposite))
    turned = np.stack(
        [
            (np.uint64(m) - v) % np.uint64(m)
            for v, m in zip(value, field.moduli, strict=True)
        ]
    )
    residues = np.where(names <= opposite, value, turned)
    residues = np.where(names == opposite, np.uint64(0), residues)  # x is 0
    kinds = None if x.kinds is None else np.where(x.kinds, UNDEFINED, NUMBER)
    return FieldArray(residues, x.dtype, kinds, degree=VARIABLE)


@rules.define("erfc")
def _erfc(field, x):
    one = constant(field, 1.0, x)
    return subtract(field, one, uninterpreted_odd(field, "erf", x))


def _define_odd(name):
    @rules.define(name)
    def rule(field, x, **params):
        return uninterpreted_odd(field, name, x)


for _name in ("erf", "erf_inv", "asin", "atan", "asinh", "atanh"):
    _define_odd(_name)


def _define_uninterpreted(name):
    @rules.define(name)
    def rule(field, *xs, **params):
        return uninterpreted(field, f"{name} {sorted(params.items())}", *xs)


for _name in (
    *("acos", "acosh", "atan2", "lgamma", "digamma", "polygamma", "zeta", "igamma"),
    *("igammac", "regularized_incomplete_beta", "bessel_i0e", "bessel_i1e", "rem"),
):
    _define_uninterpreted(_name)


def _define_step(name, function):
    """Constants have a whole part; of anything else nothing is known about it."""

    @rules.define(name)
    def rule(field, x):
        if x.held is None:
            return uninterpreted(field, name, x)
        return field.lift(function(x.held)).named(x.dtype)


for _name, _step in {"floor": np.floor, "ceil": np.ceil}.items():
    _define_step(_name, _step)


@rules.define("round")
def _round(field, x, *, rounding_method):
    if x.held is not None and rounding_method == lax.RoundingMethod.TO_NEAREST_EVEN:
        return field.lift(np.round(x.held)).named(x.dtype)  # to even
    if x.held is not None:
        away = np.copysign(np.floor(np.abs(x.held) + 0.5), x.held)
        return field.lift(away).named(x.dtype)
    return uninterpreted(field, f"round {int(rounding_method)}", x)
