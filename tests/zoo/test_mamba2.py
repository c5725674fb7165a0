"""The byte Mamba-2: its claims hold, and each fault that is planted is found."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import mamba2
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.mamba2 import claims, model

CONFIG = mamba2.Config(width=4, depth=2, heads=2, size=2, states=3, context=8, chunk=4)
TINY = zoo.untrained(mamba2.make(CONFIG))
CLAIMS = {claim.__name__: claim for claim in TINY.entry.claims}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_holds(name):
    finding = check_claim(CLAIMS[name], TINY)
    assert finding.status == "holds", finding.evidence


def fails(name):
    """On a fresh entry: a network that was traced keeps what it was made of."""
    trained = zoo.untrained(mamba2.make(replace(CONFIG, depth=1)))
    claim = next(c for c in trained.entry.claims if c.__name__ == name)
    return check_claim(claim, trained).status == "fails"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("is_causal", lambda x: x.at[:, 0].add(x[:, -1])),
        ("rows_are_independent", lambda x: x - x.mean(0)),
    ],
)
def test_a_dependence_is_found(name, wrong, monkeypatch):
    right = model.Block.__call__
    mixing = lambda self, x, memory: right(self, wrong(x), memory)
    monkeypatch.setattr(model.Block, "__call__", mixing)
    assert fails(name)


def test_a_mask_that_lets_the_next_input_through_is_found(monkeypatch):
    right = jnp.tril
    monkeypatch.setattr(claims.dual.__globals__["jnp"], "tril", lambda x: right(x, 1))
    assert fails("is_causal")


def test_another_recurrence_is_found(monkeypatch):
    """Inputs that are not multiplied by their step sizes."""
    right = claims.dual

    def wrong(x, delta, *rest):
        return right(x / delta[..., None], delta, *rest)

    monkeypatch.setattr(claims, "dual", wrong)
    assert fails("chunks_are_the_published_recurrence")


def test_chunks_that_do_not_know_of_each_other_are_found(monkeypatch):
    """As long as four tokens are one chunk nothing is wrong."""
    right = model.dual

    def apart(x, delta, a, b, c, state, chunk):
        found = []
        for start in range(0, x.shape[1], chunk):
            at = slice(start, start + chunk)
            piece = x[:, at], delta[:, at], a, b[:, at], c[:, at]
            found.append(right(*piece, state, chunk))
        return jnp.concatenate([y for y, _ in found], 1), found[-1][1]

    monkeypatch.setattr(model, "dual", apart)
    assert fails("chunks_do_not_matter")


@pytest.mark.parametrize("part", ["recent", "state"])
def test_a_memory_that_is_lost_is_found(part, monkeypatch):
    right = model.Block.__call__

    def forgetful(self, x, memory):
        lost = jnp.zeros_like(getattr(memory, part))
        return right(self, x, memory._replace(**{part: lost}))

    monkeypatch.setattr(model.Block, "__call__", forgetful)
    assert fails("tokens_are_read_one_by_one")


def recurrence(x, delta, a, b, c, state):
    """Step by step, in float64."""
    x, delta, a, b, c, h = (np.asarray(v, float) for v in (x, delta, a, b, c, state))
    read = []
    for t in range(x.shape[1]):
        driven = np.einsum("bn,bh,bhp->bhnp", b[:, t], delta[:, t], x[:, t])
        h = np.exp(delta[:, t] * a)[..., None, None] * h + driven
        read.append(np.einsum("bn,bhnp->bhp", c[:, t], h))
    return np.stack(read, 1), h


def operands(seed, time, rate=1.0) -> tuple:
    random = np.random.default_rng(seed)
    shapes = (2, time, 3, 4), (2, time, 3), (3,), (2, time, 5), (2, time, 5)
    drawn = [random.normal(size=shape) for shape in (*shapes, (2, 3, 5, 4))]
    drawn[1], drawn[2] = np.exp(drawn[1]), -rate * np.exp(drawn[2])
    return tuple(v.astype(np.float32) for v in drawn)


def limits(x, delta, a, b, c, state):
    """How far binary32 may be from `recurrence`, whose results are sums of products.

    Each of at most (9 + 1) * 5 products is rounded a few times, and its sum once for
    each: 64 units of 2**-24 of the sum of magnitudes. Its decay is exp of a difference
    of sums of at most 9 logarithms, which rounds by 2 * 9 units of the largest sum.
    """
    total = (delta * -a).sum(1).max()
    sizes = np.abs(x), delta, a, np.abs(b), np.abs(c), np.abs(state)
    return [(64 + 18 * total) * 2.0**-24 * size for size in recurrence(*sizes)]


@pytest.mark.parametrize("chunk", [1, 3, 7, 20])
def test_chunks_of_any_length_are_the_recurrence(chunk):
    given = operands(0, 7)
    found = jax.jit(mamba2.dual, static_argnums=6)(*given, chunk)
    exact = recurrence(*given)
    for ours, theirs, limit in zip(found, exact, limits(*given), strict=True):
        assert (np.abs(ours - theirs) <= limit).all()


def test_decays_of_a_thousand_do_not_overflow():
    """exp(1000) above the mask's diagonal would be infinite, and 0 times it no number:
    in the result or in the gradient."""
    given = operands(1, 9, rate=1000.0)

    def total(*given):
        y, state = mamba2.dual(*given, chunk=4)
        return y.sum() + state.sum()

    differentiated = jax.jit(jax.value_and_grad(total, argnums=tuple(range(6))))
    value, gradient = differentiated(*given)
    exact = sum(out.sum() for out in recurrence(*given))
    assert abs(value - exact) <= sum(limit.sum() for limit in limits(*given))
    assert all(np.isfinite(g).all() for g in gradient)


def test_training_learns_something():
    trained = zoo.train(
        mamba2.make(replace(CONFIG, width=16, depth=1, size=8, context=16)),
        replace(mamba2.ENTRY.settings, steps=60, warmup=5),
    )
    assert trained.metrics["bits_per_byte"] < 7  # 8 is chance
