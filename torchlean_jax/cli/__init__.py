"""The command `torchlean`: a file for each command. Answers come from the verbs."""

from torchlean_jax.cli._main import main

__all__ = ["main"]
