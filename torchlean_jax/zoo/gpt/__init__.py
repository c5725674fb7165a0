"""A byte-level GPT: pre-norm transformer, rotary positions, a cache for decoding."""

from torchlean_jax.zoo.gpt.model import GPT, Config
from torchlean_jax.zoo.gpt.train import ENTRY, make

__all__ = ["ENTRY", "GPT", "Config", "make"]
