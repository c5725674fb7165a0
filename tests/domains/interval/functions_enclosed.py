"""Running an enclosure in each way that XLA can compile it, and looking for values it
misses.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from tests.domains.interval.functions_oracle import as_arb, exact, exact2, points
from torchlean_jax.domains.interval import _functions

DTYPES = ("float32", "float64")
ROWS = 8


def bounds_of(name):
    return getattr(_functions, f"{name}_bounds")


def evaluate(name, arrays):
    """`(lo, hi)` as NumPy arrays, in the dtype of the arguments, operation by
    operation.
    """
    with jax.enable_x64(arrays[0].dtype == "float64"):
        lo, hi = bounds_of(name)(*map(jnp.asarray, arrays))
        assert lo.dtype == hi.dtype == arrays[0].dtype
        return np.asarray(lo), np.asarray(hi)


def evaluate_compiled(name, arrays):
    """The same under plain jit, outside and inside a loop: two codes, whose bits may
    differ.
    """
    f = bounds_of(name)

    def run(*arrays):
        rows = tuple(x.reshape(ROWS, -1) for x in arrays)
        _, looped = jax.lax.scan(lambda carry, row: (carry, f(*row)), None, rows)
        return f(*arrays), tuple(y.ravel() for y in looped)

    with jax.enable_x64(arrays[0].dtype == "float64"):
        results = jax.jit(run)(*map(jnp.asarray, arrays))
        return jax.tree.map(np.asarray, results)


def misses(value, lo, hi):
    """Whether the exact value is outside [lo, hi]; NaN never encloses a number.

    The oracle's own interval is 2**-60 of the value wide or less, so "outside" is
    decided.
    """
    if np.isnan(lo) or np.isnan(hi):
        return True
    low = lo != -np.inf and as_arb(lo) > value.upper
    return low or (hi != np.inf and as_arb(hi) < value.lower)


def failures(name, x, lo, hi):
    """The finite arguments whose exact value is missed."""
    found = []
    for point, low, high in zip(x, lo, hi, strict=True):
        if not np.isfinite(point):
            continue
        value = exact(name, point)
        if value is not None and misses(value, low, high):
            found.append((float(point).hex(), low, high))
    return found


@functools.cache
def argument_pairs(name, dtype):
    rng = np.random.default_rng(1)
    x = points(dtype, seed=2)
    y = rng.permutation(points(dtype, seed=3))
    if name == "pow":
        x = np.abs(x)
        y = np.where(np.arange(y.size) % 2, y, rng.normal(size=y.size) * 20).astype(
            dtype
        )
    return x, y


def failures_of_two(name, x, y, lo, hi):
    found = []
    for a, b, low, high in zip(x, y, lo, hi, strict=True):
        # The logarithm of a power beyond 10**6 says overflow, and Arb would build the
        # number.
        huge = name == "pow" and (
            a <= 0 or abs(float(b) * float(as_arb(a).log())) > 1e6
        )
        cut = name == "atan2" and a == 0 and b <= 0
        if huge or cut or not (np.isfinite(a) and np.isfinite(b)):
            continue
        value = exact2(name, a, b)
        if value is not None and misses(value, low, high):
            found.append((float(a).hex(), float(b).hex(), low, high))
    return found
