"""Smooth functions and products against Arb, by way of whole certificates.

The graph x -> (f(x), x) with a row (+-1, s) asks for the least +-f(x) + s x over an
interval. The derived bound must lie below it at every sampled point, and near it where
the interval is short: lines that touch leave a gap of the order of the width squared.
"""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx, fmpq

from tests.torchlean_check.builder import Certificate, exact, leaf
from torchlean_check import (
    CertificateError,
    _choices,
    _exponential,
    _powers,
    _special,
    check,
)
from torchlean_check._smooth import Smooth

ONE = arb(1)


def elu(x, alpha):
    """A ball that holds 0 is none of the points that are asked about."""
    return x if x >= 0 else alpha * x.expm1()


# name -> (op, params, f, range of midpoints, bound of |f''| on that range or None)
CURVES = {
    "exp": ("exp", {}, lambda x: x.exp(), (-30, 5)),
    "expm1": ("expm1", {}, lambda x: x.expm1(), (-30, 5)),
    "log": ("log", {}, lambda x: x.log(), (0.25, 50)),
    "log1p": ("log1p", {}, lambda x: x.log1p(), (-0.75, 50)),
    "logistic": ("logistic", {}, lambda x: 1 / (1 + (-x).exp()), (-20, 20)),
    "tanh": ("tanh", {}, lambda x: x.tanh(), (-20, 20)),
    "softplus": ("softplus", {}, lambda x: (1 + x.exp()).log(), (-20, 20)),
    "square": ("square", {}, lambda x: x * x, (-5, 5)),
    "cube": ("integer_pow", {"y": 3}, lambda x: x**3, (-5, 5)),
    "fourth": ("integer_pow", {"y": 4}, lambda x: x**4, (-5, 5)),
    "inverse": ("integer_pow", {"y": -1}, lambda x: 1 / x, (0.25, 30)),
    "inverse_left": ("integer_pow", {"y": -1}, lambda x: 1 / x, (-30, -0.25)),
    "inverse_square": ("integer_pow", {"y": -2}, lambda x: x**-2, (0.5, 30)),
    "sqrt": ("sqrt", {}, lambda x: x.sqrt(), (0.25, 9)),
    "rsqrt": ("rsqrt", {}, lambda x: x.rsqrt(), (0.25, 50)),
    "erf": ("erf", {}, lambda x: x.erf(), (-9, 9)),
    "elu": ("elu", {"alpha": [1, 0]}, lambda x: elu(x, 1), (-30, 20)),
    "elu_flat": ("elu", {"alpha": [1, -2]}, lambda x: elu(x, 0.25), (-30, 20)),
    "elu_steep": ("elu", {"alpha": [13, -3]}, lambda x: elu(x, 1.625), (-30, 20)),
    "sin": ("sin", {}, lambda x: x.sin(), (-30, 30)),
    "cos": ("cos", {}, lambda x: x.cos(), (-30, 30)),
}


@pytest.fixture(autouse=True)
def precision():
    before, ctx.prec = ctx.prec, 300
    yield
    ctx.prec = before


def ball(x: Fraction) -> arb:
    return arb(fmpq(x.numerator, x.denominator))


def certificate(op, params, lo, hi, row, place=None) -> Certificate:
    c = Certificate()
    x = c.box([lo], [hi])
    y = c.node(op, [x], [1], **params)
    c.output(y, x)
    c.property = c.rows([row], [0])
    if place is not None:
        final = {str(y): c.array(np.array([place]))}
        c.proof = [leaf(final=final)]
    return c


def sampled_minimum(f, lo, hi, row, count=8) -> arb:
    """The least of row[0] f(x) + row[1] x at points of [lo, hi], as balls."""
    lo, hi = Fraction(lo), Fraction(hi)
    values = []
    for k in range(count + 1):
        x = ball(lo + (hi - lo) * Fraction(k, count))
        values.append(ball(Fraction(row[0])) * f(x) + ball(Fraction(row[1])) * x)
    return min(values, key=lambda v: float(v.mid()))


def intervals(rng, ends, count):
    """Points, tiny, moderate and wide intervals, straddling 0 and far from it."""
    for k in range(count):
        middle = rng.uniform(*ends)
        if k % 5 == 4 and ends[0] < 0 < ends[1]:
            middle *= 1e-3
        width = 10.0 ** rng.uniform(-9, 1.5)
        lo = max(ends[0], middle - width * rng.random())
        hi = min(ends[1], middle + width * rng.random())
        yield (lo, hi) if k % 6 else (middle, middle)


