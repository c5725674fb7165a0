"""Comparing functions on patterns with the oracle: what fails, and where."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np

from tests.domains.ieee32 import functions_oracle as oracle
from torchlean_jax.domains.ieee32._functions import _coefficients, _hard_cases

# Beyond these, an argument is moved to a place where the result is the same.
FOLLOWED = {
    "exp": (-103.9, 88.7),
    "exp2": (-150, 128),
    "expm1": (-103.9, 88.7),
    "tanh": (-10, 10),
    "logistic": (-103.9, 200),
    "erf": (-3.9499, 3.9499),
    "erfc": (-3.9499, 10.05),
    "sinh": (-89.4, 89.4),
    "cosh": (-89.4, 89.4),
}


def with_table(name):
    """The sample, and the hard cases of a function with their neighbours."""
    keys = np.array([*_hard_cases.HARD_CASES.get(name, {})], np.uint32)
    around = np.concatenate([keys, keys + 1, keys - 1, keys ^ np.uint32(oracle.SIGN)])
    return np.concatenate([_sample(), around]).astype(np.uint32)


@functools.cache
def _sample():
    return oracle.sample()


def wrong(name, bits, results):
    """The inputs whose results are not the correctly rounded ones."""
    expected = [oracle.rounded(name, int(b)) for b in bits]
    different = np.asarray(results) != np.array(expected, np.uint32)
    return bits[different].tolist()


def beyond_the_bound(name, values, bits):
    """The inputs where a float64 value is further from the exact one than proved."""
    low, high = FOLLOWED.get(name, (-np.inf, np.inf))
    below = _function(name).reasoned_below
    exact = [oracle.exact(name, int(b)) for b in bits]
    x = bits.view(np.float32)
    kept = [
        i
        for i, y in enumerate(exact)
        if y is not None and y != 0 and low <= x[i] <= high and abs(x[i]) >= below
    ]
    arguments = np.abs(x) if _symmetric(name) else x
    with np.errstate(invalid="ignore"), jax.enable_x64(True):
        y = np.asarray(jax.jit(values)(jnp.asarray(arguments.astype(np.float64))))
    near = mpmath.mpf(_coefficients.ERRORS[name]) / 2**53
    far = mpmath.mpf(_coefficients.FAR_ERRORS.get(name, _coefficients.ERRORS[name]))
    far = far / 2**53
    found = []
    with mpmath.workdps(40):
        for i in kept:
            value = abs(exact[i]) if _odd(name) else exact[i]
            size = abs(value)
            computed = mpmath.mpf(abs(y[i]) if _odd(name) else y[i])
            if abs(computed - value) > (far if size >= 3 else near) * size:
                found.append(int(bits[i]))
    return found


def _function(name):
    from torchlean_jax.domains.ieee32._functions import UNARY

    return UNARY[name]


def _odd(name):
    return _function(name).symmetry == "odd"


def _symmetric(name):
    return _function(name).symmetry != "none"
