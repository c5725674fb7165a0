"""Recognised sub-graphs compute the same function, and near misses are left alone."""

import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, nn

from torchlean_jax.interpreters import _match
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._patterns import recognise
from torchlean_jax.interpreters._wholes import FORMULAS

SHAPE = (3, 4)


def graph_of(f, *args):
    traced = jax.make_jaxpr(f)(*args)
    return flatten(traced.jaxpr, traced.consts)


def names(f, x):
    return [equation.name for equation in recognise(graph_of(f, x)).equations]


def run(graph, *args):
    """The graph evaluated by JAX itself."""
    values = {**graph.constants, **dict(zip(graph.inputs, args, strict=True))}
    for equation in graph.equations:
        outputs = equation.operation(*[values[i] for i in equation.inputs])
        multiple = equation.eqn.primitive.multiple_results
        values.update(
            zip(equation.outputs, outputs if multiple else [outputs], strict=True)
        )
    return [values[o] for o in graph.outputs]


def softmax_by_hand(x):
    e = jnp.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_written_twice(x):
    return jnp.exp(x) / jnp.exp(x).sum(0, keepdims=True)


def layer_norm(x):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt((x * x).mean(-1, keepdims=True) - mean * mean + 1e-5)


# softmax of few numbers goes through their differences
GAPS = {"broadcast_in_dim", "sub", "call:softmax_of_gaps"}

