"""How many digits are promised, what is done to reach them, and when that fails."""

from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.domains.real import RealArray


@pytest.mark.parametrize("digits", [1, 15, 50, 400])
def test_the_digits_are_those_of_mpmath(digits):
    result = tl.interpret(lambda x: jnp.exp(x) / 3, domain=tl.Real(digits=digits))(1.0)
    with mpmath.workdps(digits + 20):
        exact = mpmath.nstr(mpmath.e / 3, digits + 9)
    assert result.decimal(digits + 5)[: digits + 1] == exact[: digits + 1]
    assert 0 < result.rad < 10.0 ** max(-digits, -300)


def test_what_cancels_is_computed_with_more_bits():
    """1e30 + 1/3 - 1e30 has lost 30 digits on the way, exp(1000) - exp(1000) 434."""
    f = lambda x: ((1e30 + x / 3) - 1e30) * 3
    result = tl.interpret(f, domain=tl.Real(digits=60))(np.float32(1))
    assert abs(result.balls[()] - 1) < flint.arb(10) ** -60
    assert f(np.float32(1)) == 0

    big = lambda x: jnp.exp(1000 * x) + x / 3 - jnp.exp(1000 * x)
    result = tl.interpret(big, domain=tl.Real(digits=30))(np.float32(1))
    assert result.decimal(30) == "0.333333333333333333333333333333"


def test_a_true_zero_is_a_small_ball_around_zero():
    """As the docstring says: within 10**(-2 digits) of 0, digits are not promised."""
    f = lambda x: jnp.sin(x) ** 2 + jnp.cos(x) ** 2 - 1
    result = tl.interpret(f, domain=tl.Real(digits=20))(np.float32(0.3))
    assert result.balls[()].contains(0)
    assert abs(result.balls[()]) < flint.arb(10) ** -40


def test_the_precision_of_others_is_left_alone():
    before = flint.ctx.prec
    with pytest.raises(tl.UndecidedError):
        tl.interpret(lambda x: jnp.sqrt(x) * jnp.sqrt(x) == x, domain=tl.Real)(2.0)
    tl.interpret(jnp.sin, domain=tl.Real(digits=200))(1.0)
    assert flint.ctx.prec == before


def test_an_equality_of_two_roads_is_an_error_that_says_where():
    def two_roads(x):
        return jnp.sqrt(x) * jnp.sqrt(x) > x  # the line that is named

    with pytest.raises(tl.UndecidedError, match="gt float32") as error:
        tl.interpret(two_roads, domain=tl.Real)(2.0)
    assert "the line that is named" in str(error.value)
    # where the root is exact, it is decided
    assert not tl.interpret(two_roads, domain=tl.Real)(4.0)


def test_digits_that_cannot_be_reached_are_an_error_that_says_where():
    def undefined(x):
        return 1 / (jnp.sqrt(x) * jnp.sqrt(x) - x)  # the line that is named

    with pytest.raises(tl.UndecidedError, match="do not reach 30 digits") as error:
        tl.interpret(undefined, domain=tl.Real)(2.0)
    assert "the line that is named" in str(error.value)
    assert "div float32" in str(error.value)


def test_max_bits_is_a_limit():
    f = lambda x: jnp.exp(1000 * x) + x / 3 - jnp.exp(1000 * x)
    with pytest.raises(tl.UndecidedError, match="with 300 bits"):
        tl.interpret(f, domain=tl.Real(digits=30, max_bits=300))(np.float32(1))


def test_a_dead_branch_may_be_unknown():
    """`where` computes both sides; only the side that is chosen needs a value."""

    def f(x):
        zero = jnp.sqrt(x) * jnp.sqrt(x) - x
        return jnp.where(x > 1, x, 1 / zero)

    assert tl.interpret(f, domain=tl.Real)(2.0).mid == 2


def test_balls_may_be_given():
    """Digits are then as many as their radii allow, and the result holds both ends."""
    wide = np.array([flint.arb(2, 1e-6), flint.arb(3)], object)
    x = RealArray(wide, jnp.float32)
    result = tl.interpret(jnp.square, domain=tl.Real(digits=40))(x)
    assert result.balls[0].contains(flint.arb(2 - 5e-7) ** 2)
    assert result.balls[0].contains(flint.arb(2 + 5e-7) ** 2)
    assert 3e-6 < result.rad[0] < 5e-6
    assert result.balls[1] == 9
    with pytest.raises(tl.UndecidedError):
        tl.interpret(lambda x: x > 2, domain=tl.Real)(x)


