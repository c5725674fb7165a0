"""What is assumed of silu, gelu and the other wholes: proved in ball arithmetic, or
sampled."""

import math
from types import SimpleNamespace

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.domains.affine.cases import CASES, ERF, TANH, ball
from tests.domains.affine.exact import LANES, PRECISIONS, intervals, points
from torchlean_jax.domains.affine import _gates
from torchlean_jax.domains.affine.relaxations import _gated
from torchlean_jax.domains.interval import Interval

arb = flint.arb
# Constants of a program may be off by this much (relative); see the patterns.
NEAR = 1e-7


def around(number):
    return arb(number, abs(number) * NEAR)


def between(a, b):
    return arb((a + b) / 2, (b - a) / 2 * (1 + 1e-12) + 1e-18)


def decided(function, low, high, sign, depth=60):
    """Whether function(ball) has the given sign on all of [low, high], by bisection."""
    value = function(between(low, high))
    if value * sign > 0:
        return True
    if depth == 0 or value * sign < 0:
        return False
    middle = (low + high) / 2
    return all(
        decided(function, a, b, sign, depth - 1)
        for a, b in ((low, middle), (middle, high))
    )


def silu_bend(x):
    """silu'' = s (1 - s) (2 - x tanh(x / 2)), an even function; past 2.4 the sign is
    plain."""
    return 2 - x * (x / 2).tanh()


def gelu_erf_bend(x):
    """gelu'' = s / sqrt(pi) exp(-(s x)**2) (2 - 2 s**2 x**2)."""
    return 1 - (around(math.sqrt(0.5)) * x) ** 2


def gelu_tanh_bend(x):
    """gelu'' over 4 k g (1 - g), for v = k (x + m x**3).

    Beyond x = 2, tanh(v) > 0.9 and (1 + 3 m x**2)**2 >= 1 + 6 m x**2 settle the sign.
    """
    k, m = around(math.sqrt(2 / math.pi)), around(0.044715)
    v = k * (x + m * x**3)
    return 1 + 6 * m * x**2 - k * x * (1 + 3 * m * x**2) ** 2 * v.tanh()


BENDS = {
    "call:silu": (silu_bend, 6.0),
    "call:gelu_erf": (gelu_erf_bend, 6.0),
    "call:gelu_tanh": (gelu_tanh_bend, 2.0),
}


@pytest.mark.parametrize("name", BENDS)
def test_gates_bend_where_it_is_said(name):
    bend, far = BENDS[name]
    c, blur = _gates.GATES[name].inflection, _gated._BLUR
    assert decided(bend, 0.0, c - blur, 1)
    assert decided(bend, c + blur, far, -1)
    assert not decided(bend, c - 1e-4, c + 1e-4, 1, depth=20)


def derivatives(case, x, order=3):
    """f, f', f'', f''' at a point, by numerical differentiation of balls at 400
    bits."""
    with flint.ctx.workprec(600):
        h = arb(2) ** -60
        f = [case.f(ball(x) + k * h) for k in range(-2, 3)]
        return (f[4] - 2 * f[3] + 2 * f[1] - f[0]) / (2 * h**3)


@pytest.mark.parametrize("name", BENDS)
def test_third_derivatives_are_small_at_the_inflections(name):
    case = next(c for c in CASES if c.name == name)
    for c in (_gates.GATES[name].inflection, -_gates.GATES[name].inflection):
        assert abs(float(derivatives(case, c).mid())) < 0.5


WHOLES = [c for c in CASES if c.name.startswith("call:")]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("case", WHOLES, ids=str)
def test_intervals_hold(case, dtype):
    lo, hi = intervals(case, dtype, LANES)
    low, high = interval_of(case, lo, hi)
    rng = np.random.default_rng(0)
    for k in range(LANES):
        for x in points(case, lo[k], hi[k], rng):
            true = case.rationally(ball(x)) if case.f is None else case.f(ball(x))
            assert not true < ball(float(low[k])) and not true > ball(float(high[k])), x


def interval_of(case, lo, hi):
    rule = Interval.rules.find(case.name).function
    with jax.enable_x64(PRECISIONS[lo.dtype.name]):
        run = jax.jit(lambda lo, hi: rule(Interval(lo, hi), **case.params))
        result = run(jnp.asarray(lo), jnp.asarray(hi))
        return np.asarray(result.lo), np.asarray(result.hi)


@pytest.mark.parametrize("case", [c for c in WHOLES if "elu" in c.name], ids=str)
def test_intervals_of_unbounded_operands(case):
    lo = np.resize(np.array([-np.inf, -np.inf, 0.0, np.nan]), LANES)
    hi = np.resize(np.array([0.0, np.inf, np.inf, 1.0]), LANES)
    low, high = interval_of(case, lo, hi)
    assert (high[1:3] == np.inf).all() and (low[:3] <= 0).all()
    assert np.isnan(low[3]) and np.isnan(high[3])


