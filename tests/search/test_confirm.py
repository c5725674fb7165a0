"""Confirmation is right about the reals, whatever float32 returns.

Oracles: rational arithmetic written out in plain Python, and mpmath. Each check is
shown to notice a planted fault.
"""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax import lax

from tests.search import exact_relu
from tests.search.faults import notices, planted
from tests.search.networks import network, random_layers
from torchlean_jax import Interval, box, spec
from torchlean_jax._snapshot import snapshot
from torchlean_jax.domains._errors import MissingRuleError, UndecidedError
from torchlean_jax.search import _confirm, _inside, _rational


def f32(*values):
    return jnp.asarray(values, jnp.float32)


def at_point(f, x):
    return snapshot(f, (Interval(x, x),), Interval.is_value)


def confirm(f, x, given):
    current = at_point(f, x)
    return _confirm.over_reals(
        current, [np.asarray(x)], (0,), given.formula(current.trace.out_avals)
    )


def runtime(f, x, given):
    current = at_point(f, x)
    return _confirm.by_runtime(current, (x,), given.formula(current.trace.out_avals))


def robustness_of_a_network_is_enclosed():
    layers = random_layers(0, 2, 8, 8, 3)
    for x in np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32):
        y = exact_relu.evaluate(layers, x)
        exact = min(y[1] - y[0], y[1] - y[2]) - Fraction(1, 8)
        rows = [[-1, 1, 0], [0, 1, -1]]
        found = confirm(
            lambda x: network(layers, x), jnp.asarray(x), spec.linear(rows, 0.125)
        )
        assert found.lo <= exact <= found.hi
        assert found.hi - found.lo < 1e-11
        assert found.violated is (exact <= 0)


def test_the_robustness_of_a_network_is_enclosed():
    robustness_of_a_network_is_enclosed()


def test_a_forgotten_offset_would_be_noticed():
    with planted(
        _confirm,
        "least = greatest = -Fraction(float(offset))",
        "least = greatest = Fraction(0)",
    ):
        assert notices(robustness_of_a_network_is_enclosed)


@pytest.mark.parametrize("x", [0.3, -1.7])
def test_smooth_functions_agree_with_mpmath(x):
    x = np.float32(x)
    f = lambda x: jnp.tanh(x) + jnp.exp(x) / 3
    with mpmath.workdps(40):
        # the literal 3 is exact; the quotient is that of the reals
        exact = mpmath.tanh(mpmath.mpf(float(x))) + mpmath.exp(mpmath.mpf(float(x))) / 3
        found = confirm(f, f32(x), spec.linear([1.0]))
        assert mpmath.mpf(found.lo.numerator) / found.lo.denominator <= exact
        assert exact <= mpmath.mpf(found.hi.numerator) / found.hi.denominator
        assert found.hi - found.lo < 1e-12


def absorbing(x):
    """x over the reals; 0 in float32, where x + 2**25 is 2**25 if |x| < 2."""
    return jax.nn.relu(x + 2.0**25) - 2.0**25


def float32_is_not_believed():
    x = f32(0.5)
    assert jax.jit(absorbing)(x) == 0, (
        "float32 is right here, and cannot serve as a trap"
    )
    positive = spec.linear([1.0], 0.25)  # true over the reals
    assert not confirm(absorbing, x, positive).violated
    assert "agrees" in runtime(absorbing, x, positive)  # float32 violates it
    small = spec.linear([-1.0], -0.25)  # x < 0.25: false over the reals
    assert confirm(absorbing, x, small).violated
    assert "differs" in runtime(absorbing, x, small)


def test_float32_is_not_believed():
    float32_is_not_believed()


def test_believing_float32_would_be_noticed():
    sound = 'lo, hi = model.once(("confirm", where), build)(point)'
    with planted(
        _confirm,
        sound,
        "lo = hi = jnp.concatenate(jax.tree.leaves(jax.jit(model)(*point)))",
    ):
        assert notices(float32_is_not_believed)


