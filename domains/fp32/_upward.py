"""Sums and products of error bounds, rounded upward. What an error means is not here.

An error bound is 0, where nothing was rounded, or at least the smallest normal number;
so no product of two can be lost to a flushed subnormal, and 0 stays 0. Each function
enlarges its result by more than its own rounding, in a way that a compiler cannot undo.
"""

import jax.numpy as jnp


def total(*terms):
    """A sum of bounds."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return _enlarged(result, len(terms) - 1)


def times(a, b):
    """A product; 0 beside anything, an infinity included, is 0."""
    a, b = jnp.asarray(a), jnp.asarray(b)
    product = _enlarged(a * b, 1) + _tiny(a, b)
    return jnp.where((a == 0) | (b == 0), 0, product)


def over(a, b):
    """A quotient of a bound by a positive number; nothing is known beside b <= 0."""
    tiny = _tiny(a, b)
    # the compiler may take a * (1 / b), and 1 / b is flushed to 0 for a huge b
    flushed = jnp.where(b > 0.5 / tiny, tiny * a, 0)
    quotient = _enlarged(a / b, 3) + tiny + flushed
    return jnp.where(a == 0, 0, jnp.where(b > 0, quotient, jnp.inf))


def grown(factor: float, a):
    """factor * a for a Python number, itself not rounded up."""
    return times(jnp.asarray(factor, jnp.result_type(a)), a)


def _enlarged(x, roundings):
    kind = jnp.finfo(jnp.result_type(x))
    factor = 1 + (roundings + 2) * float(kind.eps)
    return x * jnp.asarray(factor, jnp.result_type(x))


def _tiny(*xs):
    return 4 * float(jnp.finfo(jnp.result_type(*xs)).smallest_normal)
