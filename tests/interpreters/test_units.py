"""The starting rows of single elements against the Jacobian of the equations they
skip."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax._trace import trace
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters._crown import enclose
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._units import unit_rows

RNG = np.random.default_rng(1)
W = RNG.normal(size=(4, 3))
KERNEL = RNG.normal(size=(2, 3, 2, 2))

PROGRAMS = {
    "affine": (lambda x: x @ W + 0.25, (4,)),
    "transposed weight": (
        lambda x: lax.dot_general(x, W.T, (((0,), (1,)), ((), ()))),
        (4,),
    ),
    "tokens": (lambda x: x @ W - jnp.arange(15.0).reshape(5, 3), (5, 4)),
    "conv": (
        lambda x: (
            lax.conv_general_dilated(x[None], KERNEL, (2, 1), ((1, 0), (-1, 1)))[0]
            + jnp.asarray([1.0, 2.0])[:, None, None]
        ),
        (3, 5, 4),
    ),
    "reshaped": (lambda x: (x.reshape(2, 2) @ W[:2])[None].reshape(-1), (4,)),
    "two constants": (lambda x: (x + 0.1) + 0.2, (4,)),
    "constant minus": (lambda x: 1.0 - x @ W, (4,)),
    "repeated": (lambda x: jnp.broadcast_to(x, (2, 4)), (4,)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_rows_and_offsets_are_the_jacobian_and_the_constant(name):
    function, shape = PROGRAMS[name]
    with jax.enable_x64(True):
        box = Interval(jnp.zeros(shape), jnp.ones(shape))
        traced = trace(function, (box,), {}, lambda x: isinstance(x, Interval))
        graph = flatten(traced.jaxpr, traced.consts)
        result = enclose(graph, {}, {graph.inputs[0]: box}, memory=2**30)
        (target,) = graph.outputs
        size = result.values[target].size
        indices = jnp.arange(size)[::-1]
        number, rows, offset, _ = unit_rows(
            graph.equations, result.steps, result.values, target, indices
        )
        rest = _from_value(graph, number, function)
        at = jnp.asarray(RNG.normal(size=result.values[number].shape))
        found = rest(at), jax.jacobian(rest)(at), at, rows, offset
    value, jacobian, at, rows, offset = map(np.asarray, found)
    count = len(indices)
    want = jacobian.reshape(size, -1)[::-1]
    got = rows.reshape(2 * count, -1)
    np.testing.assert_array_equal(got[:count], want)
    np.testing.assert_array_equal(got[count:], -want)
    constant = value.reshape(-1)[::-1] - want @ at.reshape(-1)
    np.testing.assert_allclose(offset[:count], constant, atol=1e-14)
    np.testing.assert_allclose(offset[count:], -constant, atol=1e-14)


def _from_value(graph, number, function):
    """The rest of the program as a function of the value `number`, run by JAX."""
    if number == graph.inputs[0]:
        return function

    def rest(v):
        values = {**graph.constants, number: v}
        for equation in graph.equations:
            if all(i in values for i in equation.inputs):
                out = equation.operation(*[values[i] for i in equation.inputs])
                for n, y in zip(equation.outputs, [out], strict=True):
                    values.setdefault(n, y)
        return values[graph.outputs[0]]

    return rest


def test_bounds_of_an_affine_function_are_exact_up_to_one_rounding():
    y = tl.bounds(lambda x: x @ W.astype(np.float32))(tl.box(jnp.ones(4), radius=0.0))
    exact = W.astype(np.float32).astype(np.float64).sum(0)
    assert (y.lo <= exact).all() and (y.hi >= exact).all()
    assert (y.hi - y.lo <= 2 * np.spacing(np.abs(exact).astype(np.float32))).all()