def a_tie_violates():
    """Two ways to a third of a sum: equal over the reals, which no interval sees."""
    f = lambda x: jnp.stack([x.sum() / 3, x[0] / 3 + x[1] / 3])
    tie = confirm(f, f32(0.1, 0.7), spec.margin(0))
    assert (tie.lo, tie.hi) == (0, 0)
    assert tie.violated and "exact" in tie.how


def test_a_tie_violates():
    a_tie_violates()


def test_a_comparison_that_is_not_strict_would_be_noticed():
    with planted(_confirm, "return self.hi <= 0", "return self.hi < 0"):
        assert notices(a_tie_violates)


def test_a_tie_that_no_exact_arithmetic_reaches_stays_open():
    f = lambda x: jnp.stack([jnp.exp(x[0]), jnp.exp(x[0])])
    assert confirm(f, f32(0.5), spec.margin(0)).undecided


def test_an_output_that_is_no_number_confirms_nothing():
    found = confirm(jnp.log, f32(-1.0), spec.linear([1.0]))
    assert (found.lo, found.hi) == (-math.inf, math.inf)
    assert found.undecided and not found.violated
    assert "not a finite number" in runtime(jnp.log, f32(-1.0), spec.linear([1.0]))


def points_outside_are_refused():
    unit = box(f32(0, 0), f32(1, 1))
    inside = np.array([0, 1], np.float32)
    fixed = jnp.ones(2)
    assert _inside.is_inside([unit, fixed], [inside, fixed])
    beyond = np.nextafter(np.float32(1), np.float32(2))
    for wrong in (
        [np.array([0, beyond], np.float32), fixed],
        [np.array([0, -1e-45], np.float32), fixed],
        [np.array([0, np.nan], np.float32), fixed],
        [np.array([0, 1], np.float64), fixed],
        [np.array([0], np.float32), fixed],
        [inside, jnp.zeros(2)],
    ):
        assert not _inside.is_inside([unit, fixed], wrong)


def test_points_outside_are_refused():
    points_outside_are_refused()


def test_forgetting_the_box_would_be_noticed():
    with planted(
        _inside, "return same and bool(((lo <= x) & (x <= hi)).all())", "return same"
    ):
        assert notices(points_outside_are_refused)


# Exact rational arithmetic ----------------------------------------------------------

SMALL = np.array(
    [[3, -1, 2, 0], [5, -4, 1, 2], [0, 7, -2, 6], [1, 1, -3, 4]], np.float32
)
KERNEL = np.array([[[[1, -2], [3, 0]], [[2, 1], [-1, 4]]]], np.float32)  # [1, 2, 2, 2]
IMAGE = ("NHWC", "HWIO", "NHWC")

# On small integers float64 is exact in any order of sums, so JAX itself is the oracle.
ON_INTEGERS = {
    "conv": lambda x: lax.conv_general_dilated(
        x.reshape(1, 4, 2, 2),
        KERNEL.astype(x.dtype),
        (2, 1),
        [(1, 0), (1, 1)],
        dimension_numbers=IMAGE,
    ),
    "grouped, dilated conv": lambda x: lax.conv_general_dilated(
        x.reshape(1, 2, 4, 2),
        KERNEL.astype(x.dtype).reshape(2, 2, 1, 2),
        (1, 1),
        [(1, 2), (0, 1)],
        lhs_dilation=(2, 1),
        rhs_dilation=(1, 2),
        dimension_numbers=IMAGE,
        feature_group_count=2,
    ),
    "dot of both": lambda x: jnp.einsum("ij,kj->ik", x, x * 2),
    "cumsum": lambda x: jnp.cumsum(x, axis=1),
    "mean": lambda x: x.mean(axis=0) * 4,
    "max pool": lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"
    ),
    "sum pool": lambda x: lax.reduce_window(x, 0.0, lax.add, (3, 2), (1, 2), "SAME"),
    "max, min": lambda x: jnp.stack([x.max(0), x.min(1), jnp.maximum(x[0], -x[1])]),
    "clip, abs, sign": lambda x: jnp.clip(x, -1, 2) + jnp.abs(x) - jnp.sign(x),
    "sort": lambda x: jnp.sort(x, axis=1),
    "argmax": lambda x: x[:, 0] + jnp.argmax(x, axis=1) * 8.0,
    "top_k": lambda x: lax.top_k(x, 2)[0],
    "where": lambda x: jnp.where(x < x.T, x, -2 * x),
    "gather": lambda x: x[jnp.array([2, 0]), :][:, jnp.array([1, 1, 3])],
    "pad, flip, concatenate": lambda x: jnp.concatenate(
        [jnp.pad(x, ((1, 0), (0, 2)), constant_values=5)[::-1], jnp.ones((1, 6))]
    ),
    "set": lambda x: x.at[1].set(7.0),
    "powers": lambda x: x**3 - jnp.square(x),
    "floor, ceil": lambda x: jnp.floor(x / 2) + jnp.ceil(x / 4),
    "integers": lambda x: x * jnp.arange(4) + jnp.int32(3).astype(jnp.float32),
    "relu": lambda x: jax.nn.relu(x) - jax.nn.leaky_relu(x, 0.5),
}


