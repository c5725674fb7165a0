"""Comparisons, and the order of numbers as the order of integers.

A key is an int32 that stands for a number. Keys serve for whatever only compares:
extremes, sorting, arg-max.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.ieee32._format import Format
from torchlean_jax.domains.ieee32._kernels._nan import mark
from torchlean_jax.domains.ieee32._kernels._pieces import is_nan, u


def key(fmt: Format, x):
    """int32 in the order of the numbers, -0 right below +0; NaNs beyond the infinities,
    on the side of their sign (totalOrder, IEEE 754-2019, 5.10)."""
    magnitude = (x & fmt.magnitude).astype(jnp.int32)
    negative = (x >> u(fmt.width - 1)) != 0
    return jnp.where(negative, ~magnitude, magnitude)


def from_key(fmt: Format, k):
    negative = k < 0
    magnitude = jnp.where(negative, ~k, k).astype(jnp.uint32)
    return jnp.where(negative, magnitude | fmt.sign, magnitude)


def numeric_key(fmt: Format, x):
    """The same with -0 and +0 equal."""
    magnitude = (x & fmt.magnitude).astype(jnp.int32)
    negative = (x >> u(fmt.width - 1)) != 0
    return jnp.where(negative, -magnitude, magnitude)


def sort_key(fmt: Format, x):
    """How JAX sorts: -0 and +0 are equal, and every NaN comes last."""
    last = np.int32(np.iinfo(np.int32).max)
    return jnp.where(is_nan(fmt, x), last, numeric_key(fmt, x))


def top_key(fmt: Format, x):
    """A key that ranks every NaN above the infinities: for a maximum."""
    return jnp.where(is_nan(fmt, x), np.int32(fmt.nan), key(fmt, x))


def bottom_key(fmt: Format, x):
    """A key that ranks every NaN below the infinities: for a minimum."""
    return jnp.where(is_nan(fmt, x), ~np.int32(fmt.nan), key(fmt, x))


COMPARISONS = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def compare(fmt: Format, name: str, x, y):
    """bool: `x name y` of numbers; with a NaN, false (`ne`: true)."""
    ordered = COMPARISONS[name](numeric_key(fmt, x), numeric_key(fmt, y))
    unordered = is_nan(fmt, x) | is_nan(fmt, y)
    return ordered | unordered if name == "ne" else ordered & ~unordered


def compare_total(fmt: Format, name: str, x, y):
    """bool: `x name y` in the total order."""
    return COMPARISONS[name](key(fmt, x), key(fmt, y))


def maximum(fmt: Format, policy: str, x, y):
    """The larger number, +0 above -0; a NaN operand gives NaN (5.9.6 `maximum`)."""
    larger = jnp.where(key(fmt, x) >= key(fmt, y), x, y)
    return mark(fmt, policy, (x, y), jnp.zeros(x.shape, bool), larger)


def minimum(fmt: Format, policy: str, x, y):
    smaller = jnp.where(key(fmt, x) <= key(fmt, y), x, y)
    return mark(fmt, policy, (x, y), jnp.zeros(x.shape, bool), smaller)


def next_after(fmt: Format, policy: str, x, y):
    """The neighbour of x towards y; y itself where they are equal (C's `nextafter`)."""
    a, b = numeric_key(fmt, x), numeric_key(fmt, y)
    moved = jnp.where(a < b, a + 1, a - 1)
    # from +0 down to the negative subnormal, from -0 up to the positive one
    negative = moved < 0
    size = jnp.abs(moved).astype(jnp.uint32)
    sign_kept = jnp.where((moved == 0), x & fmt.sign, u(0))
    stepped = jnp.where(negative, size | fmt.sign, size | sign_kept)
    result = jnp.where(a == b, y, stepped)
    return mark(fmt, policy, (x, y), jnp.zeros(x.shape, bool), result)
