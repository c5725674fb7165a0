"""Example models with all that is claimed of them: model, data, training, claims.

`import torchlean_jax` does not import this. What a model needs beyond the core
(flax, scikit-learn, orbax) comes with the `zoo` extra and is imported when it is used.

    from torchlean_jax import zoo

    trained = zoo.train(zoo.entry("gpt"))
    for finding in zoo.check_claims(trained):
        print(finding.name, finding.status)
"""

from torchlean_jax.zoo import digits, published
from torchlean_jax.zoo._checkpoints import CheckpointError, load_trained
from torchlean_jax.zoo._claims import Finding, check_claims
from torchlean_jax.zoo._entry import Entry, Goal, Trained, untrained
from torchlean_jax.zoo._environments import (
    EnvironmentReport,
    as_gymnasium,
    audit_environment,
)
from torchlean_jax.zoo._loop import train
from torchlean_jax.zoo._memory import keep_memory
from torchlean_jax.zoo._non_finite import NonFiniteError
from torchlean_jax.zoo._registry import NAMES, entries, entry
from torchlean_jax.zoo._settings import Settings

__all__ = [
    "NAMES",
    "CheckpointError",
    "Entry",
    "EnvironmentReport",
    "Finding",
    "Goal",
    "NonFiniteError",
    "Settings",
    "Trained",
    "as_gymnasium",
    "audit_environment",
    "check_claims",
    "digits",
    "entries",
    "entry",
    "keep_memory",
    "load_trained",
    "published",
    "train",
    "untrained",
]
