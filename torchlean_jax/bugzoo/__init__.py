"""The Bug Zoo: real bugs that return tensors of the right shape, each beside the check
that catches it."""

from torchlean_jax.bugzoo._card import Card, Finding, Report, Result
from torchlean_jax.bugzoo._collection import card, cards
from torchlean_jax.bugzoo._page import page
from torchlean_jax.bugzoo._source import side_by_side, source

__all__ = [
    "Card",
    "Finding",
    "Report",
    "Result",
    "card",
    "cards",
    "page",
    "side_by_side",
    "source",
]
