"""`batch_invariant`: rows that change with the batch are found, bounded and traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl

RANDOM = np.random.default_rng(0)
X = jnp.asarray(RANDOM.normal(size=(5, 64)), jnp.float32)
W = jnp.asarray(RANDOM.normal(size=(64, 32)), jnp.float32)


def sums_by_size(x):
    """A sum whose order depends on the batch size: a kernel with other tiles."""
    if x.shape[0] < 4:
        return x.sum(1)
    return (x[:, ::2].sum(1) + x[:, 1::2].sum(1)) + 0 * x[:, 0]


def looks_at_neighbours(x):
    return jnp.tanh(x) * 2 + (x - x.mean(0)) * 1e-3


def test_elementwise_operations_are_invariant():
    report = tl.batch_invariant(lambda x: x * 2 + 1, sizes=(1, 2, 3))(X)
    assert report.bitwise and report.culprit is None
    assert "same bits" in str(report)
    assert float(np.max(report.bound)) < 1e-5


def test_a_row_that_mixes_with_others_is_found():
    report = tl.batch_invariant(looks_at_neighbours, sizes=(1, 2, 4))(X)
    assert not report.bitwise
    assert report.worst.size > 1
    # the mean over the batch is of no row alone; what it touches is no longer this row
    assert all(distance is None for b, distance in report.runs if b.size == 1)


def test_the_bound_holds_for_every_pair_of_runs():
    report = tl.batch_invariant(sums_by_size, sizes=(1, 3, 8))(X)
    bound = np.asarray(report.bound)
    row = report.worst.row
    alone = np.asarray(sums_by_size(X[row : row + 1]))[0]
    exact = sum(map(float, np.asarray(X[row], np.float64)))
    for distance in (d for b, d in report.runs if b == report.worst):
        assert (distance or 0.0) <= bound
    assert abs(alone - exact) <= bound < 1e-3


def partly_rounded(x):
    """Rows beyond the third of a batch are computed in half precision: planted."""
    halves = x.astype(jnp.bfloat16).astype(jnp.float32)
    which = jnp.arange(x.shape[0]) >= 3
    y = jnp.where(which[:, None], halves, x)
    return jnp.sin(y) + x


def test_the_culprit_is_named():
    report = tl.batch_invariant(partly_rounded, sizes=(1, 2, 8))(X)
    assert not report.bitwise
    culprit = report.culprit
    assert culprit is not None and culprit.primitive == "select_n"
    assert culprit.source is not None and "jnp.where(which" in culprit.source[2]
    text = str(report)
    assert "select_n" in text and "any two runs are within" in text


def test_products_of_matrices_on_this_machine():
    """What XLA does here is not promised; what is said of it has to be consistent."""
    report = tl.batch_invariant(jnp.dot, argnums=0, sizes=(1, 2, 5, 8, 16))(X, W)
    bound = np.asarray(report.bound)
    worst = max((d or 0.0) for b, d in report.runs if b == report.worst)
    assert worst <= bound.max()
    if not report.bitwise and report.culprit is not None:
        assert report.culprit.primitive == "dot_general"


def test_arguments_without_a_batch_axis_stay():
    def model(p, x):
        return {"y": jnp.maximum(x * p["s"], 0), "z": x[:, 0]}

    report = tl.batch_invariant(model, argnums=1, sizes=(1, 2))({"s": 3.0}, X)
    assert report.bitwise
    assert report.bound["y"].shape == (64,) and report.bound["z"].shape == ()


def test_a_missing_rule_leaves_the_rest():
    def model(x):
        return looks_at_neighbours(x) + lax.lgamma(x + 9)

    report = tl.batch_invariant(model, sizes=(1, 2))(X)
    assert not report.bitwise and "no bound" in str(report)
    with pytest.raises(tl.MissingRuleError, match="lgamma"):
        _ = report.bound


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tl.batch_invariant(jnp.sin, sizes=(0,))(X), "batch sizes from 1"),
        (lambda: tl.batch_invariant(jnp.sin, in_axis=3)(X), "in_axis=3"),
        (lambda: tl.batch_invariant(jnp.sum, sizes=(1,))(X), "give out_axis"),
        (lambda: tl.batch_invariant(jax.numpy.sin, argnums=2)(X), "positional"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(tl.InputError, match=message):
        call()
