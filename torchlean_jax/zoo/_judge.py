"""Whether drawn digits are taken for the digit that was asked for."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from torchlean_jax.zoo import cnn
from torchlean_jax.zoo._loop import train

STEPS = 600


@functools.cache
def judge() -> Callable[[Any], Any]:
    """Logits of images by the entry `cnn`, trained here on the true images: a
    checkpoint would have to be kept."""
    return train(cnn.ENTRY, replace(cnn.ENTRY.settings, steps=STEPS)).function()


def recognised(samples, labels) -> float:
    """The share of images of 64 pixels that the judge takes for their labels."""
    return float(np.mean(np.asarray(judge()(samples).argmax(-1) == labels)))
