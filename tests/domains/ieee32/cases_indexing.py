"""Reading and writing at positions that are computed."""

import numpy as np
from jax import lax

from tests.domains.ieee32.cases import F, case, maximum, minimum


def scattered(x, i, u, combine):
    x = x.copy()
    for place, update in zip(i, u, strict=True):
        x[place] = combine(x[place], update)
    return x


HITS = np.array([3, 0, 3, 6, 3, 0])
SCATTERED = [
    case(
        name,
        f,
        ((7,), HITS, (6,)),
        lambda x, i, u, c=combine: scattered(x, i, u, c),
    )
    for name, f, combine in (
        ("scatter", lambda x, i, u: x.at[i].set(u), lambda a, b: b),
        ("scatter-add", lambda x, i, u: x.at[i].add(u), np.add),
        ("scatter-mul", lambda x, i, u: x.at[i].mul(u), np.multiply),
        ("scatter-max", lambda x, i, u: x.at[i].max(u), maximum),
        ("scatter-min", lambda x, i, u: x.at[i].min(u), minimum),
    )
]
CASES = [
    case(
        "gather", lambda x, i: x[i], ((7,), np.array([3, 0, 3, 6])), lambda x, i: x[i]
    ),
    case(
        "gather_fill",
        lambda x, i: x.at[i].get(mode="fill", fill_value=2.5),
        ((7,), np.array([3, 9])),
        lambda x, i: np.array([x[3], 2.5], F),
        rules=["gather"],
    ),
    case(
        "gather_nan",
        lambda x, i: x.at[i].get(mode="fill"),
        ((7,), np.array([3, 9])),
        lambda x, i: np.array([x[3], np.nan], F),
        rules=["gather"],
    ),
    case(
        "dynamic_slice",
        lambda x, i: lax.dynamic_slice(x, (i,), (3,)),
        ((7,), np.int32(2)),
        lambda x, i: x[2:5],
    ),
    case(
        "dynamic_update_slice",
        lambda x, y, i: lax.dynamic_update_slice(x, y, (i,)),
        ((7,), (2,), np.int32(2)),
        lambda x, y, i: np.concatenate([x[:2], y, x[4:]]),
    ),
    *SCATTERED,
]