@pytest.mark.parametrize("name", CURVES)
def test_bounds_hold_and_are_near(name):
    op, params, f, ends = CURVES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    for lo, hi in intervals(rng, ends, 36):
        sign = float(rng.choice([-1, 1]))
        slope = float(rng.normal()) * float(rng.choice([0, 0.1, 1]))
        place = rng.random() if rng.integers(2) else None
        c = certificate(op, params, lo, hi, [sign, slope], place)
        margin = ball(exact(check(c.pack()).margin))
        least = sampled_minimum(f, lo, hi, [sign, slope])
        assert not margin > least, (lo, hi, sign, slope, place)
        scale = 1 + abs(least)
        if hi == lo:
            assert least - margin < scale * arb(2) ** -85
        elif hi - lo < 1e-5:
            assert least - margin < scale * arb(1e3 * (hi - lo) ** 2 + 1e-22)


@pytest.mark.parametrize("name", CURVES)
def test_interval_bounds_hold(name):
    op, params, f, ends = CURVES[name]
    rng = np.random.default_rng(1)
    for lo, hi in intervals(rng, ends, 12):
        for sign in (-1.0, 1.0):
            c = certificate(op, params, lo, hi, [sign, 0])
            c.proof = [leaf("ibp")]
            margin = ball(exact(check(c.pack()).margin))
            assert not margin > sampled_minimum(f, lo, hi, [sign, 0])


STEPS = {
    "exp": _exponential.Exp(),
    "log": _exponential.Log(),
    "logistic": _exponential.Logistic(),
    "tanh": _exponential.Tanh(),
    "cube": _powers.Power(3),
    "inverse": _powers.Reciprocal(),
    "inverse_left": _powers.Reciprocal(),
    "rsqrt": _powers.Rsqrt(),
    "erf": _special.Erf(),
    "sin": _special.Sine(0),
    "cos": _special.Sine(1),
    "elu": _choices.Elu(Fraction(1)),
    "elu_flat": _choices.Elu(Fraction(1, 4)),
    "elu_steep": _choices.Elu(Fraction(13, 8)),
}


