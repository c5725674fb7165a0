"""Laws that hold bit for bit, for numbers that hypothesis chooses."""

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import torchlean_jax as tl
from tests.domains.ieee32.patterns import floats

COUNT = 64
WORDS = st.lists(st.integers(0, 2**32 - 1), min_size=COUNT, max_size=COUNT)
DIRECTIONS = {
    name: tl.IEEE32(rounding=name)
    for name in ("nearest-even", "toward-zero", "down", "up")
}
NEAREST = DIRECTIONS["nearest-even"]
law = settings(derandomize=True, deadline=None, max_examples=20, database=None)


def value(words):
    return tl.IEEE32.from_bits(np.array(words, np.uint32))


def numbers(x):
    return np.asarray(x.to_float())


def bits(x):
    return np.asarray(x.bits)


def negated(x):
    """-x, and NaNs as the canonical one."""
    return tl.IEEE32.from_bits(
        np.where(bits(x) == 0x7FC00000, bits(x), bits(x) ^ 2**31)
    )


@law
@given(WORDS, WORDS)
def test_sums_and_products_commute(x, y):
    x, y = value(x), value(y)
    for name in ("add", "mul"):
        operation = getattr(NEAREST, name)
        assert (bits(operation(x, y)) == bits(operation(y, x))).all()


@law
@given(WORDS, WORDS)
def test_directions_enclose_the_nearest(x, y):
    x, y = value(x), value(y)
    for name in ("add", "mul", "div"):
        nearest, inward, down, up = (
            numbers(getattr(d, name)(x, y)) for d in DIRECTIONS.values()
        )
        known = ~np.isnan(nearest)
        assert ((down <= nearest) & (nearest <= up))[known].all()
        assert (np.abs(inward) == np.minimum(np.abs(down), np.abs(up)))[known].all()
        # neighbours, or one number
        with np.errstate(all="ignore"):
            assert (np.nextafter(down, np.inf, dtype=np.float32) >= up)[known].all()


@law
@given(WORDS, WORDS)
def test_down_is_up_mirrored(x, y):
    """Rounding -(x + y) down is minus rounding it up, the signs of zeros included."""
    x, y = value(x), value(y)
    for name in ("add", "mul", "div"):
        mirrored = (negated(x), negated(y) if name == "add" else y)
        down = getattr(DIRECTIONS["down"], name)(*mirrored)
        up = getattr(DIRECTIONS["up"], name)(x, y)
        assert (bits(down) == bits(negated(up))).all()


@law
@given(WORDS, WORDS)
def test_fma_without_a_sum_is_a_product(x, y):
    """-0 is what adds nothing, whatever the sign of the product."""
    x, y = value(x), value(y)
    nothing = value([1 << 31] * COUNT)
    assert (bits(NEAREST.fma(x, y, nothing)) == bits(NEAREST.mul(x, y))).all()


@law
@given(WORDS, st.lists(st.integers(0, 3), min_size=COUNT, max_size=COUNT))
def test_differences_of_near_numbers_are_exact(x, steps):
    """Sterbenz: y/2 <= x <= 2y makes x - y exact, so every direction agrees."""
    x = np.array(x, np.uint32) & 0x7F7FFFFF
    y = value(np.minimum(x + np.array(steps, np.uint32), 0x7F7FFFFF))
    results = [bits(d.sub(value(x), y)) & 0x7FFFFFFF for d in DIRECTIONS.values()]
    assert all((results[0] == other).all() for other in results[1:])


@law
@given(WORDS, WORDS)
def test_remainders_are_small_and_exact(x, y):
    x, y = value(x), value(y)
    rest, half = numbers(NEAREST.rem(x, y)), numbers(NEAREST.remainder(x, y))
    size = np.abs(floats(bits(y))).astype(np.float64)
    known = ~np.isnan(rest)
    assert (np.abs(rest) < size)[known].all()
    assert (2 * np.abs(half.astype(np.float64)) <= size)[known].all()


@law
@given(WORDS)
def test_both_ways_round_trip(x):
    """Through float64 and back, through floats and back."""
    words = np.array(x, np.uint32)
    kept = value(words)
    again = tl.IEEE32.lift(kept.to_float())
    nan = (words & 0x7FFFFFFF) > 0x7F800000
    assert ((bits(again) == words) | nan).all()
    with jax.enable_x64(True):
        from torchlean_jax.domains.ieee32._format import BINARY32, Rounding
        from torchlean_jax.domains.ieee32._kernels import _convert

        wide = np.asarray(_convert.to_float64(BINARY32, jax.numpy.asarray(words)))
        back, _ = _convert.from_float64_bits(
            BINARY32, Rounding.UP, "canonical", jax.numpy.asarray(wide.view(np.uint64))
        )
    assert ((np.asarray(back) == words) | nan).all()
