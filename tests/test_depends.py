"""`depends`: leaks are caught with a witness, and correct programs pass."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.dependence._domain import table

T, D = 5, 4
X = jnp.asarray(np.random.default_rng(0).normal(size=(T, D)), jnp.float32)
BATCH = jnp.asarray(np.random.default_rng(1).normal(size=(3, T, D)), jnp.float32)
CAUSAL = np.tri(T, dtype=bool)


def attention(x, mask, low=-jnp.inf):
    scores = jnp.where(mask, x @ x.T / 2, low)
    return jax.nn.softmax(scores) @ x


def added_mask(x):
    bias = (1.0 - jnp.tri(T)) * -1e9
    return jax.nn.softmax(x @ x.T + bias) @ x


def library_attention(x):
    heads = x.reshape(1, T, 2, D // 2)
    out = jax.nn.dot_product_attention(heads, heads, heads, is_causal=True)
    return out.reshape(T, D)


def online_softmax(x):
    """Row by row over the keys, with a running maximum, as flash attention does."""

    def row(t):
        def step(carry, s):
            best, total, out = carry
            score = jnp.where(s <= t, x[t] @ x[s], -jnp.inf)
            new = jnp.maximum(best, score)
            old, weight = jnp.exp(best - new), jnp.exp(score - new)
            return (new, total * old + weight, out * old + weight * x[s]), None

        start = (jnp.float32(-1e30), jnp.float32(0), jnp.zeros(D))
        (_, total, out), _ = lax.scan(step, start, jnp.arange(T))
        return out / total

    return jnp.stack([row(t) for t in range(T)])


def _tanh_step(h, a):
    h = jnp.tanh(h + a)
    return h, h


def recurrence(x):
    return lax.scan(_tanh_step, jnp.zeros(D), x)[1]


def convolution(x):
    """Depthwise and causal: padded on the left only."""
    kernel = jnp.ones((3, 1, D))
    return lax.conv_general_dilated(
        x[None],
        kernel,
        (1,),
        [(2, 0)],
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=D,
    )[0]


CAUSAL_PROGRAMS = {
    "masked by -inf": lambda x: attention(x, CAUSAL),
    "masked by a large number": lambda x: attention(x, CAUSAL, -1e30),
    "mask added": added_mask,
    "jax.nn.dot_product_attention": library_attention,
    "online softmax": online_softmax,
    "recurrence": recurrence,
    "cumsum": lambda x: jnp.cumsum(x, 0),
    "convolution": convolution,
    "shifted": lambda x: jnp.pad(x, ((1, 0), (0, 0)))[:-1] * x,
    "while": lambda x: lax.fori_loop(
        0, T, lambda t, y: y.at[t].add(y[jnp.maximum(t - 1, 0)]), x
    ),
    "associative scan": lambda x: lax.associative_scan(jnp.add, x),
}

LEAKS = {
    "mask off by one": lambda x: attention(x, np.tri(T, k=1, dtype=bool)),
    "mask of the wrong polarity": lambda x: attention(x, ~CAUSAL),
    "mask transposed": lambda x: attention(x, CAUSAL.T),
    "mask forgotten": lambda x: attention(x, np.ones_like(CAUSAL)),
    "mask too weak": lambda x: attention(x, CAUSAL, -3.0),
    "mask after the softmax, not renormalised": lambda x: (
        jnp.where(CAUSAL, jax.nn.softmax(x @ x.T), 0) @ x
    ),
    "cumsum in reverse": lambda x: lax.cumsum(x, 0, reverse=True),
    "roll": lambda x: jnp.roll(x, 1, 0) + x,
    "roll the other way": lambda x: jnp.roll(x, -1, 0),
    "normalised along the sequence": lambda x: (x - x.mean(0)) / (x.std(0) + 1),
    "convolution padded on both sides": lambda x: (
        lax.conv_general_dilated(x.T[None], jnp.ones((D, D, 3)), (1,), [(1, 1)])[0].T
    ),
    "scan in reverse": lambda x: lax.scan(
        lambda h, a: (h + a,) * 2, jnp.zeros(D), x, reverse=True
    )[1],
    "sorted": lambda x: jnp.sort(x, 0),
    "flipped": lambda x: x[::-1],
    "reads one too far": lambda x: x[jnp.minimum(jnp.arange(T) + 1, T - 1)],
}


def along(f, x=X, axis=0, **options):
    return tl.depends(f, in_axis=axis, out_axis=axis, **options)(x)


@pytest.mark.parametrize("name", CAUSAL_PROGRAMS)
def test_a_causal_program_passes(name):
    report = along(CAUSAL_PROGRAMS[name])
    report.assert_causal()
    assert report.matrix.diagonal().any()


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_caught_with_a_witness(name):
    f = LEAKS[name]
    with pytest.raises(tl.DependenceError, match="is not causal") as caught:
        along(f).assert_causal()
    error = caught.value
    assert error.input > error.output
    seen = error.witness
    assert seen.pair == (error.output, error.input)
    before, after = (f(*leaves) for leaves in (seen.before, seen.after))
    assert float(before[seen.element]) != float(after[seen.element])
    changed = np.argwhere(np.any(np.asarray(seen.before[0] != seen.after[0]), 1))
    assert changed.tolist() == [[error.input]]


def test_the_matrix_is_the_dependence_relation():
    for name in ("masked by -inf", "recurrence", "cumsum"):
        report = along(CAUSAL_PROGRAMS[name])
        assert (report.matrix == CAUSAL).all()
        assert (report.certain == CAUSAL).all()


def test_a_fully_masked_row_sees_everything_that_was_masked():
    """A mask that leaves a row nothing: large numbers give the mean of all values."""
    strict = np.tri(T, k=-1, dtype=bool)
    report = along(lambda x: attention(x, strict, -1e30))
    assert report.matrix[0].all() and report.certain[0].all()


def test_an_infinity_leaks_through_a_mask():
    """0 times infinity is NaN: without the assumption, every value is seen."""
    program = CAUSAL_PROGRAMS["masked by -inf"]
    report = along(program, finite=False)
    assert report.matrix.all() and not report.assumptions
    assert np.isnan(program(X.at[T - 1, 0].set(jnp.inf))).any(axis=1)[0]
    assert any("finite" in a for a in along(program).assumptions)


def test_what_is_assumed_of_masks_is_said():
    assumed = along(CAUSAL_PROGRAMS["masked by a large number"]).assumptions
    assert not any("masked by" in a for a in along(recurrence).assumptions)
    sums = along(added_mask).assumptions
    assert any("masked by -1e+09 or less" in a for a in sums)
    assert assumed  # a chosen mask is a known number: 0 is its exponential
    with pytest.raises(tl.DependenceError):
        along(added_mask, mask=-jnp.inf).assert_causal()


def test_rows_of_a_batch():
    along(lambda x: jax.nn.softmax(x), BATCH).assert_batch_independent()
    along(jax.vmap(recurrence), BATCH).assert_batch_independent()

    def batch_norm(x):
        return (x - x.mean((0, 1))) * lax.rsqrt(x.var((0, 1)) + 1e-5)

    with pytest.raises(tl.DependenceError, match="mixes the rows"):
        along(batch_norm, BATCH).assert_batch_independent()


def test_tokens_are_looked_up():
    table = jnp.asarray(np.random.default_rng(2).normal(size=(9, D)), jnp.float32)
    tokens = jnp.asarray([1, 4, 4, 0, 8])

    def model(table, tokens):
        return attention(table[tokens], CAUSAL) @ table.T

    report = tl.depends(model, argnums=1, in_axis=0, out_axis=0)(table, tokens)
    report.assert_causal()
    assert (report.certain == CAUSAL).all()
    leak = tl.depends(
        lambda t: table[t] + table[jnp.roll(t, -1)], in_axis=0, out_axis=0
    )(tokens)
    with pytest.raises(tl.DependenceError) as caught:
        leak.assert_causal()
    assert caught.value.witness is not None


def test_weights_of_any_value():
    """A projection that starts at 0 hides a leak from these weights, not from all."""

    def model(w, x):
        return x + x[::-1] @ w

    zero = jnp.zeros((D, D))
    ask = tl.depends(model, argnums=1, in_axis=0, out_axis=0)
    ask(zero, X).assert_causal()
    with pytest.raises(tl.DependenceError) as caught:
        ask(jax.eval_shape(lambda: zero), X).assert_causal()
    assert caught.value.witness is not None


def test_an_argument_that_is_not_used():
    f = lambda x, y, z: x + 0 * y
    report = tl.depends(f, argnums=(0, 1, 2))(X, X, X)
    report.assert_independent_of(2)
    report.assert_independent_of(1)
    with pytest.raises(tl.DependenceError, match="depends on argument 0"):
        report.assert_independent_of(0)
    with pytest.raises(tl.InputError, match="argnums"):
        tl.depends(f)(X, X, X).assert_independent_of(1)


def test_trees_of_arguments_and_outputs():
    def f(p, *, scale):
        return {"a": p["u"] * scale, "b": jnp.sum(p["v"])}

    report = tl.depends(f)({"u": jnp.ones(2), "v": jnp.ones(2)}, scale=3.0)
    assert report.matrix.astype(int).tolist() == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 1],
    ]
    assert "element (1,)" in report.inputs.describe(3)
    assert report.witness(2, 3) is not None
    assert report.witness(0, 3) is None


def test_what_cancels_is_called_possible():
    report = tl.depends(lambda x: x - x)(jnp.ones(2))
    assert report.matrix.diagonal().all() and not report.certain.any()
    with pytest.raises(tl.DependenceError, match="possible"):
        report.assert_independent_of(0)


def test_a_branch_depends_on_what_decides_it():
    def f(x):
        return lax.cond(x[0] > 0, lambda y: (y[1], 1.0), lambda y: (y[2], 1.0), x)

    assert tl.depends(f)(jnp.ones(3)).matrix.astype(int).tolist() == [
        [1, 1, 1],
        [0, 0, 0],
    ]

    def loop(x):
        return lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + c[1], c[1]), x)

    assert tl.depends(loop)((1.0, 2.0)).matrix.astype(int).tolist() == [[1, 1], [0, 1]]


def test_a_long_loop_is_summed_up(monkeypatch):
    from torchlean_jax.interpreters import _unrolled

    monkeypatch.setattr(_unrolled, "LONGEST", 3)
    for name in ("recurrence", "while", "online softmax"):
        report = along(CAUSAL_PROGRAMS[name])
        assert (report.matrix >= CAUSAL & along(CAUSAL_PROGRAMS[name]).matrix).all()
        assert (report.matrix | ~report.certain).all()


def test_the_report_reads_well():
    text = str(along(CAUSAL_PROGRAMS["masked by -inf"]))
    assert "15 of 5 x 5 pairs" in text and "assumed: every number" in text
    assert "\n#....\n##...\n" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tl.depends(jnp.sum, argnums=1)(X), "positional arguments"),
        (lambda: tl.depends(jnp.sum, argnums=(0, 0))(X), "twice"),
        (lambda: tl.depends(jnp.sum, in_axis=2)(X), "in_axis=2"),
        (lambda: tl.depends(jnp.sum, out_axis=0)(X), "out_axis=0"),
        (lambda: tl.depends(lambda p: p[0] + p[1].T, in_axis=0)((X, X.T)), "same num"),
        (lambda: tl.depends(jnp.sum)(X).assert_causal(), "in_axis and out_axis"),
        (lambda: tl.depends(3)(X), "a model is"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(tl.InputError, match=re.escape(message)):
        call()


def test_a_primitive_without_a_rule_is_named(monkeypatch):
    monkeypatch.delitem(table._rules, "sin")
    with pytest.raises(tl.MissingRuleError, match="sin"):
        tl.depends(jnp.sin)(X)


def test_that_nobody_reads_the_sign_of_a_zero_is_assumed_aloud():
    """0 times -1 is -0, and atan2 tells it from 0: the reals do not."""
    f = lambda x: jnp.arctan2(0 * x, -1.0)
    assert f(jnp.float32(1)) == -f(jnp.float32(-1)) != 0
    (assumption,) = tl.depends(f)(jnp.ones(2)).assumptions
    assert "either sign, which nothing reads (as atan2" in assumption
    assert tl.depends(f, finite=False)(jnp.ones(2)).matrix.diagonal().all()
