"""Pooling and its derivatives; places outside the array take no part."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.ieee32 import exact
from tests.domains.ieee32.cases import F, case, fold, in_order, maximum, minimum


def pooled(start, combine, stride, padding="VALID", size=3):
    """The program that combines the windows of a vector."""
    return lambda x: lax.reduce_window(x, start, combine, (size,), (stride,), padding)


def windows(x, starts):
    """The three elements from each start on, of those that exist."""
    return [x[max(s, 0) : s + 3] for s in starts]


def largest_first(x, starts):
    """Where the first largest element of each window stands."""
    return [s + np.argmax(w) for s, w in zip(starts, windows(x, starts), strict=True)]


def sent_back(order, x, g):
    """What reaches each element: the sum over the windows that it is largest in."""
    places = largest_first(x, range(7))
    sent = [[v for v, p in zip(g, places, strict=True) if p == k] for k in range(9)]
    return np.array([fold(order, np.array(terms, F)) for terms in sent], F)


max_pool = functools.partial(pooled, -jnp.inf, lax.max)
CASES = [
    case(
        "window_max",
        max_pool(2, "SAME"),
        ((9,),),
        lambda x: np.array(
            [exact.sequential(w, maximum) for w in windows(x, range(-1, 9, 2))], F
        ),
        ["reduce_window_max"],
    ),
    case(
        "window_min",
        pooled(jnp.inf, lax.min, 2),
        ((9,),),
        lambda x: np.array(
            [exact.sequential(w, minimum) for w in windows(x, range(0, 8, 2))], F
        ),
        ["reduce_window_min"],
    ),
    in_order(
        "window_sum",
        pooled(0.0, lax.add, 1, "SAME"),
        ((9,),),
        lambda o, x: np.array([fold(o, w) for w in windows(x, range(-1, 8))], F),
        ["reduce_window_sum"],
    ),
    in_order(
        "avg_pool_vjp",
        lambda x: jax.vjp(pooled(0.0, lax.add, 2, size=2), x)[1](x[:4])[0],
        ((8,),),
        lambda o, x: np.repeat(x[:4], 2),
        ["reduce_window_sum"],
    ),
    in_order(
        "max_pool_vjp",
        lambda x, g: jax.vjp(max_pool(1), x)[1](g)[0],
        ((9,), (7,)),
        sent_back,
        ["select_and_scatter_add"],
    ),
    in_order(
        "max_pool_jvp",
        lambda x, t: jax.jvp(max_pool(2), (x,), (t,))[1],
        ((9,), (9,)),
        lambda o, x, t: t[largest_first(x, range(0, 8, 2))],
        ["select_and_gather_add"],
    ),
]