@pytest.mark.parametrize("name", STEPS)
def test_any_slope_and_any_touching_point_give_a_valid_line(name):
    """The hints that choose lines may be wrong; the lines may not."""
    curve, (_, _, f, ends) = STEPS[name], CURVES[name]
    step, rng, p, s = Smooth(curve), np.random.default_rng(2), 96, 60
    for lo, hi in intervals(rng, ends, 40):
        low, high = (int(Fraction(v) * 2**p) for v in (lo, hi))
        a = int(rng.normal() * 10.0 ** rng.uniform(-3, 0) * 2**s)
        touch = int(Fraction(rng.uniform(lo - 1, hi + 1)) * 2**p)
        touch = max(touch, 1) if ends[0] > 0 else touch
        for upper in (False, True):
            pieces = curve.pieces(low, high, p)
            constant = step._constant(pieces, a, touch, p, s, upper)
            for k in range(9):
                x = Fraction(low + (high - low) * k // 8, 2**p)
                line = a * x / 2**s + Fraction(constant, 2 ** (s + p))
                gap = (ball(line) - f(ball(x))) * (1 if upper else -1)
                assert not gap < 0, (lo, hi, a, touch, upper, k)


@pytest.mark.parametrize("name", CURVES)
def test_operands_between_the_points_of_any_grid(name):
    """f(x / 3): a third of an integer has no binary name."""
    op, params, f, ends = CURVES[name]
    for number in (1.0, 2.0, 7.0, -1.0, -5.0):
        if not ends[0] < number / 3 < ends[1]:
            continue
        for sign in (1, -1):
            c = Certificate()
            x = c.box([number], [number])
            x = c.node("div", [x, c.constant(np.float64(3))], [1])
            c.output(c.node(op, [x], [1], **params))
            c.property = c.rows([[sign]], [0])
            true = sign * f(ball(Fraction(int(number), 3)))
            margin = ball(exact(check(c.pack()).margin))
            assert margin < true or name == "expm1" or "elu" in name
            assert true - margin < arb(2) ** -80


def test_turning_points_are_found():
    """[0, 3] holds the top of sin at pi / 2; [2, 4] the bottom of cos at pi."""
    for op, lo, hi, sign in (("sin", 0, 3, -1), ("cos", 2, 4, 1), ("cos", -1, 1, -1)):
        c = certificate(op, {}, lo, hi, [sign, 0])
        assert exact(check(c.pack()).margin) == -1


@pytest.mark.parametrize(
    "op, lo",
    [("log", 0.0), ("log", -1.0), ("log1p", -1.0), ("rsqrt", 0.0), ("sqrt", -0.5)],
)
def test_outside_of_the_domain_nothing_is_proved(op, lo):
    report = check(certificate(op, {}, lo, 1.0, [1, 5]).pack())
    assert not report.accepted
    assert "domain" in report.reason
    report = check(certificate("integer_pow", {"y": -1}, -1.0, 1.0, [0, 1]).pack())
    assert not report.accepted


def test_huge_and_tiny_operands():
    for op, lo, hi in (
        ("tanh", -1e300, 1e300),
        ("sin", 1e300, 1e300),
        ("erf", 0, 1e-300),
    ):
        c = certificate(op, {}, lo, hi, [1, 0])
        f = {
            "tanh": lambda x: x.tanh(),
            "sin": lambda x: x.sin(),
            "erf": lambda x: x.erf(),
        }
        ctx.prec = 1500
        margin = ball(exact(check(c.pack()).margin))
        assert not margin > sampled_minimum(f[op], lo, hi, [1, 0])
    with pytest.raises(CertificateError):
        check(certificate("exp", {}, 0.0, 1e6, [1, 0]).pack())


def exact_product_minimum(lo, hi, bounds, row) -> Fraction:
    """Least of row . (x y, x, y): bilinear, so at a corner."""
    return min(
        Fraction(row[0]) * a * b + Fraction(row[1]) * a + Fraction(row[2]) * b
        for a in map(Fraction, (lo, hi))
        for b in map(Fraction, bounds)
    )


@pytest.mark.parametrize("weight", [None, 0.0, 0.25, 1.0])
def test_products_of_two_values(weight):
    rng = np.random.default_rng(3)
    for _ in range(40):
        ends = np.sort(np.round(rng.normal(size=(2, 2)) * 64) / 64)
        c = Certificate()
        x, y = (c.box([lo], [hi]) for lo, hi in ends)
        z = c.node("mul", [x, y], [1])
        c.output(z, x, y)
        row = np.round(rng.normal(size=3) * 8) / 8
        c.property = c.rows([row], [0])
        if weight is not None:
            c.proof = [leaf(final={str(z): c.array(np.array([weight]))})]
        least = exact_product_minimum(*ends[0], ends[1], row)
        margin = exact(check(c.pack()).margin)
        assert margin <= least
        if weight in (0.0, 1.0) and row[1] == row[2] == 0:
            assert margin == least


def test_division_and_products_of_matrices():
    """(A x)_i (B y)_j and x / y at points are exact, or nearly."""
    rng = np.random.default_rng(5)
    a, b = np.round(rng.normal(size=(2, 3, 2, 4)) * 16) / 16
    b[b == 0] = 1
    c = Certificate()
    x, y = c.box(a, a), c.box(b, b)
    dims = [[[2], [2]], [[0], [0]]]
    z = c.node("dot_general", [x, y], [3, 2, 2], dimension_numbers=dims)
    q = c.node("div", [x, y], [3, 2, 4])
    c.output(z, q)
    row = np.round(rng.normal(size=(1, 36)) * 4) / 4
    c.property = c.rows(row, [0])
    f = np.vectorize(Fraction, otypes=[object])
    products = np.einsum("bij,bkj->bik", f(a), f(b)).ravel()
    true = f(row[0]) @ np.concatenate([products, (f(a) / f(b)).ravel()])
    margin = exact(check(c.pack()).margin)
    assert true - Fraction(2) ** -80 < margin <= true


def test_softmax_of_two_is_a_logistic():
    """exp(x) / (exp(x) + exp(y)): pieces of several files together, against Arb."""
    c = Certificate()
    x = c.box([0.5, -0.25], [0.625, -0.125])
    e = c.node("exp", [x], [2])
    total = c.node("reduce_sum", [e], [], axes=[0])
    total = c.node("broadcast_in_dim", [total], [2], broadcast_dimensions=[])
    c.output(c.node("div", [e, total], [2]))
    c.property = c.rows([[1, -1]], [0])
    margin = ball(exact(check(c.pack()).margin))
    u = arb(0.625)
    least = (1 - (-u).exp()) / (1 + (-u).exp())
    assert 0 < margin < least
    assert least - margin < arb("0.1")
