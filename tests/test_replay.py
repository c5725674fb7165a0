"""`replay` finds the first node at which two ways of running a model part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl

# what may differ, and how, is known of XLA on x86 processors with fused operations
CPU = jax.devices("cpu")[0]
X = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32)


def test_exact_operations_agree_everywhere():
    def f(x):
        y = x * 2.0  # exact, so nothing can part
        return jnp.where(y > 0, y, -y) + 0.0

    report = tl.replay(f)(X)
    assert report.agree
    assert report.first is None
    assert "same bits at every node" in str(report)
    assert {run.name for run in report} >= {
        "IEEE32 sequential",
        "IEEE32 pairwise",
        "IEEE32 fma-sequential",
        f"eager {CPU}",
        f"jit {CPU}",
        f"faithful_jit {CPU}",
    }


def test_orders_part_at_the_sum():
    x = np.float32([2**24, 1, 1, 1, 1, 1, 1, 1])

    def f(x):
        doubled = x + x
        return jnp.sum(doubled) * 3.0

    report = tl.replay(f)(x)
    parting = report["IEEE32 pairwise"].parting
    assert parting.primitive == "reduce_sum"
    assert "jnp.sum(doubled)" in parting.source[2]
    # one after the other the ones are lost: 2**25; in pairs: 2**25 + 12, 3 ulps of 4
    assert (parting.expected, parting.got) == (2.0**25, 2.0**25 + 12)
    assert parting.ulps == 3
    assert report["IEEE32 fma-sequential"].parting is None
    assert report.first.node <= parting.node
    assert "3 ulps" in str(report)


def test_products_and_sums_part_where_they_are_fused():
    report = tl.replay(lambda x, w: x @ w)(X, W)
    parting = report["IEEE32 fma-sequential"].parting
    assert parting.primitive == "dot_general"
    exact = X.astype(np.float64) @ W
    assert abs(parting.got - exact[parting.index]) < 1e-6


def test_the_simplifier_is_noticed():
    """x / 3 is x * (1 / 3) under a plain jit, and a division under faithful_jit."""
    x = np.arange(1, 200, dtype=np.float32)
    report = tl.replay(lambda x: x / 3)(x)
    assert report[f"jit {CPU}"].parting.primitive == "div"
    assert report[f"jit {CPU}"].parting.ulps == 1
    assert report[f"faithful_jit {CPU}"].parting is None


def test_a_difference_that_is_fused_only_where_nobody_looks():
    """Of two equal products one is rounded, and the other fused into the difference."""
    f = lambda u, v: u[0] * v[1] - u[1] * v[0]
    u = np.float32([[0.1, 0.3, 0.7], [0.3, 0.9, 0.1]])
    assert not f(u, u).any() and np.asarray(jax.jit(f)(u, u)).any()
    report = tl.replay(f)(u, u)
    assert report[f"jit {CPU}"].as_compiled is False
    assert not report.agree


def test_flushing_is_an_option():
    x = np.float32([1e-38, 3.0])
    kept = tl.replay(lambda x: x * 0.25)(x)
    assert kept[f"eager {CPU}"].parting.got == 0.0
    flushed = tl.replay(lambda x: x * 0.25, domain=tl.IEEE32(flush=True))(x)
    assert flushed.agree


def test_nans_and_integers_have_no_ulps():
    report = tl.replay(lambda x: jnp.argmax(x.sum(1)) + 0 * jnp.argmax(x))(X)
    assert report["IEEE32 pairwise"].output_ulps in (0, None)


def test_loops_and_branches():
    def f(x):
        def step(carry, row):
            return carry * 0.3 + row, carry

        last, rows = jax.lax.scan(step, jnp.zeros(8, x.dtype), x)
        return jax.lax.cond(last[0] > 0, jnp.sin, jnp.cos, last), rows

    report = tl.replay(f)(X)
    assert report["IEEE32 pairwise"].parting is None
    fused = report[f"jit {CPU}"].parting
    assert fused is None or fused.ulps is not None


def test_what_cannot_be_replayed():
    for value in (tl.IEEE32.lift(X), tl.FP32.lift(X), tl.box(X, radius=0.1)):
        with pytest.raises(tl.InputError, match="takes arrays"):
            tl.replay(jnp.sin)(value)
    with pytest.raises(tl.MissingRuleError, match="cholesky"):
        tl.replay(jnp.linalg.cholesky)(np.eye(3, dtype=np.float32))
    with pytest.raises(KeyError, match="IEEE32 sequential"):
        tl.replay(jnp.sin)(X)["tpu"]


def test_a_wrong_run_is_noticed(monkeypatch):
    """The comparison must see one flipped bit at one node."""
    from torchlean_jax import _replay

    original = _replay.eager_nodes

    def flipped(graph, leaves):
        values = original(graph, leaves)
        node = graph.equations[0].outputs[0]
        bits = jax.lax.bitcast_convert_type(values[node], jnp.uint32)
        bits = bits.at[1, 2].add(np.uint32(1))
        values[node] = jax.lax.bitcast_convert_type(bits, jnp.float32)
        return values

    monkeypatch.setattr(_replay, "eager_nodes", flipped)
    parting = tl.replay(lambda x: x * 2.0)(X)[f"eager {CPU}"].parting
    assert (parting.elements, parting.ulps, parting.index) == (1, 1, (1, 2))
