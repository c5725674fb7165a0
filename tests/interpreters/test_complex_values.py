"""Back-substitution through complex values: linear forms are of real numbers, so it has
to end there, and the bounds are those of intervals.

The oracle is NumPy at points, corners of the box among them.
"""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl

METHODS = ("forward", "crown-ibp", "crown", "alpha-crown")
LO, HI = np.array([-0.5, 0.25], np.float32), np.array([1.0, 2.0], np.float32)


def modulus(x):
    """Of x_0 + i x_1, less half of x_0: a value that is real again, and goes on."""
    return abs(lax.complex(x[0], x[1])) - 0.5 * x[0]


def exactly(x):
    return np.hypot(x[0], x[1]) - 0.5 * x[0]


def met():
    """The values at the corners and on a grid, in float64."""
    sides = [np.linspace(a, b, 9) for a, b in zip(LO, HI, strict=True)]
    return np.array([exactly(x) for x in itertools.product(*sides)])


def contains(method) -> bool:
    found = tl.bounds(modulus, method=method)(tl.box(jnp.array(LO), jnp.array(HI)))
    if found.lo.dtype != jnp.float32:
        return False
    return bool(found.lo <= met().min() and met().max() <= found.hi)


@pytest.mark.parametrize("method", METHODS)
def test_a_modulus_is_not_bounded_as_the_magnitude_of_a_real_number(method):
    """|x| has lines between its ends; those of its real part alone are no bounds of
    |z|: they once said that |1 + i| is 1."""
    assert contains(method)
