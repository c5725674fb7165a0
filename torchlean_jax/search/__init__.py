"""Looking for counterexamples, and confirming those that are found.

An attack proposes points; nothing it says is believed before `_confirm` has evaluated
the model there rigorously.
"""

from torchlean_jax.search._attack import Attack

__all__ = ["Attack"]
