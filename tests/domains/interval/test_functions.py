"""Enclosures of elementary functions contain the exact values, and are as tight as promised."""

import functools
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.domains.interval.functions_oracle import (
    FUNCTIONS,
    TWO_ARGUMENTS,
    as_arb,
    exact,
    exact2,
    points,
)
from torchlean_jax.domains.interval import _functions
from torchlean_jax.domains.interval._functions import (
    _erf,
    _erf_inv,
    _exp,
    _gamma,
    _hyperbolic,
    _inverse_trig,
    _log,
    _power,
    _root,
    _sigmoid,
    _table,
    _trig,
)

ROOT = Path(__file__).parents[3]
MODULES = (
    _erf,
    _erf_inv,
    _exp,
    _gamma,
    _hyperbolic,
    _inverse_trig,
    _log,
    _power,
    _root,
    _sigmoid,
    _trig,
)
DTYPES = ("float32", "float64")
# What the enclosure of one point may be wide, in units in the last place of its dtype.
WIDTH = {"erfc": 11, "tan": 10, "erf_inv": {"float32": 9, "float64": 40}, "pow": 14}
# Tight only absolutely: next to their zeros, lgamma and digamma are not; nor is a sine beyond
# the range of its reduction, or next to a multiple of pi/2.
ABSOLUTE = ("lgamma", "digamma", "sin", "cos", "tan")


def bounds_of(name):
    return getattr(_functions, f"{name}_bounds")


ROWS = 8


def evaluate(name, arrays):
    """`(lo, hi)` as NumPy arrays, in the dtype of the arguments, operation by operation."""
    with jax.enable_x64(True):
        lo, hi = bounds_of(name)(*map(jnp.asarray, arrays))
        assert lo.dtype == hi.dtype == arrays[0].dtype
        return np.asarray(lo), np.asarray(hi)


def evaluate_compiled(name, arrays):
    """The same under plain jit, outside and inside a loop: two codes, whose bits may differ."""
    f = bounds_of(name)

    def run(*arrays):
        rows = tuple(x.reshape(ROWS, -1) for x in arrays)
        _, looped = jax.lax.scan(lambda carry, row: (carry, f(*row)), None, rows)
        return f(*arrays), tuple(y.ravel() for y in looped)

    with jax.enable_x64(True):
        results = jax.jit(run)(*map(jnp.asarray, arrays))
        return jax.tree.map(np.asarray, results)