def exactly(f, x):
    current = at_point(f, x)
    return _rational.evaluate(current.trace, [np.asarray(x)], (0,))


@pytest.mark.parametrize("name", ON_INTEGERS)
def test_rational_arithmetic_on_small_integers(name):
    f = ON_INTEGERS[name]
    with jax.enable_x64(True):
        expected = np.asarray(f(jnp.asarray(SMALL, jnp.float64)))
    assert exactly(f, jnp.asarray(SMALL)) == [
        Fraction(v) for v in expected.ravel().tolist()
    ]


WIDE = [[2.0**40 / 3, 2.0**7 / 3], [-(2.0**-30) / 7, 5.0], [7.0, -(2.0**15) / 11]]


def many_digits_are_kept():
    """Sums of numbers of such different size have 100 bits, where float64 holds 53."""
    a = [[Fraction(float(np.float32(v))) for v in row] for row in WIDE]
    expected = [sum(u * v for u, v in zip(p, q, strict=True)) for p in a for q in a]
    x = jnp.asarray(WIDE, jnp.float32)
    assert exactly(lambda x: x @ x.T, x) == expected
    assert exactly(lambda x: x.sum(), x) == [sum(v for row in a for v in row)]
    assert exactly(lambda x: x / x[1, 1] + 1 / x[2, 0], x) == [
        v / 5 + Fraction(1, 7) for row in a for v in row
    ]


def test_many_digits_are_kept():
    many_digits_are_kept()


@pytest.mark.parametrize(
    ("sound", "faulty"),
    [
        (
            "for s, a in left for t, b in right]",
            "for s, a in left[:1] for t, b in right]",
        ),
        ("_shifted(run(a, b), s + t)", "_shifted(run(a, b), s)"),
        ("_MANTISSA = 53", "_MANTISSA = 60"),
        ("common // n * x.denominator", "common // n"),
        ("return _checked(a + b, common)", "return _checked(a - b, common)"),
    ],
)
def test_wrong_digits_would_be_noticed(sound, faulty):
    with planted(_rational, sound, faulty):
        assert notices(many_digits_are_kept)


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (jnp.exp, MissingRuleError),
        (lambda x: 1 / (x - x), UndecidedError),
        (lambda x: x * jnp.inf, UndecidedError),
        (lambda x: lax.fori_loop(0, 3, lambda _, c: c * 2, x), UndecidedError),
        (
            lambda x: lax.scan(lambda c, _: (c * 2, None), x, length=3)[0],
            UndecidedError,
        ),
        (lambda x: x.astype(jnp.int32).astype(jnp.float32), UndecidedError),
        (lambda x: ((x / 3) ** 5) ** 1000 * (x / 7) ** 20000, UndecidedError),
    ],
)
def test_what_is_not_rational_is_left_open(f, error):
    with pytest.raises(error):
        exactly(f, f32(1.1))
