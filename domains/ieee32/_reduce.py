"""Rules for reductions along axes: sums and products in order, extremes by keys."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.ieee32._arithmetic import words
from torchlean_jax.domains.ieee32._fold import prefixes, total
from torchlean_jax.domains.ieee32._kernels import _order
from torchlean_jax.domains.ieee32._rules import refuse, rule
from torchlean_jax.domains.ieee32._value import FloatBits

COMBINES = {"sum": "add", "prod": "mul"}


def reduce_in_order(name, domain, x, *, axes):
    """The elements along `axes` in row-major order."""
    kept = [a for a in range(x.ndim) if a not in axes]
    shape = [x.shape[a] for a in kept]
    terms = jax.tree.map(
        lambda a: jnp.transpose(a, [*sorted(axes), *kept]).reshape(-1, *shape), x
    )
    return total(domain, name, terms)


rule("reduce_sum")(functools.partial(reduce_in_order, "add"))
rule("reduce_prod")(functools.partial(reduce_in_order, "mul"))


def _cumulative(name, domain, x, *, axis, reverse):
    """Each result from the first element on; from the last on where reversed."""

    def turned(a):
        a = jnp.moveaxis(a, axis, 0)
        return jnp.flip(a, 0) if reverse else a

    def back(a):
        return jnp.moveaxis(jnp.flip(a, 0) if reverse else a, 0, axis)

    return jax.tree.map(back, prefixes(domain, name, jax.tree.map(turned, x)))


rule("cumsum")(functools.partial(_cumulative, "add"))
rule("cumprod")(functools.partial(_cumulative, "mul"))


class Extreme:
    """How the largest or the smallest element is found: by comparing keys."""

    def __init__(self, key, combine, start_sign: int):
        self.key, self.combine, self.start_sign = key, combine, start_sign

    def keys(self, domain, x):
        return self.key(x.format, words(domain, x))

    def start(self, x):
        """The key of the infinity that every other element beats."""
        infinity = np.uint32(x.format.infinity)
        return _order.key(x.format, infinity | (x.format.sign * self.start_sign))


LARGEST = Extreme(_order.top_key, lax.max, 1)
SMALLEST = Extreme(_order.bottom_key, lax.min, 0)


def from_keys(x: FloatBits, keys, flags=None) -> FloatBits:
    """The numbers of keys, a NaN as the canonical one."""
    bits = _order.from_key(x.format, keys)
    nan = (bits & x.format.magnitude) > x.format.infinity
    bits = jnp.where(nan, x.format.nan, bits)
    return FloatBits(bits.astype(x.format.storage), x.format, flags)


def _reduce_extreme(extreme: Extreme, domain, x, *, axes, out_sharding=None):
    start = jnp.asarray(extreme.start(x))
    keys = lax.reduce(extreme.keys(domain, x), start, extreme.combine, axes)
    return from_keys(x, keys, _any_flag(x.flags, axes))


def _any_flag(flags, axes) -> Any:
    if flags is None:
        return None
    return lax.reduce(flags, np.uint8(0), lax.bitwise_or, axes)


rule("reduce_max")(functools.partial(_reduce_extreme, LARGEST))
rule("reduce_min")(functools.partial(_reduce_extreme, SMALLEST))


def _cumulative_extreme(extreme: Extreme, scan, domain, x, *, axis, reverse):
    keys = scan(extreme.keys(domain, x), axis=axis, reverse=reverse)
    flags = x.flags
    if flags is not None:
        flags = lax.associative_scan(lax.bitwise_or, flags, reverse=reverse, axis=axis)
    return from_keys(x, keys, flags)


rule("cummax")(functools.partial(_cumulative_extreme, LARGEST, lax.cummax))
rule("cummin")(functools.partial(_cumulative_extreme, SMALLEST, lax.cummin))


def _arg_extreme(combine, missing, domain, x, *, axes, index_dtype):
    """The first of the extreme elements, or the first NaN; -0 and +0 are equal."""
    fmt = x.format
    bits = words(domain, x)
    nan = (bits & fmt.magnitude) > fmt.infinity
    keys = jnp.where(nan, np.int32(missing), _order.numeric_key(fmt, bits))
    return combine(keys, axes[0], index_dtype)


_INT32 = np.iinfo(np.int32)
rule("argmax")(functools.partial(_arg_extreme, lax.argmax, _INT32.max))
rule("argmin")(functools.partial(_arg_extreme, lax.argmin, _INT32.min))

refuse(
    "cumlogsumexp",
    because="its order of operations is nowhere stated; write it with exp, cumsum and "
    "log",
)
