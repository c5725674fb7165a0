"""Containment cases for sorting, reductions, running sums and pooling."""

from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.interval.cases import (
    CALM,
    INF,
    MATRIX,
    Case,
    Float,
    Int,
    twin,
)
from tests.domains.interval.exact import ball


def by_key(keys, *payload):
    order = [sorted(range(len(row)), key=list(row).__getitem__) for row in keys]
    return [
        np.stack([a[o] for a, o in zip(p, order, strict=True)])
        for p in (keys, *payload)
    ]


def by_two_keys(a, b, payload):
    order = [
        sorted(range(len(r)), key=list(zip(r, s, strict=True)).__getitem__)
        for r, s in zip(a, b, strict=True)
    ]
    rows = [
        np.stack([x[o] for x, o in zip(p, order, strict=True)]) for p in (a, b, payload)
    ]
    return rows


def largest(x):
    order = [sorted(range(len(r)), key=lambda i, r=r: (-r[i], i))[:2] for r in x]
    return [
        np.stack([r[o] for r, o in zip(x, order, strict=True)]),
        np.array(order, object),
    ]


WIDE = Float((3, 6), reach=5.0)


ORDER = [
    twin("sort", ("sort",), lambda n, x: n.sort(x, axis=0), (MATRIX,)),
    Case(
        "sort_carrying",
        ("sort",),
        lambda x, y: lax.sort((x, y), num_keys=1),
        by_key,
        (WIDE, WIDE),
    ),
    Case(
        "argsort",
        ("sort",),
        lambda x: jnp.argsort(x, axis=1, stable=True),
        lambda x: by_key(x, np.tile(np.arange(6), (3, 1)))[1],
        (WIDE,),
    ),
    Case(
        "sort_two_keys",
        ("sort",),
        lambda i, x, y: lax.sort((i, x, y), num_keys=2),
        by_two_keys,
        (Int((3, 6), 0, 2), WIDE, WIDE),
    ),
    Case(
        "sort_many",
        ("sort",),
        lambda x: lax.sort((jnp.tile(x, (1, 500)), jnp.tile(x, (1, 500))), num_keys=1)[
            1
        ][:, :1],
        lambda x: np.min(x, axis=1, keepdims=True),
        (WIDE,),
    ),
    Case("top_k", ("top_k",), lambda x: lax.top_k(x, 2), largest, (WIDE,)),
    Case(
        "argmax",
        ("argmax",),
        lambda x: jnp.argmax(x, axis=1),
        lambda x: np.array(
            [max(range(6), key=lambda i, r=r: (r[i], -i)) for r in x], object
        ),
        (WIDE,),
    ),
    Case(
        "argmin",
        ("argmin",),
        lambda x: jnp.argmin(x, axis=1),
        lambda x: np.array(
            [min(range(6), key=lambda i, r=r: (r[i], i)) for r in x], object
        ),
        (WIDE,),
    ),
]


def windows(x, size, stride, pad):
    """Index lists of each window of a matrix, padding left out."""
    rows, columns = x.shape
    for i in range(0, rows + 2 * pad - size + 1, stride):
        for j in range(0, columns + 2 * pad - size + 1, stride):
            inside = [
                (a - pad, b - pad)
                for a in range(i, i + size)
                for b in range(j, j + size)
            ]
            yield [(a, b) for a, b in inside if 0 <= a < rows and 0 <= b < columns]


def pooled(combine, size=2, stride=1, pad=1):
    def exact(x):
        values = [combine([x[p] for p in w]) for w in windows(x, size, stride, pad)]
        return np.array(values, object).reshape(4, 5)

    return exact


def pool(x, first, operator):
    return lax.reduce_window(x, first, operator, (2, 2), (1, 1), ((1, 1), (1, 1)))


def log_sum_exps(x):
    out = np.empty(x.shape, object)
    for index in np.ndindex(x.shape):
        terms = [ball(v) for v in x[: index[0] + 1, index[1]]]
        top = max(x[: index[0] + 1, index[1]])
        out[index] = sum(
            ((t - ball(top)).exp() for t in terms), flint.arb(0)
        ).log() + ball(top)
    return out


