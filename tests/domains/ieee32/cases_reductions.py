"""Sums and products along axes, and running ones."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.ieee32.cases import fold, in_order


def running(order, x, name="add"):
    return np.stack([fold(order, x[: n + 1], name) for n in range(len(x))])


CASES = [
    in_order(
        "reduce_sum",
        lambda x: jnp.sum(x, (0, 2)),
        ((3, 9, 4),),
        lambda o, x: fold(o, x.transpose(0, 2, 1).reshape(12, 9)),
    ),
    in_order(
        "reduce_sum_odd",
        lambda x: jnp.sum(x, 0),
        ((13, 9),),
        lambda o, x: fold(o, x),
        rules=["reduce_sum"],
    ),
    in_order(
        "reduce_sum_wild",
        lambda x: jnp.sum(x, 0),
        ((5, 99),),
        lambda o, x: fold(o, x),
        rules=["reduce_sum"],
        plain=False,
    ),
    in_order(
        "reduce_prod",
        lambda x: jnp.prod(x, 1),
        ((9, 7),),
        lambda o, x: fold(o, x.T, "mul"),
    ),
    in_order("cumsum", lambda x: jnp.cumsum(x, 0), ((11, 5),), running),
    in_order(
        "cumsum_reverse",
        lambda x: lax.cumsum(x, 0, reverse=True),
        ((8, 5),),
        lambda o, x: running(o, x[::-1])[::-1],
        rules=["cumsum"],
    ),
    in_order(
        "cumprod",
        lambda x: jnp.cumprod(x, 0),
        ((7, 5),),
        lambda o, x: running(o, x, "mul"),
    ),
]
