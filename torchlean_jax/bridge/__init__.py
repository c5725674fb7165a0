"""Bridges: measured evidence that links a runtime's functions to their mathematics.

`measure` runs a function of binary32 on all its inputs, in the contexts in which a
compiler treats it differently, beside a reference whose own error is proved. What it
finds is kept in an evidence file, which names the machine it speaks of.
"""

from torchlean_jax.bridge._contexts import CONTEXTS
from torchlean_jax.bridge._scan import OPERATIONS, chunks_at, measure
from torchlean_jax.domains.fp32._evidence import environment, load, save

__all__ = [
    "CONTEXTS",
    "OPERATIONS",
    "chunks_at",
    "environment",
    "load",
    "measure",
    "save",
]
