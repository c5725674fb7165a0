"""A GPT that adds: digits are its tokens, and every sum is counted."""

from torchlean_jax.zoo.adder.train import ENTRY, make

__all__ = ["ENTRY", "make"]
