"""The schedules of `torchlean train` are the curves they are named after.

Each is taken at every step of a training, and after its end, and compared with its
definition in float64: optax computes in float32, which rounds.
"""

import math

import numpy as np

from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._optimizers import SCHEDULES
from torchlean_jax.zoo._settings import Settings

SETTINGS = Settings(steps=200, lr=0.5, warmup=40)
# With u = 2^-24: three roundings of an argument x move its cosine by 3 u x sin x, which
# is below 6 u, a library cosine within 4 ulps is 4 u off, and six roundings follow.
TOLERANCE = 16 * 2.0**-24


def constant(trained=None):
    """The rate is the same at every step."""
    return _compared("constant", lambda t: SETTINGS.lr)


def linear(trained=None):
    """The rate falls to 0 on a line, and stays there."""
    return _compared("linear", lambda t: SETTINGS.lr * (1 - _share(t)))


def cosine(trained=None):
    """The rate falls to 0 as (1 + cos(pi t / steps)) / 2, and stays there.

    Source: Loshchilov and Hutter 2017 (arXiv:1608.03983), equation 5, without restarts.
    """
    return _compared("cosine", lambda t: SETTINGS.lr * _falling(_share(t)))


def warmup_cosine(trained=None):
    """The rate rises from 0 on a line, then falls to a fortieth as a cosine over the
    steps that are left."""
    start, last = SETTINGS.warmup, SETTINGS.lr / 40

    def rate(t):
        if t < start:
            return SETTINGS.lr * t / start
        left = min((t - start) / (SETTINGS.steps - start), 1)
        return last + (SETTINGS.lr - last) * _falling(left)

    return _compared("warmup-cosine", rate)


def warmup_stable_decay(trained=None):
    """The rate rises from 0 on a line, stays, and falls to 0 on a line in the last
    three tenths of the steps.

    Source: Hu et al. 2024 (arXiv:2404.06395), section 4.
    """
    start, last = SETTINGS.warmup, 0.7 * SETTINGS.steps

    def rate(t):
        falling = (SETTINGS.steps - t) / (SETTINGS.steps - last)
        return SETTINGS.lr * max(min(t / start, 1, falling), 0)

    return _compared("warmup-stable-decay", rate)


CLAIMS = (constant, linear, cosine, warmup_cosine, warmup_stable_decay)


def _share(t):
    return min(t / SETTINGS.steps, 1)


def _falling(share):
    return (1 + math.cos(math.pi * share)) / 2


def _compared(name, rate):
    times = np.arange(SETTINGS.steps + 10)
    schedule = SCHEDULES[name](SETTINGS)
    off = [
        abs(float(np.asarray(schedule(t))) - rate(int(t))) / SETTINGS.lr for t in times
    ]
    held = sum(x <= TOLERANCE for x in off)
    said = f"steps; off by {max(off):.1e} of the rate at most, limit {TOLERANCE:.1e}"
    return counted(held, len(times), said, f"worst at step {int(np.argmax(off))}")
