"""Relaxations of two or three operands: planes checked exactly at points of the box."""

from fractions import Fraction
from types import SimpleNamespace

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.domains.affine.cases import OF_SEVERAL, ball
from tests.domains.affine.exact import PRECISIONS
from torchlean_jax.domains.affine import relaxations
from torchlean_jax.domains.affine.relaxations import _max, _ratio, parameters
from torchlean_jax.domains.interval import Interval

COUNT = 64


def boxes(rng, dtype, least=-5.0, most=5.0):
    """(lo, hi): points, narrow and wide ones."""
    width = 10.0 ** rng.uniform(-6, 1, COUNT) * (np.arange(COUNT) % 5 > 0)
    lo = np.clip(rng.uniform(least, most, COUNT) - width / 2, least, most).astype(dtype)
    return lo, np.clip(lo + width, lo, most).astype(dtype)


def lines(name, operands, slope=None):
    """Relaxation of float arrays and (lo, hi) pairs, compiled, as NumPy arrays."""
    rule = relaxations.find(name).function
    operation = SimpleNamespace(name=name, params={})

    def run(operands, slope):
        boxed = [Interval(*o) if isinstance(o, tuple) else o for o in operands]
        result = rule(operation, *boxed, slope=slope)
        return result.lower, result.lower_offset, result.upper, result.upper_offset

    dtype = next(o for o in operands if not isinstance(o, tuple) or o[0].dtype != bool)
    dtype = (dtype[0] if isinstance(dtype, tuple) else dtype).dtype
    with jax.enable_x64(PRECISIONS[dtype.name]):
        result = jax.jit(run)(jax.tree.map(jnp.asarray, operands), slope)
        return jax.tree.map(np.asarray, result)


def holds(result, operands, exact, rng, samples=12):
    """Whether lower <= exact(values) <= upper at sampled points, decided exactly."""
    low, below, high, above = result
    for k in range(COUNT):
        for n in range(samples):
            values = [_pick(o, k, n, rng) for o in operands]
            true = exact(*values)
            if true is None:
                continue
            pairs = (low, below, 1), (high, above, -1)
            for slopes, offset, sign in pairs:
                if not np.isfinite(offset[k]):
                    continue
                plane = Fraction(float(offset[k])) + sum(
                    Fraction(float(s[k])) * Fraction(v)
                    for s, v in zip(slopes, values, strict=True)
                    if s is not None
                )
                gap = true - (ball(plane) if isinstance(true, flint.arb) else plane)
                if gap * sign < 0:
                    return False
    return True


def _pick(operand, k, n, rng):
    if not isinstance(operand, tuple):
        return float(operand[k])
    lo, hi = float(operand[0][k]), float(operand[1][k])
    if operand[0].dtype == bool:
        return float(rng.integers(int(lo), int(hi) + 1))
    share = rng.uniform() if n > 3 else (n & 1)
    point = np.asarray(lo * (1 - share) + hi * share, operand[0].dtype)
    return float(np.clip(point, lo, hi))


def fractions(function):
    return lambda *values: function(*map(Fraction, values))


def _clamp(least, x, most):
    return min(max(x, least), most)


def _select(which, a, b):
    return b if which else a


def _quotient(x, y):
    return None if y == 0 else Fraction(x) / Fraction(y)


