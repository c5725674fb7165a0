"""Weights that live on a mesh: where an array lives says nothing about its numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import torchlean_jax as tl

WEIGHTS = np.float32([[1, -2, 0.5], [4, 0.25, -8]])
X = np.float32([0.5, 3, -1])
EXACT = [-6.0, 10.75]


@pytest.fixture
def model():
    """weights @ x, in products and sums, on an explicit mesh of one device."""
    mesh = jax.make_mesh((1,), ("d",), axis_types=(AxisType.Explicit,))
    weights = jax.device_put(WEIGHTS, NamedSharding(mesh, PartitionSpec("d", None)))
    with jax.set_mesh(mesh):
        yield lambda x: jnp.sum(jax.sharding.reshard(weights, PartitionSpec()) * x, 1)


def test_in_every_number_system(model):
    assert "reshard" in str(jax.make_jaxpr(model)(X))
    box = tl.interpret(model, domain=tl.Interval)(tl.box(X, X))
    assert box.contains(np.float32(EXACT)).all()
    assert float((box.hi - box.lo).max()) < 1e-4
    real = tl.interpret(model, domain=tl.Real())(X)
    assert np.asarray(real.mid).tolist() == EXACT
    bits = tl.interpret(model, domain=tl.IEEE32)(X)
    assert np.asarray(bits.to_float()).tolist() == EXACT
    runs = tl.interpret(model, domain=tl.FP32)(tl.FP32.lift(X))
    assert runs.execution.contains(np.float32(EXACT)).all()


def test_a_derivative(model):
    """Its checker ran into a primitive that it did not know."""
    assert tl.check_vjp(model)(X).ok
