"""What is claimed of GPT-2: at the size of the model, whatever its weights are."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo import _decoders as decoders
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.gpt2 import checkpoint
from torchlean_jax.zoo.gpt2.tokens import Tokens, alphabet

STRIDE = 7  # between characters that are tried
TOKENS = jnp.arange(4)  # rows of the embedding, whose numbers claims leave open


def is_causal(trained: Trained):
    """The logits at place t depend on tokens 0 to t, for all weights and tokens."""
    return decoders.causal(trained, TOKENS)


def rows_are_independent(trained: Trained):
    """The logits of a text depend on no other text of its batch, whatever the weights
    are."""
    return decoders.rows_apart(trained, TOKENS)


def a_layer_decodes_as_it_reads(trained: Trained):
    """One layer that decodes tokens with a cache gives what it gives to the whole text,
    for all weights, inputs and positions: mask and cache included."""
    network = decoders.one_layer(trained, vocabulary=len(TOKENS), context=len(TOKENS))
    return decoders.cached_is_full(network, TOKENS, 5)


def a_checkpoint_has_every_bit(trained: Trained) -> Answer:
    """Written in the published layout and read again, every array has its bits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        checkpoint.write(path, trained.variables)
        make = decoders.network(trained).make
        heads = make.keywords["config"].heads  # pyright: ignore
        _, found = checkpoint.read(path, heads)
    ours, theirs = trained.variables.params, found.params
    same = [name for name in ours if _bits(ours[name]) == _bits(theirs[name])]
    wrong = sorted(ours.keys() - set(same))[:1]
    return counted(len(same), len(ours), "arrays", f"not {wrong}")


def tokens_round_trip(pairs: Callable[[], Tokens]) -> Callable:
    """The claim about the byte-pair encoding of a checkpoint."""

    def tokens_round_trip(trained: Trained) -> Answer:
        """Every byte has a token, every token but those that were added stands for
        bytes, and every text that was tried is the text of its tokens: every seventh
        character of Unicode, one by one and together."""
        known = pairs()
        letters = {c: byte for byte, c in alphabet().items()}
        texts = ["", "def f(x):\n    return x\n", "naïve café — ∀x∈ℝ 𝔽₂", " \r\n\t "]
        texts += [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000][::STRIDE]
        texts += ["".join(texts)]
        wrong = [text for text in texts if known.decode(known.encode(text)) != text]
        # the library's words for the tokens of a text are its bytes, one after another
        spelled = [known.words[k] or "" for k in known.encode(texts[1])]
        exact = bytes(letters[c] for c in "".join(spelled)) == texts[1].encode()
        held = len(texts) - len(wrong) if exact else 0
        return counted(held, len(texts), "texts", f"not {wrong[:1]!r}")

    return tokens_round_trip


CLAIMS = (
    is_causal,
    rows_are_independent,
    a_layer_decodes_as_it_reads,
    a_checkpoint_has_every_bit,
)


def _bits(x):
    x = np.asarray(jax.device_get(x))
    return str(x.dtype), x.shape, x.tobytes()
