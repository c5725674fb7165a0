"""Dual numbers over finite fields beside dual numbers over the rationals.

The oracle is exact: a + b eps with Python's fractions, in NumPy arrays of objects.
"""

import operator
from dataclasses import dataclass, replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains._registry import Rule
from torchlean_jax.domains.finite_field import DualArray, DualField
from torchlean_jax.domains.finite_field._dual import tangents


@dataclass(frozen=True)
class Dual:
    """a + b eps with eps**2 = 0; the inverse is the one that the product has."""

    a: Fraction
    b: Fraction = Fraction(0)

    def __add__(self, other):
        other = dual(other)
        return Dual(self.a + other.a, self.b + other.b)

    def __mul__(self, other):
        other = dual(other)
        return Dual(self.a * other.a, self.a * other.b + self.b * other.a)

    def __truediv__(self, other):
        other = dual(other)
        return self * Dual(1 / other.a, -other.b / other.a**2)

    def __rtruediv__(self, other):
        return dual(other) / self

    def __neg__(self):
        return Dual(-self.a, -self.b)

    def __sub__(self, other):
        return self + -dual(other)

    def __rsub__(self, other):
        return dual(other) - self

    __radd__, __rmul__ = __add__, __mul__


def dual(x) -> Dual:
    return x if isinstance(x, Dual) else Dual(Fraction(float(x)))


def power(x, n):
    return np.prod(np.stack([x] * n), 0)


def window_sums(x):
    return np.array([x[k : k + 3].sum() for k in range(4)])


def correlation(x, k):
    return np.array([(x[i : i + 3] * k[:3]).sum() for i in range(4)])


def at_places(x):
    y = np.array([dual(0)] * 3)
    for k, place in enumerate((0, 2, 2, 1, 0, 2)):
        y[place] = y[place] + x[k]
    return y


# the program, and the same in arrays of Dual numbers; both arguments have 6 elements
CASES = {
    "add and sub": (lambda x, y: (x + y) - 3 * x, lambda x, y: (x + y) - 3 * x),
    "neg": (lambda x, y: -x + 1, lambda x, y: -x + 1),
    "mul": (lambda x, y: x * y * x, lambda x, y: x * y * x),
    "mul by itself": (lambda x, y: x * x, lambda x, y: x * x),
    "square": (lambda x, y: lax.square(x), lambda x, y: x * x),
    "div": (lambda x, y: x / y, lambda x, y: x / y),
    "inverse": (lambda x, y: 2 / (y * x), lambda x, y: 2 / (y * x)),
    "divided": (lambda x, y: x / 8, lambda x, y: x / 8),
    "cube": (lambda x, y: x**3, lambda x, y: power(x, 3)),
    "fifth": (lambda x, y: y**5 * x, lambda x, y: power(y, 5) * x),
    "power of an inverse": (lambda x, y: y**-3, lambda x, y: 1 / power(y, 3)),
    "whole power by pow": (lambda x, y: lax.pow(x, 4.0), lambda x, y: power(x, 4)),
    "sum": (lambda x, y: (x * y).sum(), lambda x, y: (x * y).sum()),
    "product": (
        lambda x, y: x.reshape(2, 3).prod(1),
        lambda x, y: x.reshape(2, 3).prod(1),
    ),
    "product with zeros": (
        lambda x, y: jnp.stack([x - x, y - y, y, x - x + y]).prod(0),
        lambda x, y: np.stack([x - x, y - y, y, x - x + y]).prod(0),
    ),
    "running sum": (lambda x, y: jnp.cumsum(x * y), lambda x, y: (x * y).cumsum()),
    "running product": (lambda x, y: jnp.cumprod(x), lambda x, y: x.cumprod()),
    "running product, reversed": (
        lambda x, y: lax.cumprod(x, reverse=True),
        lambda x, y: x[::-1].cumprod()[::-1],
    ),
    "matrix product": (
        lambda x, y: x.reshape(2, 3) @ y.reshape(3, 2),
        lambda x, y: x.reshape(2, 3) @ y.reshape(3, 2),
    ),
    "convolution": (
        lambda x, y: jnp.convolve(x, y[:3][::-1], mode="valid"),
        correlation,
    ),
    "window sums": (
        lambda x, y: lax.reduce_window(x, 0.0, lax.add, (3,), (1,), "VALID"),
        lambda x, y: window_sums(x),
    ),
    "layout": (
        lambda x, y: jnp.concatenate(
            [jnp.pad(x, 1, constant_values=3.0)[::-1], y[::2]]
        ),
        lambda x, y: np.concatenate([[dual(3), *x, dual(3)][::-1], y[::2]]),
    ),
    "gather": (
        lambda x, y: x[jnp.array([0, 5, 5, 2])] * y[0],
        lambda x, y: x[[0, 5, 5, 2]] * y[0],
    ),
    "read outside": (
        lambda x, y: x.at[jnp.array([1, 9])].get(mode="fill", fill_value=2.0),
        lambda x, y: np.array([x[1], dual(2)]),
    ),
    "scatter": (
        lambda x, y: x.at[1].set(y[0] * y[0]).at[3].set(5.0),
        lambda x, y: np.array([x[0], y[0] * y[0], x[2], dual(5), x[4], x[5]]),
    ),
    "scatter-add": (
        lambda x, y: jnp.zeros(3).at[jnp.array([0, 2, 2, 1, 0, 2])].add(x),
        lambda x, y: at_places(x),
    ),
    "slices": (
        lambda x, y: lax.dynamic_update_slice(
            x, lax.dynamic_slice(y, (1,), (2,)), (3,)
        ),
        lambda x, y: np.array([x[0], x[1], x[2], y[1], y[2], x[5]]),
    ),
    "scan": (
        lambda x, y: lax.scan(lambda h, u: (h * u + 1, h), x[0], y)[0],
        lambda x, y: scanned(x, y),
    ),
    "choice": (
        lambda x, y: jnp.where(np.arange(6) < 3, x * x, y),
        lambda x, y: np.concatenate([(x * x)[:3], y[3:]]),
    ),
    "no slope": (lambda x, y: jnp.ones(3) * 2, lambda x, y: np.array([dual(2)] * 3)),
    "stop_gradient is the identity": (
        lambda x, y: lax.stop_gradient(x) * y,
        lambda x, y: x * y,
    ),
}


