"""An Adam that corrects for one step too many."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

# Powers of two, so that no constant is rounded.
B1, B2, EPSILON = 0.875, 0.9375, 2.0**-20


def faulty(gradients):
    m, v, count, steps = 0.0, 0.0, 1, []
    for g in gradients:
        count = count + 1
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * g * g
        m_hat, v_hat = m / (1 - B1**count), v / (1 - B2**count)
        steps.append(m_hat / (jnp.sqrt(v_hat) + EPSILON))
    return jnp.stack(steps)


def fixed(gradients):
    m, v, count, steps = 0.0, 0.0, 0, []
    for g in gradients:
        count = count + 1
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * g * g
        m_hat, v_hat = m / (1 - B1**count), v / (1 - B2**count)
        steps.append(m_hat / (jnp.sqrt(v_hat) + EPSILON))
    return jnp.stack(steps)


def weighted_mean(values, decay):
    """The latest value has weight 1, and each one before it `decay` times that."""
    weights = [decay ** (len(values) - 1 - i) for i in range(len(values))]
    total = sum(w * x for w, x in zip(weights, values, strict=True))
    return total / sum(weights)


def definition(gradients):
    steps = []
    for t in range(1, len(gradients) + 1):
        seen = [gradients[i] for i in range(t)]
        second = weighted_mean([g * g for g in seen], B2)
        steps.append(weighted_mean(seen, B1) / (jnp.sqrt(second) + EPSILON))
    return jnp.stack(steps)


def examine(directions):
    gradients = jnp.array([0.5, 1.0, -2.0])
    return same_function(tl.equivalent(directions, definition)(gradients))


CARD = Card(
    name="adam-bias-correction-off-by-one",
    title="Adam's bias correction, one step late",
    family="optimiser",
    story=(
        "The step counter starts at 1 and is raised before it is used. The averages "
        "start at 0 and are divided by 1 - b^t to make up for it; with t one too large "
        "the first steps are too short, and later ones right. Nothing fails. Warm-up, "
        "short fine-tuning runs and comparisons with a reference are off."
    ),
    contract="Corrected moments are weighted means of the gradients so far.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "allenai/OLMo-core#317",
        "flashlight/flashlight#143",
        "kozistr/pytorch_optimizer#308",
    ),
    sources=("Kingma and Ba 2015, Adam, section 3 (arXiv:1412.6980)",),
    requires=("flint",),
)
