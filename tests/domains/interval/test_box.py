"""`tl.box`: what it holds, and what it refuses."""

import fractions

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl


def test_a_box_of_corners_is_just_that():
    box = tl.box(0.1, jnp.array([0.5, 1.0]))
    assert box.shape == (2,) and box.lo.dtype == jnp.float32
    assert (box.hi == jnp.array([0.5, 1.0])).all()
    assert (np.asarray(box.lo, float) <= 0.1).all() and (box.lo > 0.0999999).all()


def test_a_radius_is_rounded_outward():
    x, r = np.float32(0.7), np.float32(0.02)
    box = tl.box(x, radius=r)
    exact = [
        fractions.Fraction(float(x)) + s * fractions.Fraction(float(r)) for s in (-1, 1)
    ]
    assert fractions.Fraction(float(box.lo)) <= exact[0]
    assert exact[1] <= fractions.Fraction(float(box.hi))
    under_jit = jax.jit(lambda x: tl.box(x, radius=r))(x)
    assert under_jit.lo <= box.lo and box.hi <= under_jit.hi


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_a_radius_of_a_narrow_dtype_is_rounded_outward(dtype):
    x = jnp.asarray(1.0, dtype)
    box = tl.box(x, radius=1e-4)
    assert box.lo.dtype == dtype
    assert float(box.lo) <= 1 - 1e-4 and float(box.hi) >= 1 + 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda: tl.box(1.0, 0.0), "lo > hi"),
        (lambda: tl.box(np.nan, 1.0), "finite"),
        (lambda: tl.box(0.0, np.inf), "finite"),
        (lambda: tl.box(0.0, radius=-1.0), "radius < 0"),
        (lambda: tl.box(0.0, radius=np.nan), "finite"),
        (lambda: tl.box(jnp.arange(3), jnp.arange(3)), "int32"),
        (lambda: tl.box(jnp.ones(2), jnp.ones(3)), "broadcast|shape"),
        (lambda: tl.box(0.0), "either"),
        (lambda: tl.box(0.0, 1.0, radius=0.1), "either"),
        (lambda: tl.box(tl.box(0.0, 1.0), 2.0), "already a box"),
    ],
)
def test_what_is_not_a_box_is_refused(arguments, message):
    with pytest.raises(tl.InputError, match=message):
        arguments()


def test_the_first_bad_element_is_named():
    with pytest.raises(tl.InputError, match=r"1 of 3 elements.*index \[1\]"):
        tl.box(jnp.array([0.0, 2.0, 0.0]), jnp.ones(3))