REDUCTIONS = [
    twin(
        "reduce_sum", ("reduce_sum",), lambda n, x: n.sum(x, axis=1), (CALM,), (INF, 8)
    ),
    twin("reduce_sum_wild", ("reduce_sum",), lambda n, x: n.sum(x, axis=1), ulps=None),
    twin("reduce_max", ("reduce_max",), lambda n, x: n.max(x, axis=0)),
    twin("reduce_min", ("reduce_min",), lambda n, x: n.min(x, axis=0)),
    twin(
        "reduce_prod",
        ("reduce_prod",),
        lambda n, x: n.prod(x, axis=(0, 1)),
        (CALM,),
        (INF, 2),
    ),
    Case(
        "cumsum",
        ("cumsum",),
        lambda x: jnp.cumsum(x, 0),
        lambda x: np.add.accumulate(x, 0),
        (MATRIX,),
    ),
    Case(
        "cumsum_reverse",
        ("cumsum",),
        lambda x: lax.cumsum(x, 1, reverse=True),
        lambda x: np.add.accumulate(x[:, ::-1], 1)[:, ::-1],
        (CALM,),
        (INF, 8),
    ),
    Case(
        "cumprod",
        ("cumprod",),
        lambda x: lax.cumprod(x, 1, reverse=True),
        lambda x: np.multiply.accumulate(x[:, ::-1], 1)[:, ::-1],
        (CALM,),
        (INF, 2),
    ),
    Case(
        "cummax",
        ("cummax",),
        lambda x: lax.cummax(x, 0),
        lambda x: np.maximum.accumulate(x, 0),
        (MATRIX,),
        (0, 0),
    ),
    Case(
        "cummin",
        ("cummin",),
        lambda x: lax.cummin(x, 0),
        lambda x: np.minimum.accumulate(x, 0),
        (MATRIX,),
        (0, 0),
    ),
    Case(
        "cumlogsumexp",
        ("cumlogsumexp",),
        lambda x: lax.cumlogsumexp(x, 0),
        log_sum_exps,
        (CALM,),
        None,
    ),
    Case(
        "reduce_window_max",
        ("reduce_window_max",),
        lambda x: pool(x, -jnp.inf, lax.max),
        pooled(max),
        (MATRIX,),
        (0, 0),
    ),
    Case(
        "reduce_window_min",
        ("reduce_window_min",),
        lambda x: pool(x, jnp.inf, lax.min),
        pooled(min),
        (MATRIX,),
        (0, 0),
    ),
    Case(
        "reduce_window_sum",
        ("reduce_window_sum",),
        lambda x: pool(x, 0.0, lax.add),
        pooled(sum),
        (MATRIX,),
    ),
]


def sent_back(extreme):
    def exact(x, source):
        out = np.full(x.shape, Fraction(0), object)
        for w, s in zip(windows(x, 2, 1, 1), source.ravel(), strict=True):
            out[extreme(w, key=lambda p: x[p])] += s
        return out

    return exact


def read_there(extreme):
    def exact(x, tangents):
        chosen = [extreme(w, key=lambda p: x[p]) for w in windows(x, 2, 1, 1)]
        return np.array([tangents[p] for p in chosen], object).reshape(4, 5)

    return exact


def max_pool(x):
    return pool(x, -jnp.inf, lax.max)


POOLING = [
    Case(
        "max_pool_gradient",
        ("select_and_scatter_add",),
        lambda x, s: jax.vjp(max_pool, x)[1](s)[0],
        sent_back(max),
        (CALM, Float((4, 5), reach=50.0)),
    ),
    Case(
        "min_pool_gradient",
        ("select_and_scatter_add",),
        lambda x, s: jax.vjp(lambda x: pool(x, jnp.inf, lax.min), x)[1](s)[0],
        sent_back(min),
        (CALM, Float((4, 5), reach=50.0)),
    ),
    Case(
        "max_pool_tangent",
        ("select_and_gather_add",),
        lambda x, t: jax.jvp(max_pool, (x,), (t,))[1],
        read_there(max),
        (CALM, CALM),
    ),
]


CASES = [*ORDER, *REDUCTIONS, *POOLING]
