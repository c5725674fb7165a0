"""A noise schedule that is stretched by 0/0 when it has one step."""

import functools

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(terminal, steps):
    sigmas = jnp.linspace(1.0, 1.0 / steps, steps)
    room = 1 - sigmas
    return 1 - room * (1 - terminal) / room[-1]


def fixed(terminal, steps):
    sigmas = jnp.linspace(1.0, 1.0 / steps, steps)
    if steps == 1:
        return sigmas
    room = 1 - sigmas
    return 1 - room * (1 - terminal) / room[-1]


def examine(schedule):
    terminal = tl.box(0.125, 0.5)
    for steps in (1, 2):
        found = tl.bounds(functools.partial(schedule, steps=steps))(terminal)
        lo, hi = np.asarray(found.lo), np.asarray(found.hi)
        inside = (lo > 0) & (hi < 1.0001)
        if not inside.all():
            k = int(np.flatnonzero(~inside)[0])
            run = np.asarray(schedule(jnp.float32(0.25), steps))
            return Finding(
                False,
                f"steps={steps}: sigma[{k}] has no bounds in (0, 1.0001), only "
                f"[{lo[k]}, {hi[k]}]; with terminal=0.25 it is {run[k]}",
            )
    return Finding(True, "with 1 step and with 2 all sigmas lie in (0, 1.0001)")


CARD = Card(
    name="schedule-of-one-step",
    title="A schedule of one step is 0/0",
    family="generative",
    story=(
        "The noise levels of a sampler are stretched so that the last one ends at a "
        "given value. With a single step the only level is 1, there is nothing to "
        "stretch, and the factor is 0/0. Few-step models made the case that nobody "
        "tried a common one; the picture is NaN."
    ),
    contract="For each terminal level in [0.125, 0.5] all levels lie in (0, 1.0001).",
    check="tl.bounds",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("huggingface/diffusers#14411", "Project-MONAI/GenerativeModels#489"),
)
