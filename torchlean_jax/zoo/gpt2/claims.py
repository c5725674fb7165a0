"""What is claimed of GPT-2: at the size of the model, whatever its weights are."""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo import _decoders as decoders
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.gpt2 import checkpoint

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


CLAIMS = (
    is_causal,
    rows_are_independent,
    a_layer_decodes_as_it_reads,
    a_checkpoint_has_every_bit,
)


def _bits(x):
    x = np.asarray(jax.device_get(x))
    return str(x.dtype), x.shape, x.tobytes()
