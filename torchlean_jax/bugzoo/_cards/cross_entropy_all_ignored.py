"""A mean over the labels that count, of which there may be none."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

IGNORED = -100


def faulty(logits, labels):
    counts = labels != IGNORED
    picked = jnp.where(counts, labels, 0)[:, None]
    losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), picked, 1)[:, 0]
    return jnp.sum(losses * counts) / jnp.sum(counts)


def fixed(logits, labels):
    counts = labels != IGNORED
    picked = jnp.where(counts, labels, 0)[:, None]
    losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), picked, 1)[:, 0]
    return jnp.sum(losses * counts) / jnp.maximum(jnp.sum(counts), 1)


def examine(loss):
    box = tl.box(jnp.full((3, 4), -2.0), jnp.full((3, 4), 2.0))
    rows = []
    for labels in ([2, IGNORED, 1], [IGNORED] * 3):
        bound = tl.bounds(loss, method="ibp")(box, jnp.array(labels))
        value = loss(jnp.zeros((3, 4)), jnp.array(labels))
        rows.append((labels, bound, float(value), bool(bound.may_be_nan)))
    table = [("labels", "loss for any logits in [-2, 2]", "at logits 0")]
    table += [(str(a), f"[{b.lo:.3g}, {b.hi:.3g}]", f"{v:.4g}") for a, b, v, _ in rows]
    bad = [f"labels {a}: {v} at logits 0" for a, _, v, is_bad in rows if is_bad]
    said = bad[0] if bad else "finite for every logit in [-2, 2] and each of the labels"
    return Finding(not bad, said, tuple(table))


CARD = Card(
    name="cross-entropy-all-ignored",
    title="A cross-entropy of nothing",
    family="loss",
    story=(
        "The mean is taken over the labels that count. A batch whose labels are all "
        "ignored (a long prompt, a truncated answer, one shard of many) has none of "
        "them: 0/0. The NaN goes into the gradient and from there into every weight, "
        "hours into a run, and no shape or dtype was ever wrong."
    ),
    contract="The loss is a finite number for all bounded logits, whatever is ignored.",
    check="tl.bounds",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "pytorch/pytorch#75181",
        "pytorch/pytorch#116349",
        "pytorch/pytorch#70348",
        "pytorch/torchtune#2341",
    ),
)
