"""The adder: it learns to add, its claims hold, and planted faults are found."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import _sampling as sample
from torchlean_jax.zoo import adder
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.adder import claims, data
from torchlean_jax.zoo.adder.model import sized
from torchlean_jax.zoo.gpt import model

CONFIG = sized(1, width=8, depth=1, heads=2)
RULES = claims.CLAIMS[:-1]


@pytest.fixture(scope="module")
def trained():
    """On sums of one digit, of which one is held out."""
    entry = adder.make(sized(1, width=32, depth=1, heads=2))
    return zoo.train(entry, replace(entry.settings, steps=600, batch=64, warmup=20))


def fails(claim):
    """On a fresh entry: a network that was traced keeps what it was made of."""
    return check_claim(claim, zoo.untrained(adder.make(CONFIG))).status == "fails"


@pytest.mark.parametrize("claim", RULES, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim):
    finding = check_claim(claim, zoo.untrained(adder.make(CONFIG)))
    assert finding.status == "holds", finding.evidence


def test_it_adds_and_the_count_is_that_of_python(trained):
    """Every sum is asked for as text; the answer is compared as a number."""
    asked = [(a, b) for a in range(10) for b in range(10)]
    answers = [
        trained.entry.sample(trained.variables, f"{a}+{b}", None, None)
        for a, b in asked
    ]
    exact = sum(
        text == f"{a}+{b}={a + b}" for text, (a, b) in zip(answers, asked, strict=True)
    )
    finding = check_claim(claims.sums_are_exact, trained)
    assert finding.evidence == f"{exact} of 100 sums"
    assert finding.status == "holds"


def test_a_model_that_does_not_add_is_found():
    assert fails(claims.sums_are_exact)


def test_a_mask_that_is_off_by_one_is_found(monkeypatch):
    def leaks(queries, keys):
        return keys[..., None, :] <= queries[..., :, None] + 1

    monkeypatch.setattr(model, "causal", leaks)
    assert fails(claims.is_causal)
    # the cache then shows what the last sum left at the next place
    assert fails(claims.answers_depend_on_the_operands_alone)


def test_sums_that_mix_are_found(monkeypatch):
    block = model.Block.mixed
    monkeypatch.setattr(
        model.Block, "mixed", lambda self, x: block(self, x - x.mean(0))
    )
    assert fails(claims.rows_are_independent)


def forgets_positions(monkeypatch):
    right = model.Attention.step
    monkeypatch.setattr(
        model.Attention,
        "step",
        lambda self, x, position, cache: right(self, x, 0 * position, cache),
    )


def test_a_cache_of_one_place_is_found(monkeypatch, trained):
    forgets_positions(monkeypatch)
    assert fails(claims.cached_decoding_is_full_decoding)
    entry = adder.make(sized(1, width=32, depth=1, heads=2))
    here = replace(trained, entry=entry)
    finding = check_claim(claims.what_is_written_is_what_is_counted, here)
    assert finding.status == "fails"


def test_tokens_are_the_digits_of_both_numbers_and_their_sum():
    """Against Python's own writing of numbers."""
    sums = data.sums(None, 2)
    texts = sums.tokens(np.arange(10_000))
    signs = "0123456789+="
    for pair in (0, 7, 99, 1234, 9999):
        a, b = divmod(pair, 100)
        text = "".join(signs[token] for token in texts[pair])
        assert (
            text == f"{a:02}"[::-1] + "+" + f"{b:02}"[::-1] + "=" + f"{a + b:03}"[::-1]
        )
    held = set(sums.held_out.tolist())
    assert len(held) == 100 and not held & set(sums.train.tolist())
    assert len(held | set(sums.train.tolist())) == 10_000
    batch = sums.batch(3, 500, 0)
    assert np.array_equal(batch, sums.batch(3, 500, 0))
    drawn = {data.number(t[:2]) * 100 + data.number(t[3:5]) for t in batch}
    assert not drawn & held and len(drawn) > 400


@pytest.mark.parametrize("text", ["", "12", "1+2+3", "-1+2", "123+4", "1+x", "1.5+2"])
def test_what_is_no_sum_is_refused(text):
    with pytest.raises(InputError, match="two numbers of at most 2 digits"):
        data.question(text, 2)


def test_files_are_refused():
    with pytest.raises(InputError, match="of no file"):
        adder.ENTRY.load("a.csv")


def test_digits_are_written_as_the_language_model_would_write_them(trained):
    """By the sampler of the byte GPT, at temperature 0."""
    greedy = sample.Sampling(length=2, temperature=0)
    network, variables = trained.entry.network, trained.variables
    for a, b in ((3, 4), (9, 8), (0, 0)):
        question = data.question(f"{a}+{b}", 1)
        found = sample.generate(
            network, variables, 8, question, greedy, jax.random.key(0)
        )
        text = trained.entry.sample(variables, f"{a}+{b}", None, None)
        assert text == f"{a}+{b}={data.number(found[4:])}"