def test_a_half_at_the_end_of_a_ball_is_not_rounded_like_its_neighbours():
    """Between 5/2 and 3 all but 5/2 round to 3; toward even that is 2."""
    ball = flint.arb(2.75, rad=(1, -2))
    assert ball.lower() == 2.5
    with pytest.raises(tl.UndecidedError, match="a rounding is undecided"):
        tl.interpret(jnp.round, domain=tl.Real)(RealArray(ball, jnp.float32))
    apart = RealArray(flint.arb(2.75, rad=(1, -3)), jnp.float32)
    assert tl.interpret(jnp.round, domain=tl.Real)(apart).mid == 3


def test_an_argument_is_the_number_it_holds():
    """Also where a float32 program would round it, or the hardware flush it."""
    identity = tl.interpret(lambda x: x * 1, domain=tl.Real)
    assert identity(0.1).balls[()] == flint.arb(0.1)
    assert identity(np.float32(0.1)).balls[()] == flint.arb(float(np.float32(0.1)))
    assert identity(np.float32(1e-45)).balls[()] == flint.arb(2.0**-149)
    assert identity(np.float64(5e-324)).balls[()] == flint.arb(5e-324)


def test_constants_of_the_program_are_what_its_dtype_holds():
    table = np.array([0.1, 0.2], np.float32)
    result = tl.interpret(lambda i: jnp.asarray(table)[i] / 3, domain=tl.Real)(1)
    exact = Fraction(float(table[1])) / 3
    exact = flint.arb(flint.fmpq(exact.numerator, exact.denominator))
    assert abs(result.balls[()] - exact) < 1e-15 and result.balls[()].rad() < 1e-30


@pytest.mark.parametrize("made", [np.array, jnp.array], ids=["numpy", "jax"])
def test_a_captured_subnormal_is_the_number_it_holds(made):
    weight = np.float32([1e-39, -3e-45])
    captured = made(weight)
    value = tl.interpret(lambda x: captured * x, domain=tl.Real)(jnp.float32(1.0))
    assert not value.distance(weight).any()


def test_the_result_in_binary64():
    x = tl.interpret(lambda x: x / 3, domain=tl.Real)(np.array([1, -2, 0, np.inf]))
    lo, hi = x.lo, x.hi
    for value, below, above in zip([1, -2, 0], lo, hi, strict=False):
        assert Fraction(below) <= Fraction(value, 3) <= Fraction(above)
        assert above <= np.nextafter(below, np.inf)
    assert lo[3] == hi[3] == np.inf
    assert x.mid[0] == 1 / 3 and 0 < x.rad[0] < 1e-30
    huge = tl.interpret(lambda x: jnp.exp(x), domain=tl.Real)(np.array([1e6, -1e6]))
    assert huge.lo[0] == np.finfo(float).max and huge.hi[0] == np.inf
    assert huge.lo[1] == 0 and huge.hi[1] == 5e-324


def test_the_result_as_an_interval():
    f = tl.interpret(lambda x: x / 3, domain=tl.Real)
    for x64, dtype in ((False, jnp.float32), (True, jnp.float64)):
        with jax.enable_x64(x64):
            box = f(np.array([1.0, -2.0, 1e-44])).to_interval()
            assert box.dtype == dtype
            for value, lo, hi in zip([1, -2], box.lo, box.hi, strict=False):
                assert Fraction(float(lo)) <= Fraction(value, 3) <= Fraction(float(hi))
            # not subnormal in float32, and still around 1e-44/3
            assert float(box.lo[2]) <= 1e-44 / 3 <= float(box.hi[2])


def test_distance_is_an_upper_bound():
    x = tl.interpret(lambda x: x / 3, domain=tl.Real)(np.array([1.0, np.inf, np.nan]))
    gap = x.distance(np.array([0.25, np.inf, np.nan]))
    assert Fraction(1, 12) <= Fraction(gap[0])
    assert gap[0] <= np.nextafter(1 / 12, 1)
    assert gap[1] == gap[2] == 0
    assert (x.distance(np.array([np.inf, 1, 1])) == np.inf).all()


def test_printing_shows_certain_digits_only():
    ball = RealArray(np.array([flint.arb("1.2345678 +/- 1e-4")], object), jnp.float32)
    assert "1.23" in repr(ball) and "1.2345" not in repr(ball)
    assert "1.2345" not in ball.decimal(20)[0]
    half = RealArray(np.array([flint.arb(0.5)], object), jnp.float32)
    assert repr(half).startswith("RealArray([0.5000")
