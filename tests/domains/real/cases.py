"""Cases of what is decided (comparisons, casts, order) and of ragged products.

Oracles: mpmath and fractions. Further rows are in `cases_*.py`; `all_cases.py` has all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import jax
import jax.numpy as jnp
import ml_dtypes
import mpmath as mp
import numpy as np
from jax import lax

from tests.domains.real.agreement import ORACLE_DIGITS, disagreements, run


@dataclass(frozen=True)
class Case:
    name: str
    f: Callable
    exact: Callable
    inputs: tuple

    def __str__(self):
        return self.name

    def disagreements(self):
        return disagreements(run(self.f, *self.inputs), self.exact(*self.inputs))


RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def precise(function):
    """An oracle on mpmath matrices, computed with digits to spare."""

    def exact(*inputs):
        with mp.workdps(2 * ORACLE_DIGITS):
            return function(*inputs)

    return exact


NUMBERS = np.array([-1.5, 0, 2, 2, 7.25], np.float32)
OTHERS = np.array([-1.5, 1, 1, 3, 7.25], np.float32)


def flags(*compare):
    def exact(x, y):
        return [c(x, y).astype(object) for c in compare]

    return exact


def beside_itself(x):
    """<, <=, >, >=, ==, != of log x: where that is no number, only != holds."""
    holds = {"lt": False, "le": True, "gt": False, "ge": True, "eq": True, "ne": False}
    return [
        np.array([answer if v >= 0 else name == "ne" for v in x], object)
        for name, answer in holds.items()
    ]


DECIDED = [
    Case(
        "comparisons",
        lambda x, y: [x < y, x <= y, x > y, x >= y, x == y, x != y],
        flags(
            *(np.less, np.less_equal, np.greater, np.greater_equal),
            *(np.equal, np.not_equal),
        ),
        (NUMBERS, OTHERS),
    ),
    Case(
        "with_itself",
        lambda x: [(c := jnp.log(x)) < c, c <= c, c > c, c >= c, c == c, c != c],
        beside_itself,
        (np.array([-1, 0, 2, 3], np.float32),),
    ),
    Case(
        "casts",
        lambda x: [
            x.astype(jnp.int32),
            x.astype(bool),
            x.astype(jnp.bfloat16).astype(jnp.float32),
            x.astype(jnp.complex64),
        ],
        lambda x: [
            np.array([int(v) for v in x], object),
            np.array([bool(v) for v in x], object),
            np.array([Fraction(float(v)) for v in x], object),
            np.array([Fraction(float(v)) for v in x], object),
            np.array([Fraction(0) for v in x], object),
        ],
        (np.array([-2.75, 0, 0.999, 1e-45, 123456.5], np.float32),),
    ),
    Case(
        "cast_of_large_integers",
        lambda n: n.astype(jnp.float32),
        lambda n: n.astype(object),
        (np.array([2**24 + 1, -(2**31), 2**31 - 1], np.int32),),
    ),
    Case(
        "iota_past_the_mantissa",
        lambda x: lax.iota(jnp.bfloat16, 300).astype(jnp.float32) + x,
        lambda x: np.arange(300).astype(object),
        (np.float32(0),),
    ),
    Case(
        "bits_of_integers",
        lambda n: lax.bitcast_convert_type(n, jnp.float32) * 3,
        lambda n: np.array([Fraction(float(v)) * 3 for v in n.view(np.float32)]),
        (np.array([0x3F800001, 0x1, 0x7F7FFFFF], np.uint32),),
    ),
    Case(
        "bits_of_arguments",
        lambda x: lax.bitcast_convert_type(x, jnp.int32),
        lambda x: x.view(np.int32).astype(object),
        (NUMBERS,),
    ),
    Case(
        "half_formats",
        lambda x, y: x.astype(jnp.float32) * y.astype(jnp.float32),
        lambda x, y: np.array(
            [Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, y, strict=True)]
        ),
        (
            np.array([0.1, 3e38, 1e-40], ml_dtypes.bfloat16),
            np.array([0.1, 65504, 6e-8], np.float16),
        ),
    ),
    Case(
        "first_of_equals",
        lambda x: [jnp.argmax(x), jnp.argmin(-x), lax.top_k(x, 3)[1], jnp.argsort(x)],
        lambda x: [
            *(np.array(v, object) for v in (1, 1, [1, 3, 0], [2, 0, 1, 3])),
        ],
        (np.array([1, 5, -2, 5], np.float32),),
    ),
    Case(
        "nan_is_largest",
        lambda x: [jnp.argmax(x), jnp.argsort(x), jnp.max(x)],
        lambda x: [np.array(v, object) for v in (1, [2, 0, 3, 1], None)],
        (np.array([1, np.nan, -2, 5], np.float32),),
    ),
    Case(
        "gradient_of_a_maximum",
        jax.grad(lambda x: jnp.max(jnp.exp(x) / 3)),
        precise(lambda x: np.array([0, mp.exp(mp.mpf(float(x[1]))) / 3, 0], object)),
        (np.array([0.25, 0.75, 0.5], np.float32),),
    ),
    Case(
        "device_and_sharding",
        lambda x: jax.device_put(lax.stop_gradient(x)),
        lambda x: np.array([Fraction(float(v)) for v in x], object),
        (NUMBERS,),
    ),
]
GROUPS = np.array([2, 0, 1], np.int32)
ROWS, MATRICES = normal(5, 3), normal(3, 3, 2)


def exactly(x):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(x, float))


def by_group(x, w):
    """Rows 0, 1 with the first matrix, row 2 with the third, the others are 0."""
    x, w = exactly(x), exactly(w)
    return np.concatenate([x[:2] @ w[0], x[2:3] @ w[2], 0 * x[3:] @ w[0]])


def kernel_gradient(x, w):
    """d/dw of the sum of the product: the sum of the rows of each group."""
    x = exactly(x)
    sums = [x[:2].sum(0), 0 * x[0], x[2]]
    return np.stack([np.stack([s, s], 1) for s in sums])


def ragged(x, w):
    return lax.ragged_dot(x, w, GROUPS)


RAGGED = [
    Case("ragged_rows", ragged, by_group, (ROWS, MATRICES)),
    Case(
        "ragged_sums",
        jax.grad(lambda x, w: ragged(x, w).sum(), 1),
        kernel_gradient,
        (ROWS, MATRICES),
    ),
]

CASES = [*DECIDED, *RAGGED]
