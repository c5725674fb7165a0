"""Functions that are not monotone, on intervals: all values inside, and little else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.domains.interval.functions_enclosed import (
    DTYPES,
    misses,
)
from tests.domains.interval.functions_oracle import (
    exact,
    exact2,
)
from torchlean_jax.domains.interval import _functions


def swept(dtype, count=400):
    """Boxes of all sizes as two arrays, some of them points."""
    rng = np.random.default_rng(4)
    centre = rng.normal(size=count) * np.exp2(rng.uniform(-6, 6, count))
    radius = np.abs(rng.normal(size=count)) * np.exp2(rng.uniform(-20, 3, count))
    radius[::10] = 0
    return (centre - radius).astype(dtype), (centre + radius).astype(dtype)


def inside(name, lo, hi):
    """Arguments in [lo, hi]: the ends, equidistant ones, and those next to extrema."""
    inner = np.linspace(float(lo), float(hi), 9)[1:-1]
    first, last = (float(edge) / (np.pi / 2) for edge in (lo, hi))
    extrema = np.arange(np.ceil(first), np.floor(last) + 1)[:60] * (np.pi / 2)
    extrema = np.append(extrema, [0.0, 1.4616321] if name != "tan" else [])
    x = np.concatenate([inner, extrema]).astype(lo.dtype)
    return [lo, hi, *x[(x >= lo) & (x <= hi)]]


INTERVALS = ("sin", "cos", "tan", "cosh", "lgamma", "digamma")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", INTERVALS)
def test_an_interval_of_arguments_is_covered(name, dtype):
    lo, hi = swept(dtype)
    with jax.enable_x64(lo.dtype == "float64"):
        f = jax.jit(getattr(_functions, f"{name}_interval"))
        low, high = map(np.asarray, f(jnp.asarray(lo), jnp.asarray(hi)))
    for a, b, c, d in zip(lo, hi, low, high, strict=True):
        for x in inside(name, a, b):
            value = exact(name, x)
            assert value is None or not misses(value, c, d), (name, a, b, x)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_an_extremum_is_reached_only_if_it_is_inside(name):
    lo, hi = swept("float64")
    with jax.enable_x64(lo.dtype == "float64"):
        f = jax.jit(getattr(_functions, f"{name}_interval"))
        low, high = map(np.asarray, f(jnp.asarray(lo), jnp.asarray(hi)))
    for a, b, c, d in zip(lo, hi, low, high, strict=True):
        values = [float(exact(name, x).lower) for x in inside(name, a, b)]
        assert d == pytest.approx(max(values), abs=1e-6)
        assert c == pytest.approx(min(values), abs=1e-6)


def test_a_box_of_angles_is_covered():
    rng = np.random.default_rng(5)
    low = rng.normal(size=(2, 300)).astype("float32")
    high = low + np.abs(rng.normal(size=(2, 300))).astype("float32")
    ends = map(jnp.asarray, (low[0], high[0], low[1], high[1]))
    lo, hi = map(np.asarray, jax.jit(_functions.atan2_interval)(*ends))
    for i in range(300):
        for s, t in rng.uniform(size=(6, 2)):
            y, x = (low[:, i] + np.array([s, t]) * (high[:, i] - low[:, i])).astype(
                "float32"
            )
            assert not misses(exact2("atan2", y, x), lo[i], hi[i])


def test_a_box_of_powers_is_covered():
    rng = np.random.default_rng(6)
    x = np.sort(np.abs(rng.normal(size=(2, 300))).astype("float32"), axis=0)
    y = np.sort(rng.normal(size=(2, 300)).astype("float32") * 3, axis=0)
    lo, hi = map(
        np.asarray, jax.jit(_functions.pow_interval)(*map(jnp.asarray, (*x, *y)))
    )
    for i in range(300):
        for s, t in rng.uniform(size=(6, 2)):
            a = np.float32(x[0, i] + s * (x[1, i] - x[0, i]))
            b = np.float32(y[0, i] + t * (y[1, i] - y[0, i]))
            assert not misses(exact2("pow", a, b), lo[i], hi[i])
