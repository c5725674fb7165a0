"""Comparisons of concrete floats, exact where the hardware would flush a subnormal to
zero."""

import jax.numpy as jnp

from torchlean_jax.domains.interval._exact import ordered_bits

_ON_ORDER = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}

EXACT_COMPARISONS = frozenset((*_ON_ORDER, "is_finite"))


def compare(name, *operands):
    """`x name y` for concrete floats of one dtype, as reals; false (`ne`: true) at a
    NaN."""
    if name == "is_finite":
        return jnp.isfinite(operands[0])
    x, y = map(jnp.asarray, operands)
    ordered = _ON_ORDER[name](ordered_bits(x), ordered_bits(y))
    is_nan = jnp.isnan(x) | jnp.isnan(y)
    return jnp.where(is_nan, name == "ne", ordered)
