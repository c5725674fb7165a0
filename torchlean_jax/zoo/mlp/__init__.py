"""A perceptron on digits: the one that `torchlean verify digits` certifies."""

from torchlean_jax.zoo.mlp.train import ENTRY

__all__ = ["ENTRY"]
