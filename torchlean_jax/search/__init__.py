"""Looking for counterexamples, and proving properties part by part.

An attack proposes points; nothing it says is believed before `_confirm` has evaluated
the model there rigorously. A search cuts input sets into parts until sound bounds
decide each of them.
"""

from torchlean_jax.search._attack import Attack
from torchlean_jax.search._branch import Branching, Search
from torchlean_jax.search._executors import Devices, Executor, Processes, Ray
from torchlean_jax.search._saved import Saved, Slot

__all__ = [
    "Attack",
    "Branching",
    "Devices",
    "Executor",
    "Processes",
    "Ray",
    "Saved",
    "Search",
    "Slot",
]
