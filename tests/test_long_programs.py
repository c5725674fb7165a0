"""Long bound programs are compiled without fusion, and nothing else changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax import _execution, _float_error, _long_programs
from torchlean_jax.search import _boxes, _region

BOX = tl.box(np.float32([0.2, -0.4, 0.6]), radius=0.1)


def model(x):
    return jnp.tanh(x) * x[::-1]


def test_bounds_of_a_long_program(monkeypatch):
    """Also inside of a caller's jit and vmap, where options of a compiler raise."""
    usual = tl.bounds(model, method="ibp")(BOX)
    monkeypatch.setattr(_long_programs, "LONG", 0)
    bound = tl.bounds(model, method="ibp")
    found = bound(BOX)
    np.testing.assert_allclose(found.lo, usual.lo, rtol=1e-6)
    np.testing.assert_allclose(found.hi, usual.hi, rtol=1e-6)
    inside = jax.jit(bound)(BOX)
    many = jax.vmap(bound)(jax.tree.map(lambda end: jnp.stack([end, end]), BOX))
    for x in np.linspace(BOX.lo, BOX.hi, 7, dtype=np.float32):
        y = np.float32(np.tanh(np.float64(x)) * x[::-1])
        for enclosure in (found, inside, many):
            assert np.all(enclosure.lo <= y) and np.all(y <= enclosure.hi)


def test_the_compiler_is_told(monkeypatch):
    monkeypatch.setattr(_long_programs, "UNFUSED", {"xla_no_such_option": "1"})
    assert tl.bounds(model, method="ibp")(BOX).lo.shape == (3,)  # short: not told
    monkeypatch.setattr(_long_programs, "LONG", 0)
    with pytest.raises(Exception, match="xla_no_such_option"):
        tl.bounds(model, method="ibp")(BOX)


def test_loops_do_not_count(monkeypatch):
    monkeypatch.setattr(_long_programs, "UNFUSED", {"xla_no_such_option": "1"})
    monkeypatch.setattr(_long_programs, "LONG", 3)

    def step(_, x):
        return jnp.sin(jnp.cos(x * 2) + 1) - 3

    looped = _long_programs.jit(lambda x: jax.lax.fori_loop(0, 5, step, x))
    assert np.isfinite(looped(1.0))
    with pytest.raises(Exception, match="xla_no_such_option"):
        _long_programs.jit(lambda x: jax.jit(step)(0, x))(1.0)


def verdict(bound, method="ibp", cut=None):
    """Of a network whose least value on BOX is 0.75."""
    return tl.verify(
        lambda x: jnp.maximum(x * 2 - x[::-1], 0).sum()[None],
        BOX,
        tl.spec.linear([[1.0]], [bound]),
        method=method,
        split=cut is not None and tl.search.Branching(cut=cut),
        semantics="fp32",
    )


QUESTIONS = {
    "a bound": (_float_error, lambda: tl.float_error(model)(BOX)),
    "each node's part": (_float_error, lambda: tl.float_error(model)(BOX).breakdown()),
    "bounds": (_execution, lambda: verdict(-10.0, "forward")),
    "boxes": (_boxes, lambda: verdict(0.74, cut="inputs")),
    "cells": (_region, lambda: verdict(0.74, "crown", cut="phases")),
}


@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_errors_of_rounding_are_not_fused(question, monkeypatch):
    """Fused, some run for as good as ever: values are computed once for each use."""
    module, ask = QUESTIONS[question]
    names = {"unfused_options", "options_of_search"} & vars(module).keys()
    for name in names:
        monkeypatch.setattr(module, name, lambda *_, **__: {"xla_no_such_option": "1"})
    with pytest.raises(Exception, match="xla_no_such_option"):
        ask()


def test_a_search_is_not_fused_where_arrays_are_joined():
    """In a loop, too. A network of dense layers would take twice as long."""

    def joined(x):
        return jax.lax.fori_loop(0, 2, lambda _, y: jnp.stack([y[1], y[0]]), x)

    options = _long_programs.options_of_search
    inner, dense = (jax.make_jaxpr(f)(jnp.zeros(2)) for f in (joined, jnp.tanh))
    expected = _long_programs.unfused_options()
    assert options(inner, has_errors=True) == expected
    assert options(inner, has_errors=False) is None
    assert options(dense, has_errors=True) is None


def test_errors_of_the_steps_of_a_controller_come():
    """Of slices that are stacked again, unrolled: fused, this would not end."""

    def step(x):
        return jnp.stack([x[0] + x[1] / 16, x[1] + jnp.sin(x[0]) / 16, x[2] * x[0]])

    def steps(x):
        return step(step(step(step(x))))

    exact, error = np.float64([0.25, -0.5, 0.75]), tl.float_error(steps)
    bound = error(np.float32(exact)).bound
    run = jax.jit(steps)(np.float32(exact))
    with jax.enable_x64(True):
        real = np.asarray(steps(jnp.asarray(exact)))
    assert np.all(np.abs(run - real) <= bound) and np.all(bound < 1e-6)
