"""The byte GPT: its claims hold, and each fault that is planted is found."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import _sampling as sample
from torchlean_jax.zoo import gpt
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.gpt import claims, data, model

CONFIG = gpt.Config(width=8, depth=2, heads=2, context=8)


@pytest.fixture(autouse=True)
def three_tokens_in_two_pieces(monkeypatch):
    monkeypatch.setattr(claims, "TOKENS", claims.TOKENS[:3])
    monkeypatch.setattr(model, "PIECE", 2)


@pytest.fixture(scope="module")
def tiny():
    return zoo.untrained(gpt.make(CONFIG))


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim, tiny):
    finding = check_claim(claim, tiny)
    assert finding.status == "holds", finding.evidence


def fails(claim):
    """On a fresh entry: a network that was traced keeps what it was made of."""
    finding = check_claim(claim, zoo.untrained(gpt.make(CONFIG)))
    return finding.status == "fails"


def test_a_mask_that_is_off_by_one_is_found(monkeypatch):
    def leaks(queries, keys):
        return keys[..., None, :] <= queries[..., :, None] + 1

    monkeypatch.setattr(model, "causal", leaks)
    assert fails(claims.is_causal)


@pytest.mark.parametrize("fault", [False, True])
def test_attention_by_pieces_is_that_of_the_whole(fault):
    """For all queries, keys and values: in two pieces and half of one. With a mask that
    shows later keys the pieces leave some out, which is a difference."""
    places = jnp.arange(5)
    visible = model.causal(places, places) | jnp.asarray(fault)
    given = [jax.ShapeDtypeStruct((5, 1, 2), jnp.float32)] * 3

    def in_one(query, key, value):
        return model.attended(query, key, value, visible)

    def by_pieces(query, key, value):
        return model.attended_by_pieces(query, key, value, visible)

    assert tl.equivalent(in_one, by_pieces)(*given).equal is not fault


def test_a_norm_over_the_batch_is_found(monkeypatch):
    block = model.Block.mixed
    monkeypatch.setattr(
        model.Block, "mixed", lambda self, x: block(self, x - x.mean(0))
    )
    assert fails(claims.rows_are_independent)


def test_a_cache_that_forgets_positions_is_found(monkeypatch):
    def at_zero(self, x, position, cache):
        caches = self.step_right(x, position, cache)
        return caches[0], jax.tree.map(lambda c: jnp.roll(c, 1, -3), caches[1])

    step = model.Attention.step
    monkeypatch.setattr(model.Attention, "step_right", step, raising=False)
    monkeypatch.setattr(model.Attention, "step", at_zero)
    assert fails(claims.a_layer_decodes_as_it_reads)


def test_padding_that_is_seen_is_found(monkeypatch):
    call = model.GPT.__call__
    monkeypatch.setattr(
        model.GPT, "__call__", lambda self, tokens, padding=0: call(self, tokens)
    )
    assert fails(claims.left_padding_does_not_matter)


def test_tokens_that_lose_bytes_are_found(monkeypatch):
    monkeypatch.setattr(claims, "encode", lambda text: data.encode(text) & 127)
    assert fails(claims.tokens_round_trip)


@pytest.mark.parametrize("fault", ["temperature", "top_k", "top_p"])
def test_a_wrong_distribution_is_found(fault, monkeypatch):
    wrong = {"temperature": 1.25, "top_k": 3, "top_p": 0.5}
    kept = sample.kept

    def faulty(logits, sampling):
        used = getattr(sampling, fault)
        return kept(logits, replace(sampling, **{fault: used and wrong[fault]}))

    monkeypatch.setattr(claims, "kept", faulty)
    assert fails(claims.sampling_is_exact)


def test_draws_that_are_not_those_of_the_distribution_are_found(monkeypatch):
    def flat(key, logits, sampling):
        return jax.random.randint(key, (), 0, 4)

    monkeypatch.setattr(claims, "draw", flat)
    assert fails(claims.sampling_is_exact)


def test_generation_is_that_of_the_full_model(tiny):
    """The likeliest token each time, by reading the whole text again: all of a prompt
    that the context of 8 has room for."""
    tokens = [100, 101]
    for _ in range(5):
        tokens.append(int(tiny.function()(jnp.array(tokens))[-1].argmax()))
    network, variables = tiny.entry.network, tiny.variables
    key = jax.random.key(0)
    for given in (2, 6):
        greedy = sample.Sampling(length=7 - given, temperature=0)
        found = sample.generate(network, variables, 8, tokens[:given], greedy, key)
        assert found.tolist() == tokens
    longer = sample.Sampling(length=20)
    found = sample.generate(network, variables, 8, [100, 101], longer, key)
    assert len(found) == 22


@pytest.mark.parametrize("prompt", [[], [256], [-1]])
def test_a_prompt_that_is_none_is_refused(prompt, tiny):
    with pytest.raises(InputError, match="a prompt"):
        sample.generate(
            tiny.entry.network, tiny.variables, 8, prompt, sample.Sampling(), None
        )


def test_tokens_that_are_no_bytes_are_refused():
    with pytest.raises(InputError, match="0 to 255"):
        data.decode([3, 256])


@pytest.mark.parametrize(
    "options", [{"length": 0}, {"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}]
)
def test_sampling_that_cannot_be_is_refused(options):
    with pytest.raises(InputError):
        sample.Sampling(**options)


def test_the_corpus_is_held_out_by_file(tmp_path):
    for number in range(40):
        (tmp_path / f"{number}.txt").write_bytes(bytes([number + 1]) * 50)
    corpus = data.text(str(tmp_path), 8)
    held, trained = set(corpus.held_out.tolist()), set(corpus.train.tolist())
    assert held & trained == {0} and len(held) == 3  # two files and the separator
    batch = corpus.batch(3, 5, 0)
    assert batch.shape == (5, 9)
    assert np.array_equal(batch, corpus.batch(3, 5, 0))
    assert not np.array_equal(batch, corpus.batch(4, 5, 0))
    with pytest.raises(InputError, match="no such file"):
        data.text(str(tmp_path / "absent"), 8)
    with pytest.raises(InputError, match="more than the context"):
        data.text(str(tmp_path / "0.txt"), 80)


def test_training_learns_something(tmp_path):
    entry = gpt.make(gpt.Config(width=16, depth=1, heads=2, context=16))
    trained = zoo.train(entry, replace(entry.settings, steps=40, warmup=5))
    assert trained.metrics["bits_per_byte"] < 7  # 8 is chance
