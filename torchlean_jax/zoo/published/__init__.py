"""What trainings are made of, beside its published definition: `torchlean claims NAME`.

Optimisers, schedules, losses and norms belong to no entry: their claims hold of optax
and flax as they are installed here, whatever is trained with them.
"""

import importlib
from collections.abc import Iterator

from torchlean_jax.zoo._claims import Finding, check_claim

NAMES = ("optimizers", "schedules", "losses", "norms")


def claims(name: str) -> tuple:
    """The claims about one of NAMES: functions that need nothing that was trained.

    >>> [claim.__name__ for claim in claims("schedules")]
    ['constant', 'linear', 'cosine', 'warmup_cosine', 'warmup_stable_decay']
    """
    return importlib.import_module(f"{__name__}.{name}").CLAIMS


def check(name: str, *, seed: int = 0) -> Iterator[Finding]:
    """Each claim about one of NAMES, as it is decided.

    >>> next(check("schedules")).status
    'holds'
    """
    for claim in claims(name):
        yield check_claim(claim, None, seed=seed)
