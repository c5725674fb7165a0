"""Each elementwise primitive against mpmath, and against limits at infinity."""

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special as sp
from jax import lax

import torchlean_jax as tl
from tests.domains.real.agreement import disagreements, run
from tests.domains.real.functions import FUNCTIONS


def parts(values):
    """Complex oracles apart, as results are compared."""
    if any(isinstance(v, mpmath.mpc) for v in values.flat):
        take = lambda name: np.vectorize(lambda z: getattr(z, name), otypes=[object])
        return [take("real")(values), take("imag")(values)]
    return values


@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_it_agrees_with_mpmath(function):
    inputs = function.inputs(seed=0)
    assert not disagreements(
        run(function.f, *inputs), parts(function.expected(*inputs))
    )


SPECIAL = np.array(
    [np.inf, -np.inf, np.nan, 0, 1, -1, 2, -2, -3, 0.5, -0.5], np.float32
)
SAME_NAME = (
    "exp exp2 expm1 log log1p log2 tanh sqrt cbrt sin cos tan sinh cosh sign floor "
    "ceil abs square"
).split()
ONE = {name: getattr(np, name) for name in SAME_NAME} | {
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "logistic": sp.expit,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "neg": np.negative,
    "erf": sp.erf,
    "erfc": sp.erfc,
    "erf_inv": sp.erfinv,
    "lgamma": sp.gammaln,
    "digamma": sp.digamma,
    "bessel_i0e": sp.i0e,
    "bessel_i1e": sp.i1e,
    "is_finite": np.isfinite,
}
TWO = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "rem": np.fmod,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "atan2": np.arctan2,
    "igamma": sp.gammainc,
    "igammac": sp.gammaincc,
}


def stricter(name, *xs):
    """Where floats have a number by convention and the reals have none."""
    x = xs[0]
    with np.errstate(all="ignore"):
        if name == "lgamma":
            return x == -np.inf  # no limit
        if name == "digamma":
            return x == 0  # a pole; -0 is none
        if name == "div":
            return xs[1] == 0
        if name == "pow":
            # 1**inf, (-2)**inf, nan**0, 0**-1, (-inf)**0.5
            whole = xs[1] == np.floor(xs[1])
            return (
                (np.isinf(xs[1]) & ((x < 0) | (x == 1)))
                | np.isnan(x)
                | np.isnan(xs[1])
                | ((x == 0) & (xs[1] < 0))
                | ((x == -np.inf) & ~whole)
            )
        if name == "atan2":
            return np.isinf(x) & np.isinf(xs[1]) | ((x == 0) & (xs[1] == 0))
        if name in ("igamma", "igammac"):
            return np.isinf(x) | (x == 0)
    return np.zeros(x.shape, bool)


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_infinities_and_nan_are_as_in_floats_or_no_number(name):
    """What floats give at 0, infinities and NaN, unless it is a mere convention."""
    xs = [SPECIAL]
    if name in TWO:
        xs = [m.ravel() for m in np.meshgrid(SPECIAL, SPECIAL)]
    with np.errstate(all="ignore"):
        expected = {**ONE, **TWO}[name](*[x.astype(np.float64) for x in xs])
    result = run(getattr(lax, name, None) or getattr(jnp, name), *xs)
    if tl.Real.is_value(result):
        expected = np.where(stricter(name, *xs), np.nan, expected)
        np.testing.assert_allclose(result.mid, expected, rtol=1e-13, atol=1e-13)
    else:
        np.testing.assert_array_equal(result, expected)


def test_a_masked_row_is_what_it_is_in_floats():
    """Masks of -inf: exp gives 0, a row of nothing but masks gives no number."""
    scores = np.array([[1.0, 2.0, -np.inf], [-np.inf] * 3], np.float32)
    rows = run(lambda x: jnp.exp(x) / jnp.exp(x).sum(-1, keepdims=True), scores)
    assert rows[0, 2].decimal() == "0"
    assert np.isnan(rows[1].mid).all() and np.isfinite(rows[0].mid).all()
    assert run(jnp.logaddexp, np.float32(-np.inf), np.float32(-np.inf)).mid == -np.inf