FOUND = {
    "silu": (nn.silu, {"call:silu"}),
    "silu with sigmoid first": (lambda x: nn.sigmoid(x) * x, {"call:silu"}),
    "gelu": (nn.gelu, {"call:gelu_tanh"}),
    "gelu with erfc": (
        lambda x: nn.gelu(x, approximate=False),
        {"call:gelu_erf", "copy"},
    ),
    "gelu with erf": (
        lambda x: 0.5 * x * (1 + lax.erf(x * np.float32(0.5**0.5))),
        {"call:gelu_erf"},
    ),
    "softplus": (nn.softplus, {"call:softplus"}),
    "log_sigmoid": (nn.log_sigmoid, {"neg", "call:softplus"}),
    "logaddexp": (
        lambda x: jnp.logaddexp(x, x[::-1]),
        {"rev", "sub", "call:softplus", "add"},
    ),
    "leaky_relu": (nn.leaky_relu, {"call:leaky_relu"}),
    "leaky_relu as max": (lambda x: jnp.maximum(x, 0.125 * x), {"call:leaky_relu"}),
    "elu": (nn.elu, {"call:elu"}),
    "elu of another scale": (lambda x: nn.elu(x, 0.5), {"call:elu"}),
    "celu": (lambda x: nn.celu(x, 1.5), {"call:elu"}),
    "relu by where": (lambda x: jnp.where(x > 0, x, 0.0), {"max"}),
    "abs by where": (lambda x: jnp.where(x < 0, -x, x), {"abs"}),
    "relu6": (nn.relu6, {"clamp"}),
    "clip": (lambda x: jnp.clip(x, -0.5, 0.75), {"clamp"}),
    "hard_tanh": (nn.hard_tanh, {"clamp"}),
    "softmax": (nn.softmax, GAPS),
    "softmax of rows": (lambda x: nn.softmax(x, axis=0), GAPS | {"transpose"}),
    "softmax by hand": (softmax_by_hand, GAPS),
    "softmax written twice": (softmax_written_twice, GAPS | {"transpose"}),
    "softmax of many": (
        lambda x: nn.softmax(jnp.concatenate([x] * 20, axis=1)),
        {"concatenate", "call:softmax"},
    ),
    "log_softmax": (nn.log_softmax, {"call:logsumexp", "broadcast_in_dim", "sub"}),
    "logsumexp": (lambda x: nn.logsumexp(x, axis=1), {"call:logsumexp"}),
    "logsumexp that keeps its axis": (
        lambda x: nn.logsumexp(x, axis=0, keepdims=True),
        {"call:logsumexp", "broadcast_in_dim"},
    ),
    "logsumexp by hand": (lambda x: jnp.log(jnp.exp(x).sum(-1)), {"call:logsumexp"}),
    "square": (lambda x: x * x, {"square"}),
    "square of a value computed twice": (
        lambda x: jnp.sin(x) * jnp.sin(x),
        {"sin", "square"},
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_pattern_is_found_and_means_the_same(name):
    f, expected = FOUND[name]
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32) * 2
    assert set(names(f, x)) == expected
    with jax.enable_x64(True):
        x = jnp.asarray(x, jnp.float64)
        got = run(recognise(graph_of(f, x)), x)
        np.testing.assert_allclose(got[0], f(x), rtol=1e-6, atol=1e-12)


MISSED = {
    "leaky_relu steeper than 1": lambda x: nn.leaky_relu(x, 1.5),
    "leaky_relu that falls": lambda x: jnp.where(x >= 0, x, -0.5 * x),
    "leaky_relu at another threshold": lambda x: jnp.where(x >= 1, x, 0.1 * x),
    "leaky_relu of another value": lambda x: jnp.where(x >= 0, x, 0.1 * x[::-1]),
    "leaky_relu the other way round": lambda x: jnp.where(x >= 0, 0.1 * x, x),
    "selu": nn.selu,
    "elu of two scales": lambda x: nn.elu(x, 2.0),
    "clip with crossed limits": lambda x: jnp.minimum(jnp.maximum(x, 1.0), -1.0),
    "gelu with another constant": lambda x: 0.5 * x * (1 + lax.erf(x * 0.7)),
    "gelu with a fifth power": lambda x: (
        0.5 * x * (1 + jnp.tanh(0.7978845834732056 * (x + 0.044714998453855515 * x**5)))
    ),
    "softmax with a level for each": lambda x: (
        jnp.exp(x - x[::-1]) / jnp.exp(x - jnp.flip(x)).sum(-1, keepdims=True)
    ),
    "softmax of different numbers": lambda x: (
        jnp.exp(x) / jnp.exp(2 * x).sum(-1, keepdims=True)
    ),
    "share of a sum along another axis": lambda x: (
        jnp.exp(x[:, :3]) / jnp.exp(x[:, :3]).sum(0)[:, None]
    ),
    "silu of two values": lambda x: x * nn.sigmoid(x[::-1]),
    "variance with another count": lambda x: (x**2).sum(-1) / 3 - (x.sum(-1) / 3) ** 2,
}


@pytest.mark.parametrize("name", MISSED)
def test_a_near_miss_is_left_alone(name):
    x = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    assert not set(names(MISSED[name], x)) & {*FORMULAS, "clamp"}
    got = run(recognise(graph_of(MISSED[name], x)), x)
    np.testing.assert_allclose(got[0], MISSED[name](x), rtol=1e-5)


@pytest.mark.parametrize("model", [layer_norm, nnx.LayerNorm(4, rngs=nnx.Rngs(0))])
def test_a_fast_variance_becomes_a_centred_one(model):
    """E[x^2] - E[x]^2 cancels; as a mean of squares no enclosure of it is negative."""
    x = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    before, after = graph_of(model, x), recognise(graph_of(model, x))
    squares = [e.inputs for e in after.equations if e.name == "square"]
    centred = {o for e in after.equations if e.name == "sub" for o in e.outputs}
    assert len(squares) == 1 and squares[0][0] in centred
    np.testing.assert_allclose(
        run(after, x)[0], run(before, x)[0], rtol=1e-4, atol=1e-5
    )


def test_numbers_of_inputs_and_outputs_stay():
    def f(x):
        return nn.silu(x), jnp.tanh(x)

    before = graph_of(f, np.ones(3, np.float32))
    after = recognise(before)
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    assert sorted(e.name for e in after.equations) == ["call:silu", "tanh"]
    x = np.linspace(-1, 1, 3, dtype=np.float32)
    for got, expected in zip(run(after, x), f(x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_what_is_computed_twice_is_computed_once():
    def f(x):
        return jnp.sin(x) + jnp.exp(jnp.sin(x)), jnp.sin(x)

    x = np.linspace(-1, 1, 3, dtype=np.float32)
    after = recognise(graph_of(f, x))
    assert sorted(e.name for e in after.equations) == ["add", "exp", "sin"]
    for got, expected in zip(run(after, x), f(x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_a_constant_that_is_traced_is_not_known():
    """Under the user's own jit a slope may be an argument: nothing is assumed of it."""

    def f(c):
        graph = graph_of(lambda x: jnp.where(x >= 0, x, c * x), jnp.ones(3))
        assert "select_n" in [e.name for e in recognise(graph).equations]
        return c

    jax.jit(f)(0.5)


def test_ignoring_parameters_would_be_noticed(monkeypatch):
    """Planted fault: operations that differ in an axis compared as equal."""
    monkeypatch.setattr(_match, "_same_operation", lambda a, b: a.name == b.name)
    f = MISSED["gelu with a fifth power"]
    x = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    got = run(recognise(graph_of(f, x)), x)
    assert not np.allclose(got[0], f(x), rtol=1e-5)
