"""Rules are traced once per kind of operand, and no stale trace outlives a test."""

import jax
import jax.numpy as jnp
import pytest

import torchlean_jax as tl
from torchlean_jax.domains._traced import forget_traces, traced_once


@pytest.fixture
def counted():
    """(a traced function, the dtypes and shapes it was traced with)."""
    seen = []

    @traced_once("n")
    def scaled(x, *, n):
        seen.append((x.dtype.name, x.shape))
        return n * x

    return scaled, seen


def test_a_trace_is_made_once_for_each_kind_of_operand(counted):
    scaled, seen = counted
    twice = jax.make_jaxpr(lambda x: scaled(scaled(x, n=3), n=3))(jnp.zeros(2))
    assert [e.primitive.name for e in twice.eqns] == ["mul", "mul"]  # in line
    assert scaled(jnp.ones(2), n=3).tolist() == [3, 3]
    assert seen == [("float32", (2,))]
    scaled(jnp.ones(3), n=3), scaled(jnp.ones(2, jnp.int32), n=3), scaled(1.0, n=4)
    assert seen[1:] == [("float32", (3,)), ("int32", (2,)), ("float32", ())]
    with jax.enable_x64(True):
        assert scaled(jnp.ones(2), n=3).dtype == "float64"


def test_what_was_replaced_is_seen_after_forgetting(monkeypatch):
    """A planted fault would otherwise not be noticed, or stay after its test."""
    step = "torchlean_jax.domains.interval._rounding._step"
    x = jnp.full(7, 1.0)
    up = tl.Interval.rules.find("add")
    ones = tl.Interval(x, x)
    sound = up.function(ones, ones)
    monkeypatch.setattr(step, lambda x, ulps: 0 * x)
    assert bool((up.function(ones, ones).hi == sound.hi).all())  # the old trace
    forget_traces()
    assert bool((up.function(ones, ones).hi == 2).all())
    monkeypatch.undo()
    forget_traces()
    assert bool((up.function(ones, ones).hi > 2).all())


@pytest.mark.parametrize("name", ["tanh", "exp", "erfc", "sin", "pow", "lgamma"])
def test_a_rule_holds_one_copy_of_its_enclosure(name):
    """Two, of both ends, would be compiled twice."""
    boxes = [tl.Interval(jnp.ones(5), jnp.ones(5))] * (2 if name == "pow" else 1)
    rule = tl.Interval.rules.find(name).function
    copies = str(jax.make_jaxpr(rule)(*boxes)).count("custom_jvp_call")
    # of a power also what an odd one of a negative number can be
    assert copies == (2 if name == "pow" else 1)
