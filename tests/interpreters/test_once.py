"""A jaxpr run once by NumPy has the results of the same operations in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from torchlean_jax.interpreters import _once
from torchlean_jax.interpreters._once import run_once

FLOATS = np.array([1.5, -2.25, 0.0, -0.0, np.inf, np.nan, 3.5, -7.5, 2.5], np.float32)
OTHERS = np.array([2.0, 2.5, -1.0, 0.0, 1.0, 4.0, np.nan, -7.5, np.inf], np.float32)
INTEGERS = np.array([1, -1, 7, -8, 2**31 - 1, -(2**31), 0, 5, 9], np.int32)
SHIFTS = np.array([0, 1, 31, 32, 4, 33, 2, 40, 3], np.int32)

CASES = {
    "arithmetic": lambda x, y, i, n: (x + y, x - y, x * y, x / y, -x, abs(x), x**2),
    "order": lambda x, y, i, n: (jnp.maximum(x, y), lax.min(x, y), x < y, x >= y),
    "rounded": lambda x, y, i, n: (jnp.floor(x), jnp.ceil(x), jnp.round(x)),
    "rounded away": lambda x, y, i, n: lax.round(x, lax.RoundingMethod(0)),
    "root": lambda x, y, i, n: (jnp.sqrt(abs(x)), jnp.isfinite(x), jnp.isnan(y)),
    "clamped": lambda x, y, i, n: (lax.clamp(-1.0, x, 2.0), jnp.where(x > 1, x, y)),
    "integers": lambda x, y, i, n: (i + n, i & n, i | n, i ^ n, ~i, i // (n + 1)),
    "quotients": lambda x, y, i, n: lax.div(i, n + 1),
    "left": lambda x, y, i, n: lax.shift_left(i, n),
    "right": lambda x, y, i, n: lax.shift_right_logical(i, n),
    "right, signed": lambda x, y, i, n: lax.shift_right_arithmetic(i, n),
    "casts": lambda x, y, i, n: (x.astype(int), i.astype(jnp.float32), x > 0),
    "half": lambda x, y, i, n: (x / 3).astype(jnp.bfloat16).astype(jnp.float32),
    "moved halves": lambda x, y, i, n: (
        jnp.stack([x, y]).astype(jnp.float16).T.reshape(3, 6)[1:],
        lax.bitcast_convert_type(x.astype(jnp.bfloat16), jnp.uint16),
        jnp.where(x > 1, x.astype(jnp.bfloat16), jnp.bfloat16(2)),
    ),
    "counted": lambda x, y, i, n: (
        x + lax.broadcasted_iota(jnp.float32, (2, 9), 1),
        i + jnp.arange(9, dtype=i.dtype) // 2,
    ),
    "the same twice": lambda x, y, i, n: (x * y) + (x * y) * (y * x) + jnp.exp(x * y),
    "alike": lambda x, y, i, n: ((x * 2.0) - (x * -2.0), x / 0.0 + x / -0.0, x + i * 2),
    "from nothing": lambda x, y, i, n: (jnp.arange(4) * 2 / 3, x, x, jnp.float32(7)),
    "bits": lambda x, y, i, n: lax.bitcast_convert_type(x, jnp.int32),
    "layout": lambda x, y, i, n: (
        jnp.stack([x, y]).T.reshape(2, 9),
        jnp.concatenate([x[1:7:2], y]),
        jnp.broadcast_to(x[:, None], (9, 2)),
        x[jnp.array([3, 1, 1])],
        lax.reshape(jnp.stack([x, y]), (9, 2), dimensions=(1, 0)),
    ),
    "sums": lambda x, y, i, n: (i.sum(), i.max(), x[:4].min(), (x > 0).any()),
    "extremes of nothing": lambda x, y, i, n: tuple(
        reduce(v[:0], axes=(0,))
        for reduce in (lax.reduce_max, lax.reduce_min)
        for v in (x, i, i.astype(jnp.uint8), x > 0)
    ),
    "inner": lambda x, y, i, n: jax.nn.relu(x) + jax.jit(jnp.multiply)(x, y),
    "cases": lambda x, y, i, n: lax.select_n(n % 3, i, n, i + n),
}


@pytest.mark.parametrize("name", CASES)
def test_as_in_jax(name):
    args = FLOATS, OTHERS, INTEGERS, SHIFTS
    found = jax.tree.leaves(run_once(CASES[name], *args))
    with np.errstate(all="ignore"):
        expected = jax.tree.leaves(CASES[name](*map(jnp.asarray, args)))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, np.asarray(b), strict=True)


def test_a_wrong_counterpart_is_noticed(monkeypatch):
    """A maximum that passes NaN over."""
    monkeypatch.setitem(_once._SAME, "max", np.fmax)
    with pytest.raises(AssertionError):
        test_as_in_jax("order")


def test_equations_that_differ_in_a_constant_are_not_one(monkeypatch):
    monkeypatch.setattr(_once.Steps, "_identity", lambda self, slot: "number")
    with pytest.raises(AssertionError):
        test_as_in_jax("alike")


def test_what_is_computed_twice_is_computed_once():
    x = jnp.ones(3)
    closed = jax.make_jaxpr(
        lambda x: (jnp.sin(x) + jnp.sin(x) * jnp.cos(3.0), x * 0)[0]
    )(x)
    assert len(_once.Steps(closed.jaxpr, closed.consts).steps) == 3


def test_a_loop_runs_as_a_whole():
    def loops(x):
        up = lax.while_loop(lambda v: v < 3, lambda v: v + 1, x)
        return lax.scan(lambda v, w: (v * w, v), up, jnp.arange(1.0, 4.0))

    last, before = run_once(loops, 0.5)
    assert last == 3.5 * 6 and before.tolist() == [3.5, 3.5, 7.0]
