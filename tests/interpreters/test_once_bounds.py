"""Bounds by NumPy are those of the walk that is traced as a whole, bit by bit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax._float_error import output_errors_once
from torchlean_jax.domains.fp32 import FP32
from torchlean_jax.interpreters import _forward, _once_bounds
from torchlean_jax.interpreters._once import run_once

X = np.array([[1.5, -2.25, 0.3], [-0.7, 3.5, 1e-3]], np.float32)
Y = np.array([[0.1, 2.5, -1.0], [0.9, -4.0, 7.0]], np.float32)


def _choices(x, y):
    """What a choice turns on, through logic, and through the operands of its cases."""
    leaky = jnp.where(x > 0, x, 0.1 * x)
    between = (x / 3 > y) & ~(y > x * 3)
    unsure = (x * 0.1) * 10 > x
    near = jnp.where(unsure & (y > -9), (x * 0.1) * 10, x)
    return (
        leaky,
        near,
        jnp.where(between, x / 3, y),
        jnp.where(jnp.isfinite(x / 7), x, 0),
    )


def _repeated(x, y):
    """Equal shapes and primitives: one trace must not serve what differs otherwise."""
    twice = (x / 3) * (x / 3), (x / 3) * (y / 3), (x * 0.1) * 0.1, (x * 0.2) * 0.3
    return *twice, (x / 3) ** 2, (x / 3) ** 3, x[:, 0] / 3, x[:, 1] / 3


def _while(x, y):
    """Not known to end after so many steps: it runs as a whole."""
    return lax.while_loop(
        lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 0.3 + y), (0, x)
    )


def _loops(x, y):
    total, each = lax.scan(lambda c, r: (c + r / 3, c * r), jnp.zeros(3), x)
    back, odd = lax.scan(
        lambda c, r: (c * r[0] + 1, jnp.where(r[1], c, 0.0)),
        y,
        (x / 3, jnp.array([True, False])),
        reverse=True,
    )
    return total, each, back, odd, lax.fori_loop(0, 3, lambda k, v: v * 0.3 + y, x)


def _steps(x, y):
    """The same, written out."""
    first = jnp.zeros(3) + x[0] / 3
    each = jnp.stack([jnp.zeros(3) * x[0], first * x[1]])
    middle = y * (x / 3)[1] + 1
    odd = jnp.stack([middle, jnp.zeros((2, 3))])
    power = ((x * 0.3 + y) * 0.3 + y) * 0.3 + y
    return first + x[1] / 3, each, middle * (x / 3)[0] + 1, odd, power


CASES = {
    "arithmetic": lambda x, y: (x + y, x - y, x * y, x / y, jnp.exp(x), jnp.tanh(y)),
    "choices": _choices,
    "repeated": _repeated,
    "while": _while,
    "sums": lambda x, y: (x @ y.T, x.sum(0), jax.nn.softmax(y), jnp.maximum(x, y)),
    "narrow": lambda x, y: (x.astype(jnp.bfloat16) * y.astype(jnp.bfloat16)).sum(),
    "layout": lambda x, y: jnp.concatenate([x / 3, y.T.reshape(2, 3)])[
        jnp.array([0, 2])
    ],
    "calls": lambda x, y: (jax.nn.relu(x / 3), jax.nn.softplus(y), jax.nn.silu(x)),
    "integers": lambda x, y: x * jnp.arange(3) + (jnp.arange(6).reshape(2, 3) // 4),
}


def _errors(walk, f, args):
    """The errors of the outputs by a walk, for arrays or boxes."""
    domain = FP32()
    closed = jax.make_jaxpr(f)(X, Y)
    with jax.enable_x64(True):
        lifted = list(map(domain.lift, args))
        outputs = walk(closed.jaxpr, list(closed.consts), lifted, domain)
        return [np.asarray(domain.lift(y).error) for y in outputs]


def _walk_in_one_trace(jaxpr, consts, args, domain):
    walk = functools.partial(_forward.walk, jaxpr, consts, domain=domain)
    return run_once(lambda args: walk(args), args)


def _agree(f, *args):
    found = _errors(_once_bounds.walk_once, f, args)
    expected = _errors(_walk_in_one_trace, f, args)
    assert any(np.any(e > 0) for e in expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_a_loop_is_its_steps():
    found = _errors(_once_bounds.walk_once, _loops, (X, Y))
    expected = _errors(_walk_in_one_trace, _steps, (X, Y))
    for a, b in zip(found, expected, strict=True):
        assert a.any()
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("name", CASES)
def test_equation_by_equation_or_as_a_whole(name):
    _agree(CASES[name], X, Y)


def test_a_trace_that_serves_too_much_is_noticed(monkeypatch):
    """One that ignores constants beside the values."""
    monkeypatch.setattr(_once_bounds, "_traces", {})
    monkeypatch.setattr(_once_bounds, "_kind", _without_constants)
    with pytest.raises(AssertionError):
        _agree(_repeated, X, Y)


def _without_constants(eqn, operands):
    kinds = [getattr(x, "origin", None) is None for x in operands]
    return eqn.primitive, tuple(var.aval.shape for var in eqn.invars), *kinds


def test_what_a_choice_turns_on_is_remembered(monkeypatch):
    """On a box it matters: the cases are close only where the choice is open."""
    box = tl.box(X - 0.5, X + 0.5)

    def leaky(x, y):
        return (jnp.where(x / 3 > 0, x / 3, 0.1 * (x / 3)),)

    _agree(leaky, box, Y)
    monkeypatch.setattr(_once_bounds, "_REMEMBERED", frozenset())
    with pytest.raises(AssertionError):
        _agree(leaky, box, Y)


def test_equations_of_one_kind_are_traced_once(monkeypatch):
    traced = []
    monkeypatch.setattr(_once_bounds, "_traces", {})
    rule = _once_bounds._Trace

    def counting(eqn, operands, domain):
        traced.append(eqn.primitive.name)
        return rule(eqn, operands, domain)

    monkeypatch.setattr(_once_bounds, "_Trace", counting)
    unrolled = lambda x: functools.reduce(lambda a, _: a / x, range(50), x)
    output_errors_once(unrolled, X)
    assert traced.count("div") <= 3
