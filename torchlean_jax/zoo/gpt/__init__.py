"""A byte-level GPT: pre-norm transformer, rotary positions, a cache for decoding."""

from torchlean_jax.zoo._sampling import Sampling, kept
from torchlean_jax.zoo.gpt.model import GPT, Config
from torchlean_jax.zoo.gpt.train import ENTRY, make

__all__ = ["ENTRY", "GPT", "Config", "Sampling", "kept", "make"]
