"""Sorting, and the extremes of rows: which element, where, and up to where."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.ieee32 import exact
from tests.domains.ieee32.cases import case, maximum, minimum


def total_key(x):
    word = x.view(np.uint32).astype(np.int64)
    return np.where(word >> 31, ~(word & 0x7FFFFFFF), word)


def stable_sort(x):
    return (
        x[np.argsort(np.where(np.isnan(x), np.inf, x) + 0.0, kind="stable")]
        if not np.isnan(x).any()
        else np.concatenate([stable_sort(x[~np.isnan(x)]), x[np.isnan(x)]])
    )


def running(combine, x):
    """The extremes of the first one, two, three... elements of each row."""
    ends = range(1, x.shape[1] + 1)
    return np.stack([exact.sequential(list(x.T[:n]), combine) for n in ends], 1)


def extremes(side, combine):
    position, largest = (getattr(jnp, name) for name in (f"arg{side}", side))
    scan, expected = getattr(lax, f"cum{side}"), getattr(np, f"arg{side}")
    return [
        case(
            f"arg{side}",
            lambda x: position(x, 1),
            ((40, 3),),
            lambda x: expected(x, 1).astype(np.int32),
        ),
        case(
            f"reduce_{side}",
            lambda x: largest(x, 1),
            ((40, 4),),
            lambda x: exact.sequential(list(x.T), combine),
        ),
        case(
            f"cum{side}",
            lambda x: scan(x, 1),
            ((40, 4),),
            lambda x: running(combine, x),
        ),
        case(
            f"cum{side}_reverse",
            lambda x: scan(x, 1, reverse=True),
            ((40, 4),),
            lambda x: running(combine, x[:, ::-1])[:, ::-1],
            [f"cum{side}"],
        ),
    ]


CASES = [
    case("sort", lambda x: lax.sort(x), ((30,),), stable_sort),
    case(
        "argsort",
        jnp.argsort,
        ((30,),),
        lambda x: np.argsort(x, kind="stable").astype(np.int32),
        rules=["sort"],
    ),
    case(
        "top_k",
        lambda x: lax.top_k(x, 5),
        ((30,),),
        lambda x: (
            x[np.argsort(-total_key(x), kind="stable")[:5]],
            np.argsort(-total_key(x), kind="stable")[:5].astype(np.int32),
        ),
    ),
    *extremes("max", maximum),
    *extremes("min", minimum),
]
