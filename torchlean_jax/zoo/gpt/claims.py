"""What is claimed of the byte GPT, over the jaxpr of the very model that was trained.

Claims about meaning take a few tokens and all layers; where they say so they hold for
all weights, which then are given by their shapes.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo import _decoders as decoders
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo._sampling import Sampling, draw, kept
from torchlean_jax.zoo.gpt.data import decode, encode

TOKENS = jnp.array([100, 101, 102, 32])
DRAWS = 200_000
# Hoeffding 1963, theorem 1: of five distributions of four tokens, not one frequency is
# farther off than this with probability 1 - 1e-9.
LIMIT = math.sqrt(math.log(2 * 5 * 4 / 1e-9) / (2 * DRAWS))


def is_causal(trained: Trained):
    """The logits at place t depend on tokens 0 to t, for all weights and tokens."""
    return decoders.causal(trained, TOKENS)


def rows_are_independent(trained: Trained):
    """The logits of a text depend on no other text of its batch, whatever the weights
    are."""
    return decoders.rows_apart(trained, TOKENS)


def a_layer_decodes_as_it_reads(trained: Trained):
    """One layer that decodes four tokens with a cache gives what it gives to the whole
    text, for all weights and all inputs: rotary positions, mask and cache included."""
    return decoders.cached_is_full(decoders.one_layer(trained), TOKENS, 6)


def cached_decoding_is_full_decoding(trained: Trained):
    """The whole model, all its layers, decodes two tokens with a cache as it reads
    them, for all weights."""
    return decoders.cached_is_full(decoders.network(trained), TOKENS[:2], 9)


def left_padding_does_not_matter(trained: Trained):
    """In one layer a text behind two padding tokens has the logits that it has without
    them, for all weights and inputs: positions count only by their differences."""
    network = decoders.one_layer(trained)
    padded = jnp.concatenate([jnp.array([7, 9]), TOKENS])

    def plain(params):
        return network.apply(Variables(params, {}), TOKENS)[0]

    @tl.claims.equals(plain, points=5)
    @tl.claims.example(decoders.shapes(network))
    def behind_padding(params):
        return network.apply(Variables(params, {}), padded, padding=2)[0][2:]

    return behind_padding


def tokens_round_trip(trained: Trained) -> Answer:
    """Every byte is one token, and every text the text of its tokens."""
    texts = ["", "def f(x):\n    return x\n", "naïve café — ∀x∈ℝ 𝔽₂", "\0\x7f\r\n"]
    texts += [chr(n) for n in range(0x2000) if not 0xD800 <= n < 0xE000]
    wrong = [text for text in texts if decode(encode(text)) != text]
    whole = np.frombuffer(bytes(range(256)), np.uint8)
    is_one_to_one = np.array_equal(np.unique(whole.astype(np.int32)), np.arange(256))
    held = len(texts) - len(wrong) if is_one_to_one else 0
    return counted(held, len(texts), "texts", f"not {wrong[:1]!r}")


def sampling_is_exact(trained: Trained) -> Answer:
    """For a vocabulary of four, the probabilities that are drawn from are those of the
    definitions of temperature, top-k and top-p, and 200,000 draws have them."""
    logits = jnp.asarray([0.5, 2.0, 1.0, -1.0])
    cases = [
        Sampling(),
        Sampling(temperature=0.5),
        Sampling(top_k=2),
        Sampling(top_p=0.8),
        Sampling(temperature=2.0, top_k=3, top_p=0.7),
    ]
    found = [_deviations(logits, case) for case in cases]
    held = [bool(stated < 1e-6 and drawn < LIMIT) for stated, drawn in found]
    worst = max(drawn for _, drawn in found)
    said = f"ways of sampling; draws off by {worst:.2g} at most, limit {LIMIT:.2g}"
    wrong = next((str(c) for c, ok in zip(cases, held, strict=True) if not ok), "")
    return counted(held.count(True), len(cases), said, wrong)


CLAIMS = (
    is_causal,
    rows_are_independent,
    a_layer_decodes_as_it_reads,
    cached_decoding_is_full_decoding,
    left_padding_does_not_matter,
    tokens_round_trip,
    sampling_is_exact,
)


def _deviations(logits, sampling: Sampling) -> tuple[float, float]:
    """How far what is computed, and what is drawn, is from the definition."""
    expected = _defined(np.asarray(logits, np.float64), sampling)
    stated = np.asarray(jax.nn.softmax(kept(logits, sampling)), np.float64)
    keys = jax.random.split(jax.random.key(0), DRAWS)
    drawn = jax.jit(jax.vmap(lambda key: draw(key, logits, sampling)))(keys)
    counts = np.bincount(np.asarray(drawn), minlength=len(expected)) / DRAWS
    off = np.abs(stated - expected).max(), np.abs(counts - expected).max()
    return float(off[0]), float(off[1])


def _defined(logits: np.ndarray, sampling: Sampling) -> np.ndarray:
    """The distribution as it is defined, token by token, in float64."""
    weights = np.exp(logits / sampling.temperature)
    order = list(np.argsort(-weights))[: sampling.top_k]
    total = sum(weights[token] for token in order)
    chosen, reached = [], 0.0
    for token in order:
        chosen.append(token)
        reached += weights[token] / total
        if sampling.top_p is not None and reached >= sampling.top_p:
            break
    probability = np.zeros_like(weights)
    probability[chosen] = weights[chosen] / weights[chosen].sum()
    return probability