@pytest.mark.parametrize(
    "name, least", [("call:gelu_erf", ERF), ("call:gelu_tanh", TANH)]
)
def test_gelu_is_least_where_it_is_said(name, least):
    """Oracle: the slope changes sign between the two ends of the turning zone."""
    case = SimpleNamespace(f=next(c for c in CASES if c.name == name).f)
    turning, bottom = _gates._TURNING[name]
    h = 1e-9
    falls = case.f(ball(turning - 1e-5 + h)) - case.f(ball(turning - 1e-5))
    rises = case.f(ball(turning + 1e-5 + h)) - case.f(ball(turning + 1e-5))
    assert falls < 0 and rises > 0
    assert case.f(ball(turning)) > ball(bottom) > case.f(ball(turning)) - ball(2e-6)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["call:softmax", "call:logsumexp"])
def test_softmax_intervals_hold(name, axis):
    rng = np.random.default_rng(4)
    lo = rng.normal(size=(3, 3)) * 3
    hi = lo + rng.uniform(0, 2, (3, 3))
    case = SimpleNamespace(name=name, params={"axis": axis})
    low, high = interval_of(case, lo, hi)
    for _ in range(50):
        share = rng.integers(0, 2, lo.shape)
        x = np.moveaxis(lo * (1 - share) + hi * share, axis, -1)
        x = np.clip(x, *(np.moveaxis(e, axis, -1) for e in (lo, hi)))
        for r, row in enumerate(x):
            powers = [ball(float(v)).exp() for v in row]
            if name == "call:softmax":
                ends = (np.moveaxis(e, axis, -1)[r] for e in (low, high))
                for power, a, b in zip(powers, *ends, strict=True):
                    true = power / sum(powers)
                    assert not true < ball(float(a)) and not true > ball(float(b))
            else:
                true = sum(powers).log()
                assert not true < ball(float(low[r])) and not true > ball(
                    float(high[r])
                )


def test_softmax_of_gaps_holds_and_needs_only_one_of_each_pair():
    rng = np.random.default_rng(5)
    lo = rng.normal(size=(3, 4)) * 3
    hi = lo + rng.uniform(0, 2, (3, 4))
    below = lo[:, None, :] - hi[:, :, None] - 1e-9  # x_j - x_i at [i, j], outward
    above = hi[:, None, :] - lo[:, :, None] + 1e-9
    known = np.triu(np.ones((4, 4), bool), 1)
    case = SimpleNamespace(name="call:softmax_of_gaps", params={"axis": 2})
    low, high = interval_of(
        case, np.where(known, below, -1e3), np.where(known, above, 1e3)
    )
    assert (high - low < 1).all()
    for _ in range(50):
        share = rng.integers(0, 2, lo.shape)
        for r, row in enumerate(lo * (1 - share) + hi * share):
            powers = [ball(float(v)).exp() for v in row]
            for i, power in enumerate(powers):
                true = power / sum(powers)
                assert not true < ball(float(low[r, i]))
                assert not true > ball(float(high[r, i]))


def test_softmax_intervals_are_the_best_for_one_result():
    """Extreme at the corner where its own logit is least and the others are
    greatest."""
    lo, hi = np.array([[0.0, -1.0, 0.5]]), np.array([[1.0, 0.5, 2.0]])
    low, high = interval_of(
        SimpleNamespace(name="call:softmax", params={"axis": 1}), lo, hi
    )
    x = np.exp([0.0, 0.5, 2.0])
    assert math.isclose(low[0, 0], x[0] / x.sum(), rel_tol=1e-12)
    x = np.exp([1.0, -1.0, 0.5])
    assert math.isclose(high[0, 0], x[0] / x.sum(), rel_tol=1e-12)


@pytest.mark.parametrize("mask", [-1e2, -1e3, -1e9, -2.4e38])
def test_a_masked_share_is_next_to_0_though_its_sum_overflows(mask):
    x = np.array([[0.5, -0.5, mask]])
    gap = x[:, None, :] - x[:, :, None]
    powers = [ball(float(v)).exp() for v in x[0]]
    whole = SimpleNamespace(name="call:softmax", params={"axis": 1})
    gaps = SimpleNamespace(name="call:softmax_of_gaps", params={"axis": 2})
    for case, operand in ((whole, x), (gaps, gap)):
        low, high = interval_of(case, operand, operand)
        assert high[0, 2] < 1e-30 and low[0, 2] >= 0
        for power, a, b in zip(powers, low[0], high[0], strict=True):
            true = power / sum(powers)
            assert not true < ball(float(a)) and not true > ball(float(b))
