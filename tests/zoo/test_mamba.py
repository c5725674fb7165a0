"""The byte Mamba: its claims hold, and each fault that is planted is found.

Those in what it shares with other decoders with states: see test_mamba2.py.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import _sampling as sample
from torchlean_jax.zoo import mamba
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.mamba import claims

CONFIG = mamba.Config(width=4, depth=2, inner=4, states=2, rank=1, context=8)
TINY = zoo.untrained(mamba.make(CONFIG))
CLAIMS = {claim.__name__: claim for claim in TINY.entry.claims}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_holds(name):
    finding = check_claim(CLAIMS[name], TINY)
    assert finding.status == "holds", finding.evidence


def fails(name):
    """On a fresh entry: a network that was traced keeps what it was made of."""
    trained = zoo.untrained(mamba.make(replace(CONFIG, depth=1)))
    claim = next(c for c in trained.entry.claims if c.__name__ == name)
    return check_claim(claim, trained).status == "fails"


def test_another_recurrence_is_found(monkeypatch):
    """A gate of z itself for silu(z)."""
    right = claims.selective_scan

    def wrong(*args, z, state):
        y, state = right(*args, state=state)
        return y * z, state

    monkeypatch.setattr(claims, "selective_scan", wrong)
    assert fails("scan_is_the_published_recurrence")


def test_a_prefix_in_the_wrong_order_is_found(monkeypatch):
    right = jax.lax.associative_scan

    def backwards(combine, given, axis):
        return right(lambda a, b: combine(b, a), given, axis=axis)

    monkeypatch.setattr(jax.lax, "associative_scan", backwards)
    assert fails("parallel_scan_is_the_recurrence")


def test_generation_is_that_of_the_whole_text():
    tokens = [100, 101]
    for _ in range(4):
        tokens.append(int(TINY.function()(jnp.array(tokens))[-1].argmax()))
    greedy = sample.Sampling(length=4, temperature=0)
    found = sample.generate(
        TINY.entry.network, TINY.variables, 10**9, [100, 101], greedy, jax.random.key(0)
    )
    assert found.tolist() == tokens


def test_training_learns_something():
    trained = zoo.train(
        mamba.make(replace(CONFIG, width=16, depth=1, inner=16, context=16)),
        replace(mamba.ENTRY.settings, steps=60, warmup=5),
    )
    assert trained.metrics["bits_per_byte"] < 7  # 8 is chance
