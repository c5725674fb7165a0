"""Sums and products of many terms, in the order that the domain states.

The terms lie along the first axis. `present` (booleans) may say which of them take
part: a window that reaches over the edge of an array has fewer terms. What has none is
the neutral element, +0 or 1.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.ieee32._domain import IEEE32, operate
from torchlean_jax.domains.ieee32._value import FloatBits, choose


@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def total(domain: IEEE32, name: str, terms: FloatBits, present=None) -> FloatBits:
    """All terms combined by the operation `name` (`"add"` or `"mul"`)."""
    if terms.shape[0] == 0:
        return neutral(domain, name, terms, terms.shape[1:])
    if present is None:
        present = jnp.ones((terms.shape[0],) + (1,) * (terms.ndim - 1), bool)
        result, _ = _combined(domain, name, terms, present, all_present=True)
        return result
    result, some = _combined(domain, name, terms, present, all_present=False)
    return choose(some, result, neutral(domain, name, terms, result.shape))


def _combined(domain, name, terms, present, all_present):
    def combine(first, second):
        (x, x_there), (y, y_there) = first, second
        both = operate(domain, name, x, y)
        if all_present:
            return both, x_there
        alone = choose(x_there, x, y)
        return choose(x_there & y_there, both, alone), x_there | y_there

    if domain.order == "pairwise":
        return pairwise(combine, (terms, present))
    return sequential(combine, (terms, present))


def sequential(combine, terms):
    """The first, combined with the second, with the third..."""
    first = jax.tree.map(lambda a: a[0], terms)
    rest = jax.tree.map(lambda a: a[1:], terms)
    result, _ = lax.scan(lambda acc, term: (combine(acc, term), None), first, rest)
    return result


def pairwise(combine, terms):
    """Neighbours combined, again and again; the last of an odd number waits."""
    count = jax.tree.leaves(terms)[0].shape[0]
    while count > 1:
        even = jax.tree.map(lambda a, n=count: a[0 : n - 1 : 2], terms)
        odd = jax.tree.map(lambda a: a[1::2], terms)
        paired = combine(even, odd)
        if count % 2:
            paired = jax.tree.map(
                lambda a, last: jnp.concatenate([a, last[-1:]]), paired, terms
            )
        terms, count = paired, (count + 1) // 2
    return jax.tree.map(lambda a: a[0], terms)


@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def prefixes(domain: IEEE32, name: str, terms: FloatBits) -> FloatBits:
    """The combination of the first one, two, three... terms, each in that order."""
    if terms.shape[0] == 0:
        return terms
    if domain.order == "pairwise":
        return _pairwise_prefixes(domain, name, terms)

    def step(acc, term):
        acc = operate(domain, name, acc, term)
        return acc, acc

    first = terms[0]
    rest = jax.tree.map(lambda a: a[1:], terms)
    _, later = lax.scan(step, first, rest)
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, later)


def _pairwise_prefixes(domain, name, terms):
    """A prefix of length n is made of one block for each bit of n: blocks of 2**j
    neighbours that start at a multiple of it, the short ones at the end, which are
    combined first."""
    count = terms.shape[0]
    lengths = jnp.arange(1, count + 1)
    shape = (count,) + (1,) * (terms.ndim - 1)
    result, blocks, j = terms, terms, 0
    while (1 << j) <= count:
        used = ((lengths >> j) & 1).astype(bool).reshape(shape)
        place = jnp.clip((lengths >> j) - 1, 0, blocks.shape[0] - 1)
        block = blocks[place]
        started = ((lengths & ((1 << j) - 1)) != 0).reshape(shape)
        joined = choose(started, operate(domain, name, block, result), block)
        result = choose(used, joined, result)
        whole = blocks.shape[0] // 2
        even = jax.tree.map(lambda a, n=whole: a[0 : 2 * n : 2], blocks)
        odd = jax.tree.map(lambda a, n=whole: a[1 : 2 * n : 2], blocks)
        if whole == 0:
            break
        blocks, j = operate(domain, name, even, odd), j + 1
    return result


def neutral(domain: IEEE32, name: str, like: FloatBits, shape) -> FloatBits:
    word = like.format.one if name == "mul" else 0
    bits = jnp.full(shape, word, like.format.storage)
    return domain.lift(FloatBits(bits, like.format))