def cases(rng, dtype):
    """name -> (operands, exact); an array is concrete, a pair a box, of bools a
    choice."""

    def box(**limits):
        return boxes(rng, dtype, **limits)

    point = rng.uniform(-5, 5, COUNT).astype(dtype)
    limits = np.sort(rng.uniform(-3, 3, (2, COUNT)).astype(dtype), axis=0)
    undecided = np.sort(rng.integers(0, 2, (2, COUNT)).astype(bool), axis=0)
    choice = undecided[0], undecided[1]
    exponent = rng.choice([0.5, 1.5, 3.0, -0.5, 0.0, 1.0, 2.0], COUNT).astype(dtype)
    positive = box(least=0.01)
    return {
        "max": ([box(), box()], fractions(max)),
        "max of a constant": ([box(), point], fractions(max)),
        "min": ([box(), box()], fractions(min)),
        "min of a constant": ([point, box()], fractions(min)),
        "clamp": ([limits[0], box(), limits[1]], fractions(_clamp)),
        "select_n": ([choice, box(), box()], fractions(_select)),
        "select_n of a constant": ([choice, point, box()], fractions(_select)),
        "div": ([box(), positive], _quotient),
        "div by a negative": ([box(), box(most=-0.01)], _quotient),
        "div of a constant": ([point, positive], _quotient),
        "div by a box with 0": ([box(), box()], _quotient),
        "pow": ([positive, exponent], lambda x, c: ball(x) ** ball(c)),
        "pow of a constant": ([abs(point) + 1, box()], lambda b, x: ball(b) ** ball(x)),
        "pow of two": ([positive, box()], lambda b, x: ball(b) ** ball(x)),
    }


NAMES = list(cases(np.random.default_rng(0), np.float64))


def test_every_rule_of_several_operands_has_a_case():
    assert {name.split()[0] for name in NAMES} == OF_SEVERAL


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_planes_of_a_rounded_shift_hold_at_every_whole_number(dtype):
    rng = np.random.default_rng(3)
    lo = rng.integers(-60, 60, COUNT)
    hi = lo + rng.integers(0, 20, COUNT) * (np.arange(COUNT) % 4 > 0)
    unit = 2.0 ** -rng.integers(0, 5, COUNT)
    operands = (lo.astype(dtype), hi.astype(dtype)), unit.astype(dtype)
    (low, _), below, (high, _), above = lines("call:rounded_shift", operands)
    for k in range(COUNT):
        gaps = []
        for n in range(lo[k], hi[k] + 1):
            true = round(Fraction(n) * Fraction(unit[k]))  # halves to even
            under = Fraction(float(low[k])) * n + Fraction(float(below[k]))
            over = Fraction(float(high[k])) * n + Fraction(float(above[k]))
            assert under <= true <= over
            gaps.append(over - under)
        assert max(gaps) <= 1  # planes of slope `unit`, or two neighbours
        assert lo[k] < hi[k] or gaps == [0]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", NAMES)
def test_planes_hold(name, dtype):
    rng = np.random.default_rng(NAMES.index(name))
    operands, exact = cases(rng, np.dtype(dtype))[name]
    result = lines(name.split()[0], operands)
    assert holds(result, operands, exact, rng)
    if "with 0" not in name and name != "pow of two":
        assert np.isfinite(result[1]).all() and np.isfinite(result[3]).all()


@pytest.mark.parametrize("name", [n for n in NAMES if parameters(n.split()[0])])
def test_every_parameter_is_sound(name):
    rng = np.random.default_rng(NAMES.index(name))
    operands, exact = cases(rng, np.dtype("float64"))[name]
    count = parameters(name.split()[0])
    share = rng.uniform(0, 1, COUNT if count == 1 else (2, COUNT))
    assert holds(lines(name.split()[0], operands, share), operands, exact, rng)


@pytest.mark.parametrize(
    "name, module, attribute",
    [
        ("div", _ratio, "round_up"),
        ("max", _max, "round_up"),
        ("div", _ratio, "midpoint_radius"),
    ],
)
def test_a_planted_fault_is_noticed(name, module, attribute, monkeypatch):
    """Radii halved; offsets moved inward instead of outward."""
    old = getattr(module, attribute)
    faults = {
        "round_up": lambda x, ulps=0.5: x * (1 - 1e-6 * jnp.sign(x)),
        "midpoint_radius": lambda x: (old(x)[0], old(x)[1] * 0.5),
    }
    rng = np.random.default_rng(5)
    operands, exact = cases(rng, np.dtype("float64"))[name]
    assert holds(lines(name, operands), operands, exact, rng)
    monkeypatch.setattr(module, attribute, faults[attribute])
    assert not holds(lines(name, operands), operands, exact, rng)
