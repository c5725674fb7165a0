"""A loss that also scores the padding."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

PAD = 0


def faulty(logits, targets):
    scores = jax.nn.log_softmax(logits)
    losses = -jnp.take_along_axis(scores, targets[:, None], 1)[:, 0]
    return jnp.mean(losses)


def fixed(logits, targets):
    scores = jax.nn.log_softmax(logits)
    losses = -jnp.take_along_axis(scores, targets[:, None], 1)[:, 0]
    return jnp.mean(losses, where=targets != PAD)


def examine(loss):
    targets = jnp.array([3, 1, 2, PAD, PAD])
    logits = jax.random.normal(jax.random.key(0), (5, 4))
    report = tl.depends(loss, in_axis=0)(logits, targets)
    padded = [t for t in range(5) if targets[t] == PAD and report.matrix[0, t]]
    if padded:
        said = f"targets {targets}: position {padded[0]} is padding, and"
        return Finding(False, f"{said} {report.witness(0, padded[0])}")
    return Finding(True, f"targets {targets}: no logit at a padded position matters")


CARD = Card(
    name="loss-over-padding",
    title="A loss over the padding",
    family="loss",
    story=(
        "Sequences of a batch are filled up to the longest, and the loss is the mean "
        "over everything. Most of the gradient then teaches the model to predict "
        "padding, which it soon does, so that the loss looks better the more padding "
        "there is. Lengths of other sequences in the batch now weigh each token."
    ),
    contract="The loss does not depend on logits at padded positions.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "facebookresearch/fairseq2#1455",
        "NovaSky-AI/SkyRL#462",
        "DaoyuanLi2816/Molecule-Generator#20",
    ),
)
