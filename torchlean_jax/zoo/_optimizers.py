"""Optimisers and schedules by name, as `torchlean train` offers them (optax)."""

import optax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._settings import Settings

SCHEDULES = {
    "constant": lambda s: optax.constant_schedule(s.lr),
    "linear": lambda s: optax.linear_schedule(s.lr, 0.0, s.steps),
    "cosine": lambda s: optax.cosine_decay_schedule(s.lr, s.steps),
    "warmup-cosine": lambda s: optax.warmup_cosine_decay_schedule(
        0.0, s.lr, min(s.warmup, s.steps // 2), s.steps, s.lr / 40
    ),
    "warmup-stable-decay": lambda s: _stable(s, min(s.warmup, s.steps // 2)),
}
DECAY = 0.3  # of all steps


def _stable(s: Settings, warmup: int) -> optax.Schedule:
    """Up, constant, and down to nothing at the end. What was learned at the constant
    rate is the same for every length: how long a training shall be can be decided late.

    Source: Hu et al. 2024 (arXiv:2404.06395), section 4.
    """
    decay = min(round(DECAY * s.steps), s.steps - warmup)
    parts = [
        optax.linear_schedule(0.0, s.lr, warmup),
        optax.constant_schedule(s.lr),
        optax.linear_schedule(s.lr, 0.0, decay),
    ]
    return optax.join_schedules(parts, [warmup, s.steps - decay])


OPTIMIZERS = {
    "sgd": lambda rate, s: optax.sgd(rate),
    "momentum": lambda rate, s: optax.sgd(rate, momentum=s.momentum),
    "adam": lambda rate, s: optax.adam(rate, s.b1, s.b2),
    "adamw": lambda rate, s: optax.adamw(rate, s.b1, s.b2, weight_decay=s.weight_decay),
    "adagrad": lambda rate, s: optax.adagrad(rate),
    "rmsprop": lambda rate, s: optax.rmsprop(rate),
    "lion": lambda rate, s: optax.lion(rate, weight_decay=s.weight_decay),
    "muon": lambda rate, s: optax.contrib.muon(rate, weight_decay=s.weight_decay),
}


def optimizer(settings: Settings) -> optax.GradientTransformation:
    """The optimiser of these settings, behind a clip of the gradient's global norm.

    Raises InputError for names that are not in OPTIMIZERS and SCHEDULES.

    >>> import jax.numpy as jnp
    >>> from torchlean_jax.zoo import Settings
    >>> settings = Settings(optimizer="sgd", schedule="constant", lr=0.5, clip=None)
    >>> method = optimizer(settings)
    >>> w = jnp.float32(1.0)
    >>> float(method.update(2 * w, method.init(w), w)[0])
    -1.0
    """
    rate = _chosen(SCHEDULES, settings.schedule, "schedule")(settings)
    method = _chosen(OPTIMIZERS, settings.optimizer, "optimiser")(rate, settings)
    if settings.clip is None:
        return method
    return optax.chain(optax.clip_by_global_norm(settings.clip), method)


def _chosen(table, name, what):
    if name not in table:
        raise InputError(f"no {what} {name!r}: there are {', '.join(sorted(table))}")
    return table[name]
