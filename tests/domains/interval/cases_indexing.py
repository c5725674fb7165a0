"""Containment cases for reading and writing at positions that may be undecided."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.interval.cases import CALM, INF, MATRIX, Case, Float, Int


def pick(x, i):
    """Rows i of x, negative ones counted from the end, the others clipped."""
    i = from_start(i, len(x))
    return x[np.clip(i, 0, len(x) - 1)]


def from_start(i, n):
    i = np.asarray(i, int)
    return np.where(i < 0, i + n, i)


def filled(x, i):
    i = from_start(i, len(x))
    rows = pick(x, i)
    rows[i >= len(x)] = None
    return rows


def start(i, n, size):
    """Where a slice begins: negative numbers count from the end, then it is clamped."""
    i = int(i)
    return min(max(i + n if i < 0 else i, 0), n - size)


def window(x, i, j):
    i, j = start(i, 3, 2), start(j, 4, 2)
    return x[i : i + 2, j : j + 2]


def updated(x, u, i):
    out, i = x.copy(), start(i, 3, 1)
    out[i : i + 1] = u
    return out


def scattered(combine):
    def exact(x, u, i=(2, 0, 2)):
        out = x.copy()
        for row, update in zip(np.asarray(i, int), u, strict=True):
            if 0 <= row < len(x):
                out[row] = [
                    combine(a, b) for a, b in zip(out[row], update, strict=True)
                ]
        return out

    return exact


WRITES = {
    "scatter": (lambda r, u: r.set(u), lambda a, b: b),
    "scatter-add": (lambda r, u: r.add(u), lambda a, b: a + b),
    "scatter-mul": (lambda r, u: r.mul(u), lambda a, b: a * b),
    "scatter-max": (lambda r, u: r.max(u), max),
    "scatter-min": (lambda r, u: r.min(u), min),
}


ROWS = Int((3,), -1, 4)


INDEXING = [
    Case(
        "gather",
        ("gather",),
        lambda x: x[jnp.array([2, 0, 2])],
        lambda x: x[[2, 0, 2]],
        (MATRIX,),
        (0, 0),
    ),
    Case(
        "gather_undecided",
        ("gather",),
        lambda x, i: x.at[i].get(mode="clip"),
        pick,
        (MATRIX, ROWS),
    ),
    Case(
        "gather_fill",
        ("gather",),
        lambda x, i: jnp.take(x, i, axis=0, mode="fill"),
        filled,
        (MATRIX, ROWS),
    ),
    Case(
        "gather_many",
        ("gather",),
        lambda x, i: jnp.repeat(jnp.tile(x, (80, 80)), 1, 0).at[i, i].get(mode="clip"),
        lambda x, i: np.tile(x, (80, 80))[
            np.clip(i.astype(int), 0, 239), np.clip(i.astype(int), 0, 319)
        ],
        (MATRIX, Int((2,), 0, 200)),
    ),
    Case(
        "dynamic_slice",
        ("dynamic_slice",),
        lambda x, i, j: lax.dynamic_slice(x, (i, j), (2, 2)),
        window,
        (MATRIX, Int((), -1, 3), Int((), -1, 3)),
    ),
    Case(
        "dynamic_slice_long",
        ("dynamic_slice",),
        lambda x, i: lax.dynamic_slice(
            jnp.tile(x, (2000, 1)), (i, jnp.int32(0)), (1, 4)
        ),
        lambda x, i: x[int(i) % 3][None],
        (MATRIX, Int((), 0, 5000)),
    ),
    Case(
        "dynamic_update_slice",
        ("dynamic_update_slice",),
        lambda x, u, i: lax.dynamic_update_slice(x, u, (i, jnp.int32(0))),
        updated,
        (MATRIX, Float((1, 4)), Int((), -1, 4)),
    ),
    Case(
        "dynamic_update_slice_long",
        ("dynamic_update_slice",),
        lambda x, u, i: lax.dynamic_update_slice(
            jnp.tile(x, (2000, 1)), u, (i, jnp.int32(0))
        )[:3],
        lambda x, u, i: (
            np.concatenate([x[: int(i)], u, x[int(i) + 1 :]])[:3] if i < 3 else x
        ),
        (MATRIX, Float((1, 4)), Int((), 0, 5000)),
    ),
    *(
        Case(
            name,
            (name,),
            lambda x, u, w=w: w(x.at[jnp.array([2, 0, 2])], u),
            scattered(c),
            (CALM, CALM),
            (INF, 8) if name == "scatter-add" else None,
        )
        for name, (w, c) in WRITES.items()
    ),
    *(
        Case(
            f"{name}_undecided",
            (name,),
            lambda x, u, i, w=w: w(x.at[i], u),
            lambda x, u, i, c=c: scattered(c)(x, u, from_start(i, 3)),
            (CALM, CALM, ROWS),
        )
        for name, (w, c) in WRITES.items()
    ),
    Case(
        "scatter_unique",
        ("scatter",),
        lambda x, u: x.at[jnp.array([2, 0, 1])].set(u, unique_indices=True),
        lambda x, u: u[[1, 2, 0]],
        (MATRIX, MATRIX),
        (0, 0),
    ),
    Case(
        "scatter-sub",
        ("scatter-sub",),
        lambda x, u: x.at[jnp.array([2, 0, 2])].subtract(u),
        scattered(lambda a, b: a - b),
        (CALM, CALM),
        (INF, 8),
    ),
]


CASES = [*INDEXING]