def misses(value, lo, hi):
    """Whether the exact value is outside [lo, hi]; NaN never encloses a number.

    The oracle's own interval is 2**-60 of the value wide or less, so "outside" is decided.
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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_exact_value_is_enclosed(name, dtype):
    x = points(dtype)
    assert not failures(name, x, *evaluate(name, [x]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_exact_value_is_enclosed_by_compiled_code(name, dtype):
    x = points(dtype)
    plain, looped = evaluate_compiled(name, [x])
    assert not failures(name, x, *plain)
    assert not failures(name, x, *looped)


@functools.cache
def argument_pairs(name, dtype):
    rng = np.random.default_rng(1)
    x = points(dtype, seed=2)
    y = rng.permutation(points(dtype, seed=3))
    if name == "pow":
        x = np.abs(x)
        y = np.where(np.arange(y.size) % 2, y, rng.normal(size=y.size) * 20).astype(dtype)
    return x, y


def failures_of_two(name, x, y, lo, hi):
    found = []
    for a, b, low, high in zip(x, y, lo, hi, strict=True):
        # The logarithm of a power beyond 10**6 says overflow, and Arb would build the number.
        huge = name == "pow" and (a <= 0 or abs(float(b) * float(as_arb(a).log())) > 1e6)
        cut = name == "atan2" and a == 0 and b <= 0
        if huge or cut or not (np.isfinite(a) and np.isfinite(b)):
            continue
        value = exact2(name, a, b)
        if value is not None and misses(value, low, high):
            found.append((float(a).hex(), float(b).hex(), low, high))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TWO_ARGUMENTS)
def test_the_exact_value_of_two_arguments_is_enclosed(name, dtype):
    x, y = argument_pairs(name, dtype)
    for lo, hi in (evaluate(name, [x, y]), *evaluate_compiled(name, [x, y])):
        assert not failures_of_two(name, x, y, lo, hi)


def ulps_wide(name, x, lo, hi):
    """The widest enclosure of a finite value well above underflow, in ulp of that value."""
    kind = np.finfo(x.dtype)
    widest = 0.0
    for point, low, high in zip(x, lo, hi, strict=True):
        value = exact(name, point) if np.isfinite(point) else None
        if value is None or not (np.isfinite(low) and np.isfinite(high)):
            continue
        size = abs(float(value.lower))
        # Beside the ulps there are 32 smallest normal numbers of slack: less than 1/16 ulp here.
        if kind.tiny * 2.0 ** (9 + kind.nmant) < size < kind.max:
            ulp = float(np.spacing(np.asarray(size, x.dtype)))
            widest = max(widest, (float(high) - float(low)) / ulp)
    return widest


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(ABSOLUTE)))
def test_an_enclosure_is_a_few_ulp_wide(name, dtype):
    x = points(dtype)
    promised = WIDTH.get(name, 8)
    promised = promised if isinstance(promised, int) else promised[dtype]
    assert ulps_wide(name, x, *evaluate(name, [x])) <= promised


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_a_sine_is_a_few_ulp_wide_away_from_huge_arguments(name):
    x = points("float32")
    x = x[np.abs(x) < 500]
    turns = x.astype(float) / (np.pi / 2)
    at_a_zero = (np.abs(turns - np.round(turns)) < 1e-6) & (np.abs(turns) > 0.5)
    for where, promised in ((at_a_zero, 12), (~at_a_zero, 10 if name == "tan" else 8)):
        lo, hi = evaluate(name, [x[where]])
        assert ulps_wide(name, x[where], lo, hi) <= promised


def swept(dtype, count=400):
    """Boxes of all sizes as two arrays, some of them points."""
    rng = np.random.default_rng(4)
    centre = rng.normal(size=count) * np.exp2(rng.uniform(-6, 6, count))
    radius = np.abs(rng.normal(size=count)) * np.exp2(rng.uniform(-20, 3, count))
    radius[::10] = 0
    return (centre - radius).astype(dtype), (centre + radius).astype(dtype)


def inside(name, lo, hi):
    """Arguments in [lo, hi]: the ends, equidistant ones, and those next to an extremum."""
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
    with jax.enable_x64(True):
        f = jax.jit(getattr(_functions, f"{name}_interval"))
        low, high = map(np.asarray, f(jnp.asarray(lo), jnp.asarray(hi)))
    for a, b, c, d in zip(lo, hi, low, high, strict=True):
        for x in inside(name, a, b):
            value = exact(name, x)
            assert value is None or not misses(value, c, d), (name, a, b, x)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_an_extremum_is_reached_only_if_it_is_inside(name):
    lo, hi = swept("float64")
    with jax.enable_x64(True):
        f = getattr(_functions, f"{name}_interval")
        low, high = map(np.asarray, f(jnp.asarray(lo), jnp.asarray(hi)))
    for a, b, c, d in zip(lo, hi, low, high, strict=True):
        values = [float(exact(name, x).lower) for x in inside(name, a, b)]
        assert d == pytest.approx(max(values), abs=1e-6)
        assert c == pytest.approx(min(values), abs=1e-6)


def test_a_box_of_angles_is_covered():
    rng = np.random.default_rng(5)
    low = rng.normal(size=(2, 300)).astype("float32")
    high = low + np.abs(rng.normal(size=(2, 300))).astype("float32")
    lo, hi = map(
        np.asarray, _functions.atan2_interval(*map(jnp.asarray, (low[0], high[0], low[1], high[1])))
    )
    for i in range(300):
        for s, t in rng.uniform(size=(6, 2)):
            y, x = (low[:, i] + np.array([s, t]) * (high[:, i] - low[:, i])).astype("float32")
            assert not misses(exact2("atan2", y, x), lo[i], hi[i])


def test_a_box_of_powers_is_covered():
    rng = np.random.default_rng(6)
    x = np.sort(np.abs(rng.normal(size=(2, 300))).astype("float32"), axis=0)
    y = np.sort(rng.normal(size=(2, 300)).astype("float32") * 3, axis=0)
    lo, hi = map(np.asarray, _functions.pow_interval(*map(jnp.asarray, (*x, *y))))
    for i in range(300):
        for s, t in rng.uniform(size=(6, 2)):
            a = np.float32(x[0, i] + s * (x[1, i] - x[0, i]))
            b = np.float32(y[0, i] + t * (y[1, i] - y[0, i]))
            assert not misses(exact2("pow", a, b), lo[i], hi[i])


# --- limits, domain errors, types ---

LIMITS = {
    "exp": {"inf": "inf", "-inf": "0"},
    "log": {"inf": "inf", "0": "-inf", "-0": "-inf", "-1": "nan", "-1e-40": "nan"},
    "log1p": {"-1": "-inf", "-2": "nan"},
    "sqrt": {"0": "0", "inf": "inf", "-1": "nan"},
    "rsqrt": {"0": "inf", "inf": "0", "-1": "nan"},
    "reciprocal": {"0": "inf", "-0": "-inf", "inf": "0"},
    "tanh": {"inf": "1", "-inf": "-1"},
    "logistic": {"inf": "1", "-inf": "0"},
    "erf": {"inf": "1", "-inf": "-1"},
    "erfc": {"inf": "0", "-inf": "2"},
    "softplus": {"inf": "inf", "-inf": "0"},
    "sinh": {"inf": "inf", "-inf": "-inf"},
    "cosh": {"-inf": "inf"},
    "asin": {"2": "nan"},
    "acos": {"-2": "nan"},
    "acosh": {"0.5": "nan", "inf": "inf"},
    "atanh": {"1": "inf", "-1": "-inf", "2": "nan"},
    "erf_inv": {"1": "inf", "-1": "-inf", "2": "nan"},
    "lgamma": {"inf": "inf"},
    "digamma": {"inf": "inf"},
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_enclosed_and_domain_errors_are_nan(name):
    for x, expected in LIMITS[name].items():
        lo, hi = bounds_of(name)(jnp.float32(float(x)))
        if expected == "nan":
            assert np.isnan(lo) and np.isnan(hi), x
        else:
            assert lo <= float(expected) <= hi, (x, lo, hi)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays_nan(name):
    lo, hi = bounds_of(name)(jnp.float32(np.nan))
    assert np.isnan(lo) and np.isnan(hi)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_endpoint_is_subnormal(name):
    x = points("float32")
    for ends in evaluate(name, [x]):
        assert not np.any((ends != 0) & (np.abs(ends) < np.finfo("float32").tiny))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int32"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="float32 and float64"):
        _functions.exp_bounds(jnp.ones(3, dtype))


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "sin", "sqrt"])
def test_both_ends_have_the_derivative_of_the_function(name):
    x = jnp.float32(0.7)
    below, above = jnp.float32(0.7 - 1e-3), jnp.float32(0.7 + 1e-3)
    slope = (exact(name, float(above)).lower - exact(name, float(below)).lower) / (
        as_arb(above) - as_arb(below)
    )
    for end in (0, 1):
        gradient = jax.grad(lambda x, end=end: bounds_of(name)(x)[end])(x)
        assert gradient == pytest.approx(float(slope), rel=1e-4)


def test_vmap_changes_nothing():
    x = jnp.linspace(-3.0, 3.0, 24, dtype="float32").reshape(4, 6)
    direct, mapped = _functions.erf_bounds(x), jax.vmap(_functions.erf_bounds)(x)
    assert all(np.array_equal(a, b) for a, b in zip(direct, mapped, strict=True))


# --- the suite notices what is broken ---


def without_widening(y, units, floor=None, ceiling=None, absolute=0.0):
    return y, y


def quarter_of_the_widening(y, units, floor=None, ceiling=None, absolute=0.0):
    return _table.widen(y, (units + 1) / 4 - 1, floor, ceiling, absolute / 4)


def broken_enclosures(name, monkeypatch, fault):
    for module in MODULES:
        if hasattr(module, "widen"):
            monkeypatch.setattr(module, "widen", fault)
    if name in TWO_ARGUMENTS:
        x, y = argument_pairs(name, "float32")
        return failures_of_two(name, x, y, *evaluate(name, [x, y]))
    x = points("float32")
    return failures(name, x, *evaluate(name, [x]))


@pytest.mark.parametrize("name", [*FUNCTIONS, *TWO_ARGUMENTS])
def test_a_forgotten_widening_is_noticed(name, monkeypatch):
    assert broken_enclosures(name, monkeypatch, without_widening)


@pytest.mark.parametrize("name", [*FUNCTIONS, *TWO_ARGUMENTS])
def test_a_widening_four_times_too_small_is_noticed(name, monkeypatch):
    assert broken_enclosures(name, monkeypatch, quarter_of_the_widening)


POLYNOMIALS = {
    "exp": "exp",
    "expm1": "expm1",
    "artanh": "log",
    "tanh": "tanh",
    "sinh": "sinh",
    "asinh": "asinh",
    "sin": "sin",
    "cos": "cos",
    "asin": "asin",
    "atan": "atan",
    "erf": "erf",
    "erfcx": "erfc",
    "erf_inv": "erf_inv",
    "erf_inv_tail": "erf_inv",
    "lgamma": "lgamma",
    "digamma": "digamma",
}


@pytest.mark.parametrize("polynomial", POLYNOMIALS)
def test_a_wrong_coefficient_is_noticed(polynomial, monkeypatch):
    numbers = _table.table("float32")
    first, *others = getattr(numbers, polynomial)
    wrong = _table.Polynomial([first * (1 + 2**-12), *others])
    monkeypatch.setattr(numbers, polynomial, wrong)
    x, name = points("float32"), POLYNOMIALS[polynomial]
    assert failures(name, x, *evaluate(name, [x]))


def test_the_script_derives_the_committed_numbers_again():
    script = ROOT / "scripts" / "derive_coefficients.py"
    run = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
