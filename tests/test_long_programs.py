"""Long bound programs are compiled without fusion, and nothing else changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax import _long_programs

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
