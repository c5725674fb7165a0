"""Noise by time, and one step back: what holds of any network that predicts the noise.

At time t an image is signal[t] x + noise[t] e, with e standard normal; time 0 is the
image itself. Networks are in `model.py`.

Sources: Ho, Jain, Abbeel 2020 (arXiv:2006.11239), equations 4 and 11; Song, Meng, Ermon
2021 (arXiv:2010.02502), equation 12.
"""

import itertools

import jax.numpy as jnp
import numpy as np

TIMES = 100
# The linear schedule of DDPM, for tenfold larger steps: a thousand become a hundred.
BETA = np.concatenate([[0.0], np.linspace(1e-3, 0.2, TIMES)]).astype(np.float32)
_KEPT = np.cumprod(1 - BETA.astype(np.float64))
SIGNAL = np.sqrt(_KEPT).astype(np.float32)
NOISE = np.sqrt(1 - _KEPT).astype(np.float32)


def noised(image, time, noise):
    """The image as it is at that time. time: an integer, or one for each image."""
    signal, share = (_at(table, time, image) for table in (SIGNAL, NOISE))
    return signal * image + share * noise


def denoised(x, time, noise):
    """The image whose noised version `x` is, if the noise in it is `noise`."""
    signal, share = (_at(table, time, x) for table in (SIGNAL, NOISE))
    return (x - share * noise) / signal


def ddim_step(x, time, before, noise):
    """From a time to one before it, with the predicted noise: deterministic."""
    return noised(denoised(x, time, noise), before, noise)


def ddpm_step(x, time, noise, fresh):
    """From a time to the one just before it: part of the noise is drawn anew.

    fresh: standard normal. Its variance is that of the step forward, sigma^2 = beta.
    """
    beta, share = (_at(table, time, x) for table in (BETA, NOISE))
    mean = (x - beta / share * noise) / jnp.sqrt(1 - beta)
    return mean + jnp.sqrt(beta) * jnp.where(time > 1, fresh, 0.0)


def times(count: int) -> list[int]:
    """`count` + 1 times from TIMES down to 0, as evenly spaced as integers can be.

    >>> times(4)
    [100, 75, 50, 25, 0]
    """
    return [round(TIMES * n / count) for n in range(count, -1, -1)]


def ddim(predict, x, count: int):
    """From pure noise at the last time to an image. predict(x, time): its noise."""
    path = times(count)
    for time, before in itertools.pairwise(path):
        x = ddim_step(x, time, before, predict(x, time))
    return x


def _at(table, time, like):
    value = jnp.asarray(table)[time]
    return value.reshape(value.shape + (1,) * (like.ndim - value.ndim))
