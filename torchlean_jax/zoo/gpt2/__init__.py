"""GPT-2: learned positions, LayerNorm, biases; reads checkpoints as published."""

from torchlean_jax.zoo.gpt2.checkpoint import write
from torchlean_jax.zoo.gpt2.model import GPT2
from torchlean_jax.zoo.gpt2.train import ENTRY, make, read

__all__ = ["ENTRY", "GPT2", "make", "read", "write"]
