"""Cases on small whole numbers, where float32 is exact: XLA itself is the oracle.

Every product and sum below stays under 2**24, so that what XLA returns is the exact
result whatever its order and blocking. For parameters that place elements: windows,
strides, dilations, padding, groups, batches, modes of reading and writing.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.real.cases import Case

RNG = np.random.default_rng(1)


def whole(*shape, most=9):
    return RNG.integers(-most, most + 1, shape).astype(np.float32)


def distinct(*shape):
    """No two alike, so that every extreme is decided."""
    return RNG.permutation(np.prod(shape)).reshape(shape).astype(np.float32)


def by_xla(f):
    def exact(*inputs):
        results = jax.tree.leaves(jax.jit(f)(*inputs))
        for x in results:
            assert (np.abs(np.asarray(x)[np.isfinite(x)]) < 2**24).all()
        return [_fractions(np.asarray(x)) for x in results]

    return exact


def _fractions(x):
    if not np.issubdtype(x.dtype, np.floating):
        return x.astype(object)
    exact = np.empty(x.shape, object)
    for index, v in np.ndenumerate(x):
        exact[index] = Fraction(float(v)) if np.isfinite(v) else float(v)
        if np.isnan(v):
            exact[index] = None
    return exact


def small(name, f, *inputs):
    return Case(name, f, by_xla(f), inputs)


def window(function, start, size, strides, padding, base=(1, 1), apart=(1, 1)):
    return lambda x: lax.reduce_window(
        *(x, np.float32(start), function, size, strides, padding),
        base_dilation=base,
        window_dilation=apart,
    )


IMAGE = whole(5, 6)
POOLS = [
    small("pool_sum", window(lax.add, 0, (2, 3), (1, 2), ((1, 0), (0, 2))), IMAGE),
    small(
        "pool_dilated",
        window(lax.add, 0, (2, 3), (1, 2), ((2, 0), (0, 1)), (1, 2), (3, 1)),
        IMAGE,
    ),
    small(
        "pool_max",
        window(lax.max, -np.inf, (3, 2), (2, 1), ((1, 0), (0, 1))),
        IMAGE,
    ),
    small(
        "pool_max_dilated",
        window(lax.max, -np.inf, (2, 2), (2, 1), ((1, 0), (0, 1)), (2, 1), (1, 3)),
        IMAGE,
    ),
    small("pool_min", window(lax.min, np.inf, (2, 2), (1, 1), "SAME"), IMAGE),
    small(
        "pool_gradient",
        jax.grad(
            lambda x: (
                window(lax.max, -np.inf, (3, 2), (2, 1), ((1, 0), (0, 1)))(x)
                * np.arange(12, dtype=np.float32).reshape(2, 6)
            ).sum()
        ),
        distinct(5, 6),
    ),
    small(
        "pool_tangent",
        lambda x, t: jax.jvp(
            window(lax.min, np.inf, (3, 2), (2, 1), ((1, 0), (0, 1))), (x,), (t,)
        )[1],
        distinct(5, 6),
        whole(5, 6),
    ),
]


def conv(name, x, kernel, **params):
    params = {"window_strides": (1, 1), "padding": "VALID", **params}
    return small(name, lambda x, k: lax.conv_general_dilated(x, k, **params), x, kernel)


CONVS = [
    conv(
        "conv_everything",
        whole(2, 4, 5, 6),
        whole(6, 2, 2, 3),
        window_strides=(2, 1),
        padding=((2, 0), (1, 3)),
        lhs_dilation=(1, 2),
        rhs_dilation=(2, 1),
        feature_group_count=2,
    ),
    conv(
        "conv_cropped", whole(1, 1, 5, 5), whole(1, 1, 2, 2), padding=((-1, 0), (0, -2))
    ),
    conv(
        "conv_batch_groups", whole(4, 2, 3, 3), whole(6, 2, 2, 2), batch_group_count=2
    ),
    conv(
        "conv_channels_last",
        whole(2, 5, 4, 3),
        whole(2, 2, 3, 4),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    ),
    conv(
        "conv_line", whole(2, 3, 9), whole(4, 3, 4), window_strides=(2,), padding="SAME"
    ),
    small(
        "conv_gradients",
        jax.grad(
            lambda x, k: (
                lax.conv_general_dilated(
                    x, k, (2, 1), ((1, 0), (0, 1)), feature_group_count=2
                )
                ** 2
            ).sum(),
            (0, 1),
        ),
        whole(2, 4, 5, 4, most=3),
        whole(4, 2, 2, 2, most=3),
    ),
]

PRODUCTS = [
    small(
        "dot_of_batches",
        lambda x, y: jnp.einsum("bij,bjk->bik", x, y),
        whole(3, 2, 4),
        whole(3, 4, 5),
    ),
    small(
        "dot_of_mixed_axes",
        lambda x, y: jnp.einsum("aibc,cbja->jiab", x, y),
        whole(2, 3, 4, 2),
        whole(2, 4, 3, 2),
    ),
    small("dot_outer", lambda x, y: jnp.einsum("i,j->ij", x, y), whole(3), whole(4)),
    small("dot_empty", lambda x, y: x @ y, whole(3, 0), whole(0, 2)),
    small("dot_of_vectors", jnp.dot, whole(7), whole(7)),
]

POSITIONS = np.array([[0, 2], [3, 1], [-1, 0], [9, 9]], np.int32)


def scattered(name, mode):
    def f(x, u):
        at = x.at[POSITIONS[:, 0], POSITIONS[:, 1]]
        return [at.add(u, mode=mode), at.max(u, mode=mode), at.multiply(u, mode=mode)]

    return small(name, f, whole(4, 3), whole(4))


def read(name, mode):
    return small(
        name,
        lambda x: x.at[POSITIONS[:, 0], POSITIONS[:, 1]].get(mode=mode),
        whole(4, 3),
    )


WEIGHTS = whole(2, 3)
PLACES = [
    *(scattered(f"scatter_{mode}", mode) for mode in ("clip", "drop")),
    *(read(f"gather_{mode}", mode) for mode in ("clip", "fill")),
    small(
        "gather_filled",
        lambda x: x.at[POSITIONS[:, 0]].get(mode="fill", fill_value=7),
        whole(4, 3),
    ),
    small(
        "gather_windows",
        lambda x: jax.vmap(lambda i: lax.dynamic_slice(x, (i, 1), (2, 2)))(
            POSITIONS[:, 0]
        ),
        whole(4, 3),
    ),
    small(
        "gather_gradient",
        jax.grad(lambda x: (x[POSITIONS[:2, 0]] * WEIGHTS).sum()),
        whole(4, 3),
    ),
    small(
        "gather_in_batches",
        lambda x, i: jnp.take_along_axis(x, i, 1),
        whole(3, 5),
        np.array([[4, 0], [1, 1], [2, 3]], np.int32),
    ),
    small(
        "scatter_in_batches",
        jax.vmap(lambda x, i, u: x.at[i].add(u)),
        whole(3, 5),
        np.array([[4, 0], [1, 1], [2, 3]], np.int32),
        whole(3, 2),
    ),
    small(
        "pad_cropped",
        lambda x: lax.pad(x, np.float32(7), [(-1, 2, 1), (1, -2, 0)]),
        whole(4, 3),
    ),
    small(
        "sort_carrying",
        lambda x, y: lax.sort((x, y, lax.iota(jnp.int32, 8)), num_keys=2),
        whole(8, most=2),
        whole(8, most=3),
    ),
    small("top_two", lambda x: lax.top_k(x, 2), whole(3, 6)),
    small(
        "cumulative",
        lambda x: [
            jnp.cumsum(x, 1),
            lax.cummax(x, 0),
            lax.cummin(x, 1, reverse=True),
            jnp.cumprod(x[:, :4], 1),
        ],
        whole(4, 5),
    ),
    small(
        "reductions",
        lambda x: [
            x.sum(),
            x.max(0),
            x.min((0, 2)),
            jnp.prod(x, 1),
            x.argmax(2),
            x.any(1),
        ],
        whole(3, 4, 2),
    ),
]


SMALL = [*POOLS, *CONVS, *PRODUCTS, *PLACES]
