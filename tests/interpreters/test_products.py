"""Backward steps of products against all corners of the box, in rationals.

A bilinear function takes its extremes at corners, and so does its difference to a
plane: a step that holds at all of them holds everywhere.
"""

import itertools
from fractions import Fraction
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters import _products
from torchlean_jax.interpreters._graph import Graph, flatten
from torchlean_jax.interpreters._patterns import recognise

P, Y = (2, 3), (3, 1)


def _equation() -> tuple[Graph, object]:
    traced = jax.make_jaxpr(lambda p, y: p @ y)(jnp.ones(P), jnp.ones(Y))
    graph = flatten(traced.jaxpr, traced.consts)
    return graph, graph.equations[0]


def _excess(step, values, graph, rows):
    """The least of  rows . (p @ y) - (what the step says)  over all corners."""
    p, y = (values[i] for i in graph.inputs)
    said = step.back([rows], values)
    moved = [{}, {}]
    for number, coefficients in said.rows:
        target = moved[graph.inputs.index(number)]
        for index, c in np.ndenumerate(np.asarray(coefficients[0])):
            target[index] = target.get(index, 0) + Fraction(float(c))
    constant = Fraction(float(said.offset[0])) - Fraction(float(said.error[0]))
    a = [Fraction(float(v)) for v in np.asarray(rows[0]).reshape(-1)]
    least = None
    for ps in _corners(p):
        # sides are independent of one another for fixed p: y enters linearly
        for ys in _corners(y):
            true = sum(
                a[i] * sum(ps[i, k] * ys[k, 0] for k in range(3)) for i in range(2)
            )
            line = sum(c * ps[i] for i, c in moved[0].items())
            line += sum(c * ys[i] for i, c in moved[1].items())
            excess = true - line - constant
            least = excess if least is None else min(least, excess)
    return least


def _corners(x: Interval):
    lo, hi = np.asarray(x.lo), np.asarray(x.hi)
    indices = list(np.ndindex(lo.shape))
    for ends in itertools.product((lo, hi), repeat=len(indices)):
        yield {i: Fraction(float(e[i])) for i, e in zip(indices, ends, strict=True)}


STEPS = {
    "middle": _products.Product,
    "weights first": lambda equation: _products.Weighting(equation, 0),
    "weights second": lambda equation: _products.Weighting(equation, 1),
}


def _random(seed):
    rng = np.random.default_rng(seed)
    graph, equation = _equation()
    values = {}
    for number, shape in zip(graph.inputs, (P, Y), strict=True):
        lo = jnp.asarray(rng.normal(size=shape))
        values[number] = Interval(lo, lo + rng.uniform(0, 1, shape))
    return graph, equation, values, jnp.asarray(rng.normal(size=(1, 2, 1)))


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_below_at_every_corner_and_touches_none_from_above(name):
    with jax.enable_x64(True):
        for seed in range(3):
            graph, equation, values, rows = _random(seed)
            excess = _excess(STEPS[name](equation), values, graph, rows)
            assert excess >= 0
            if name != "middle":  # a plane through corners; only rounding is between
                assert excess < 1e-12


@pytest.mark.parametrize("name", ["middle", "weights first"])
def test_a_wrong_corner_is_noticed(name, monkeypatch):
    right = _products._at
    monkeypatch.setattr(
        _products, "_at", lambda operation, x, y: right(operation, x, 0.5 * y)
    )
    with jax.enable_x64(True):
        assert any(
            _excess(STEPS[name](equation), values, graph, rows) < 0
            for graph, equation, values, rows in map(_random, range(3))
        )


def test_shares_are_found_behind_moves():
    def attend(x, y):
        return jax.nn.softmax(x).T @ y

    traced = jax.make_jaxpr(attend)(jnp.ones((3, 2)), jnp.ones((3, 1)))
    graph = recognise(flatten(traced.jaxpr, traced.consts))
    (dot,) = [e for e in graph.equations if e.name == "dot_general"]
    assert _products.step_for(dot, graph.producer()) == _products.Weighting(dot, 0)
    assert isinstance(_products.step_for(dot, {}), _products.Product)


def test_gates_that_are_not_shares_are_not_taken_for_them():
    equation = SimpleNamespace(inputs=(0, 1))
    producer = {0: SimpleNamespace(name="logistic", inputs=(2,))}
    assert isinstance(_products.step_for(equation, producer), _products.Product)
