"""Rules for comparisons, extremes and neighbours. Sorting is in `_sort.py`."""

import functools

import jax.numpy as jnp

from torchlean_jax.domains.ieee32._arithmetic import like, words
from torchlean_jax.domains.ieee32._kernels import _order
from torchlean_jax.domains.ieee32._rules import rule
from torchlean_jax.domains.ieee32._value import FloatBits


def _comparison(name, domain, x, y):
    """An ordinary array of booleans: bits are never undecided."""
    return _order.compare(x.format, name, words(domain, x), words(domain, y))


def _total_comparison(name, domain, x, y):
    """By the total order: -0 below +0, NaNs outside the infinities."""
    return _order.compare_total(x.format, name, _bits(x), _bits(y))


for _name in _order.COMPARISONS:
    rule(_name)(functools.partial(_comparison, _name))
rule("lt_to")(functools.partial(_total_comparison, "lt"))
rule("le_to")(functools.partial(_total_comparison, "le"))


@rule("max")
def maximum(domain, x, y):
    """NaN where an operand is one; +0 is above -0 (9.6 `maximum`)."""
    return _extreme(_order.maximum, domain, x, y)


@rule("min")
def minimum(domain, x, y):
    return _extreme(_order.minimum, domain, x, y)


@rule("clamp")
def _clamp(domain, least, x, most):
    return minimum(domain, maximum(domain, x, least), most)


@rule("nextafter")
def _nextafter(domain, x, y):
    return like(x, _order.next_after(x.format, domain.nan, _bits(x), _bits(y)))


def _extreme(choose, domain, x, y):
    bits = choose(x.format, domain.nan, words(domain, x), words(domain, y))
    flags = None if x.flags is None else x.flags | y.flags
    return FloatBits(bits.astype(x.format.storage), x.format, flags)


def _bits(x):
    return x.bits.astype(jnp.uint32)
