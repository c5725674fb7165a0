"""A moving average of weights, kept in the precision of the weights."""

from typing import Any

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(average, weight):
    average = average.astype(weight.dtype)
    return average + (weight - average) * 0.001


def fixed(average, weight):
    weight = weight.astype(average.dtype)
    return average + (weight - average) * 0.001


def examine(step):
    domain: Any = tl.Real(digits=8)
    average, weight = jnp.float32(1.0), jnp.bfloat16(1.5)
    moved = float(tl.interpret(step, domain=domain)(average, weight).mid) - 1.0
    bound = float(tl.float_error(step)(average, weight).bound)
    later = average
    for _ in range(1000):
        later = step(later, weight)
    real = 1.5 - 0.5 * 0.999**1000
    return Finding(
        bound < moved / 2,
        f"the step from 1 towards 1.5 is {moved:.3g}, its rounding up to {bound:.2g}; "
        f"after 1000 steps the average is {later} (over the reals {real:.4f})",
    )


CARD = Card(
    name="average-that-never-moves",
    title="An average that never moves",
    family="optimiser",
    story=(
        "The averaged copy of the weights takes their dtype. In bfloat16 numbers near "
        "1 are 1/128 apart; a thousandth of the way to the new weight is less than "
        "half of that, and is rounded away, at every step. The average that is "
        "evaluated and shipped stays what it was when training began."
    ),
    contract="Rounding changes a step of the average by less than half of the step.",
    check="tl.float_error",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "d8ahazard/sd_dreambooth_extension#1415",
        "AndreasBergmeister/ram#6",
        "Nerogar/OneTrainer#996",
    ),
    requires=("flint",),
)
