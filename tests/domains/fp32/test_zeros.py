"""Terms that are 0 in every run, as in padding, cost a sum no rounding.

The oracle is NumPy: float32 additions one by one, beside sums of fractions.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.fp32 import _contraction, _reduce

# Half a unit in the last place of 1: each is lost when it is added to 1.
LOST = np.float32(2.0**-24)
TERMS, PADDED = 5, 32
X = np.array([1.0, *[LOST] * (TERMS - 1)], np.float32)
HELD = np.arange(PADDED) % 7 == 0  # five places


def spread_out(x):
    """`x` among zeros that any trace can see."""
    return jnp.where(HELD, jnp.zeros(PADDED).at[np.flatnonzero(HELD)].set(x), 0.0)


def padded_sum(x):
    return spread_out(x).sum()


def padded_dot(x):
    dot = jnp.dot(spread_out(x), jnp.ones(PADDED), precision=lax.Precision.HIGHEST)
    return dot


def windows(x):
    return lax.reduce_window(spread_out(x), 0.0, lax.add, (PADDED,), (1,), "VALID")


PROGRAMS = [padded_sum, padded_dot, windows]


def lost_from_left_to_right(x):
    run, exact = np.float32(0), Fraction(0)
    for term in np.asarray(spread_out(x)):
        run, exact = np.float32(run + term), exact + Fraction(float(term))
    return float(abs(Fraction(float(run)) - exact))


def bound(program, x):
    return float(np.max(tl.float_error(program)(x).bound))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_bound_holds_and_padding_does_not_count(program):
    lost = lost_from_left_to_right(X)
    assert lost == (TERMS - 1) * LOST
    # a product may be rounded once more, though times 1 it is not
    assert lost <= bound(program, X) < 1.3 * lost


@pytest.mark.parametrize("program", PROGRAMS)
def test_in_float32_within_a_program(program):
    """As above, where counts and bounds are in float32."""
    found = jax.jit(tl.interpret(program, domain=tl.FP32()))(tl.FP32.lift(X))
    assert lost_from_left_to_right(X) <= float(np.max(found.error)) < 2 * TERMS * LOST


def test_sums_of_random_terms_in_random_order():
    rng = np.random.default_rng(3)
    bounded = jax.jit(tl.interpret(padded_sum, domain=tl.FP32()))
    for _ in range(50):
        x = (rng.standard_normal(TERMS) * np.exp2(rng.integers(-9, 9, TERMS))).astype(
            np.float32
        )
        terms = list(np.asarray(spread_out(x))[rng.permutation(PADDED)])
        exact = sum((Fraction(float(t)) for t in terms), Fraction(0))
        while len(terms) > 1:  # any tree
            a = terms.pop(rng.integers(len(terms)))
            b = terms.pop(rng.integers(len(terms)))
            terms.append(np.float32(a + b))
        assert abs(Fraction(float(terms[0])) - exact) <= Fraction(
            float(bounded(tl.FP32.lift(x)).error)
        )


@pytest.mark.parametrize("program", PROGRAMS[:2])
def test_a_rounding_too_few_is_noticed(program, monkeypatch):
    sound = _reduce.shared
    for module in (_reduce, _contraction):
        monkeypatch.setattr(module, "shared", lambda k, n, own: sound(k - 2, n, own))
    assert bound(program, X) < lost_from_left_to_right(X)


def test_zeros_that_are_not_sure_count(monkeypatch):
    """A box that holds 0 may hold another number."""
    box = tl.box(np.zeros(PADDED, np.float32), np.full(PADDED, LOST))
    one = bound(lambda x: x.at[0].set(1.0).sum(), box)
    assert one >= (PADDED - 1) * LOST


def test_a_flushed_number_beside_zeros_counts():
    """x + 0 is 0 where subnormal numbers are flushed."""
    tiny = np.float32(2.0**-130)
    at_one = np.where(np.arange(TERMS) == 0, tiny, 0).astype(np.float32)
    assert bound(padded_sum, at_one) >= tiny
    least = np.float32(2.0**-126)  # normal, and its difference is not

    def difference(x):
        return padded_sum(x * np.array([1, -1, 0, 0, 0], np.float32))

    x = np.array([1.5 * least, least, 0, 0, 0], np.float32)
    assert bound(difference, x) >= 0.5 * least


def test_zero_and_zero_are_zero():
    masked = lambda x: jnp.where(HELD, 0.0, x)
    x = np.full(PADDED, 1 / 3, np.float32)
    error = tl.float_error(lambda x: masked(x) + masked(x * x))(x).bound
    assert not np.asarray(error)[HELD].any() and np.asarray(error)[~HELD].all()


def test_infinity_beside_zero_is_no_number():
    def dot(x):
        return jnp.dot(spread_out(x), jnp.full(PADDED, jnp.inf))

    assert bound(dot, X) == np.inf