def scanned(x, y):
    h = x[0]
    for u in y:
        h = h * u + 1
    return h


RNG = np.random.default_rng(0)
POINT = [RNG.integers(1, 64, 6) / 8 for _ in range(2)]
DIRECTION = [RNG.integers(-64, 64, 6) / 16 for _ in range(2)]


def residues(numbers, modulus):
    flat = np.ravel(np.asarray(numbers, object))
    found = [x.numerator * pow(x.denominator, -1, modulus) % modulus for x in flat]
    return np.array(found, np.uint64)


def tangent_of(function):
    """(the field, value and tangent that the dual numbers of the field give)."""
    field = tl.FiniteField(seed=3)
    domain = DualField(field)

    def variable(x):  # a number of which the rules do not know that it is one
        return replace(field.lift(np.float32(x)), held=None)

    pairs = zip(POINT, DIRECTION, strict=True)
    inputs = [DualArray(variable(x), variable(v)) for x, v in pairs]
    output = tl.interpret(function, domain=domain)(*inputs)
    output = domain.lift(output)
    return field, output.value, domain.tangent_of(output)


def is_exact(case) -> bool:
    program, oracle = CASES[case]
    field, value, tangent = tangent_of(program)
    pairs = zip(POINT, DIRECTION, strict=True)
    inputs = [
        np.array([Dual(*map(Fraction, ab)) for ab in zip(x, v, strict=True)])
        for x, v in pairs
    ]
    exact = np.ravel(np.asarray(oracle(*inputs), object))
    return all(
        (residues([e.a for e in exact], m) == value.residues[k].ravel()).all()
        and (residues([e.b for e in exact], m) == tangent.residues[k].ravel()).all()
        for k, m in enumerate(field.moduli)
    )


@pytest.mark.parametrize("case", CASES)
def test_value_and_tangent_are_exact(case):
    assert is_exact(case)


FAULTS = {
    "mul": ("mul", lambda step: step.run(step.tangents[0], step.values[1])),
    "div": ("div", lambda step: step.run(step.tangents[0], step.values[1])),
    "integer_pow": ("cube", lambda step: step.tangents[0]),
    "square": ("square", lambda step: step.tangents[0]),
    "pow": ("whole power by pow", lambda step: step.tangents[0]),
    "gather": ("read outside", lambda step: step.run(*step.operands)),
    "pad": ("layout", lambda step: step.run(step.tangents[0], step.operands[1])),
    "reduce_prod": ("product", lambda step: step.run(step.tangents[0])),
    "cumprod": ("running product", lambda step: step.run(step.tangents[0])),
    "stop_gradient": ("stop_gradient is the identity", lambda step: None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_rule_is_noticed(name, monkeypatch):
    case, wrong = FAULTS[name]
    monkeypatch.setitem(tangents._rules, name, Rule(wrong, on_operation=True))
    assert not is_exact(case)


def test_decisions_and_jumps_have_no_tangent():
    _, value, tangent = tangent_of(lambda x, y: jnp.floor(x) + (x > y) * 2.0)
    assert (tangent.residues == 0).all() and not (value.residues == 0).all()


@pytest.mark.parametrize("step", [operator.index, np.asarray])
def test_a_dual_number_takes_no_decision(step):
    field = tl.FiniteField()
    x = DualArray(field.variables((), np.float32), field.variables((), np.float32))
    with pytest.raises(tl.TorchLeanError, match="residue"):
        step(x)
