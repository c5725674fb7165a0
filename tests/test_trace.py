"""Models of every kind become the same function of their inputs."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import torchlean_jax as tl

BOX = tl.box(np.float32([0.1, -0.2, 0.3]), radius=0.1)


def linen():
    module = nn.Sequential([nn.Dense(8), nn.relu, nn.Dense(2)])
    variables = module.init(jax.random.key(0), BOX.lo)
    return (module, variables), lambda x: module.apply(variables, x)


def modules_of_nnx():
    rngs = nnx.Rngs(0)
    module = nnx.Sequential(
        nnx.Linear(3, 8, rngs=rngs), nnx.relu, nnx.Linear(8, 2, rngs=rngs)
    )
    return module, module


def equinox():
    module = eqx.nn.MLP(3, 2, 8, 1, key=jax.random.key(0))
    return module, module


def with_batch_norm():
    rngs = nnx.Rngs(1)
    module = nnx.Sequential(nnx.Linear(3, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs))
    module.eval()
    return module, module


@pytest.mark.smoke
@pytest.mark.parametrize("build", [linen, modules_of_nnx, equinox, with_batch_norm])
def test_a_module_is_its_function(build):
    model, function = build()
    for enclosure in (
        tl.interpret(model, domain=tl.Interval)(BOX),
        tl.bounds(model)(BOX),
    ):
        for x in (BOX.lo, BOX.hi, (BOX.lo + BOX.hi) / 2):
            y = np.asarray(function(x), np.float64)
            slack = 1e-5 * (1 + np.abs(y))  # of the float32 run it is compared with
            assert (np.asarray(enclosure.lo) - slack <= y).all()
            assert (y <= np.asarray(enclosure.hi) + slack).all()


def test_a_linen_module_needs_its_variables():
    with pytest.raises(tl.InputError, match="variables"):
        tl.bounds(nn.Dense(2))


def test_keyword_arguments_and_concrete_ones():
    def f(x, *, scale, flip):
        return -x * scale if flip else x * scale

    y = tl.bounds(lambda x, scale: f(x, scale=scale, flip=True))(BOX, scale=2.0)
    assert bool(y.contains(-2 * BOX.lo).all())


def test_several_missing_rules_are_reported_at_once():
    def f(x):
        values, _ = jnp.linalg.eigh(jnp.outer(x, x))
        return values.sum() + jnp.linalg.svd(jnp.outer(x, x))[1].sum()

    with pytest.raises(tl.MissingRuleError) as caught:
        tl.interpret(f, domain=tl.Interval)(BOX)
    message = str(caught.value)
    assert "eigh" in message and "svd" in message
    assert "test_trace.py" in message and "refused" in message
