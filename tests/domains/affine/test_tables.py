"""Enclosures and lines of a function that is a table of integers, against every entry
that could be read, in exact fractions."""

from fractions import Fraction
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.domains.affine.exact import PRECISIONS
from torchlean_jax.domains.affine import _wholes
from torchlean_jax.domains.affine.relaxations import _table
from torchlean_jax.domains.interval import Interval

RNG = np.random.default_rng(1)
CURVE = np.rint(100 * np.tanh(np.arange(-30, 31) / 12)).astype(int)
TABLES = {
    "random": RNG.integers(-128, 128, 256),
    "curve": CURVE,
    "steep": np.rint(2.0**15 * np.exp(np.arange(-255, 1) / 9)).astype(int),
    "one": np.array([7]),
}


def ranges(n):
    """(first, last): points, neighbours, and longer ones."""
    first = RNG.integers(0, n, 40)
    length = RNG.integers(0, n, 40) // 2 ** (np.arange(40) % 9)
    return first, np.minimum(first + length, n - 1)


def wrong(entries, dtype):
    """(how many lines, how many enclosures) leave out an entry or are not the hull."""
    first, last = ranges(len(entries))
    operation = SimpleNamespace(params={"entries": tuple(map(float, entries))})
    blur = 1e-3  # an enclosure of a whole number is wider than it
    with jax.enable_x64(PRECISIONS[dtype]):
        x = Interval(jnp.asarray(first - blur, dtype), jnp.asarray(last + blur, dtype))
        lines = jax.jit(lambda x: _table._table(operation, x))(x)
        rule = _wholes.table
        hull = jax.jit(lambda x: rule(x, **operation.params))(x)
    lines, hull = jax.tree.map(np.asarray, (lines, hull))
    bad_lines = bad_hulls = 0
    for k, (i, j) in enumerate(zip(first, last, strict=True)):
        read = entries[i : j + 1]
        bad_hulls += (hull.lo[k], hull.hi[k]) != (read.min(), read.max())
        for n, entry in enumerate(read.tolist(), int(i)):
            low, high = (
                Fraction(float(a[k])) * n + Fraction(float(c[k]))
                for a, c in (
                    (lines.lower[0], lines.lower_offset),
                    (lines.upper[0], lines.upper_offset),
                )
            )
            bad_lines += not low <= entry <= high
    return bad_lines, bad_hulls


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", TABLES)
def test_enclosures_are_hulls_and_lines_hold(name, dtype):
    assert wrong(TABLES[name], dtype) == (0, 0)


def test_a_planted_fault_is_noticed(monkeypatch):
    monkeypatch.setattr(_table, "_unit", lambda entries, dtype: 2.0**-40)
    assert wrong(TABLES["steep"], "float32")[0] > 0


def wrong_quotients():
    """How many truncated quotients of whole numbers their enclosures leave out."""
    first = RNG.integers(-40, 40, (2, 200))
    first[1] = np.abs(first[1]) + 1
    last = first + RNG.integers(0, 4, first.shape)
    boxes = [
        Interval(jnp.float32(a), jnp.float32(b))
        for a, b in zip(first, last, strict=True)
    ]
    rule = Interval.rules.find("call:quotient")
    assert rule is not None
    found = rule.function(*boxes)
    missed = 0
    for k, ((a, b), (c, d)) in enumerate(zip(first.T, last.T, strict=True)):
        exact = [int(Fraction(n, m)) for n in range(a, c + 1) for m in range(b, d + 1)]
        missed += not found.lo[k] <= min(exact) <= max(exact) <= found.hi[k]
    return missed


def test_truncated_quotients_are_enclosed():
    assert wrong_quotients() == 0


def test_a_quotient_that_is_not_outward_is_noticed(monkeypatch):
    inward = lambda x, y: Interval(x.lo / y.hi, x.hi / y.hi)
    monkeypatch.setattr(_wholes, "div", inward)
    assert wrong_quotients() > 0
