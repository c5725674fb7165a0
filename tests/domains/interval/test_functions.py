"""Enclosures of elementary functions contain the exact values, and are tight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.domains.interval.functions_enclosed import (
    DTYPES,
    ROWS,
    argument_pairs,
    bounds_of,
    evaluate,
    evaluate_compiled,
    failures,
    failures_of_two,
)
from tests.domains.interval.functions_oracle import (
    FUNCTIONS,
    TWO_ARGUMENTS,
    as_arb,
    exact,
    points,
)
from torchlean_jax.domains.interval import _functions

# What the enclosure of one point may be wide, in units in the last place of its dtype.
WIDTH = {"erfc": 11, "tan": 10, "erf_inv": {"float32": 9, "float64": 72}, "pow": 14}
# Tight only absolutely: next to their zeros, lgamma and digamma are not; nor is a sine
# beyond the range of its reduction, or next to a multiple of pi/2.
ABSOLUTE = ("lgamma", "digamma", "sin", "cos", "tan")


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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TWO_ARGUMENTS)
def test_the_exact_value_of_two_arguments_is_enclosed(name, dtype):
    x, y = argument_pairs(name, dtype)
    for lo, hi in (evaluate(name, [x, y]), *evaluate_compiled(name, [x, y])):
        assert not failures_of_two(name, x, y, lo, hi)


def ulps_wide(name, x, lo, hi):
    """The widest enclosure of a finite value well above underflow, in ulp of that
    value.
    """
    kind = np.finfo(x.dtype)
    widest = 0.0
    for point, low, high in zip(x, lo, hi, strict=True):
        value = exact(name, point) if np.isfinite(point) else None
        if value is None or not (np.isfinite(low) and np.isfinite(high)):
            continue
        size = abs(float(value.lower))
        # Beside the ulps there are 32 smallest normal numbers of slack: less than 1/16
        # ulp here.
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
    lo, hi = evaluate(name, [x])
    moderate = np.abs(x) < 500
    turns = np.where(moderate, x, 0.0) / (np.pi / 2)
    at_a_zero = (np.abs(turns - np.round(turns)) < 1e-6) & (np.abs(turns) > 0.5)
    away = 10 if name == "tan" else 8
    for where, promised in ((at_a_zero, 12), (~at_a_zero, away)):
        where = where & moderate
        assert ulps_wide(name, x[where], lo[where], hi[where]) <= promised


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


def test_vmap_keeps_the_enclosure():
    x = points("float32")
    lo, hi = jax.jit(jax.vmap(jax.vmap(_functions.erf_bounds)))(x.reshape(ROWS, -1))
    assert not failures("erf", x, np.ravel(lo), np.ravel(hi))
