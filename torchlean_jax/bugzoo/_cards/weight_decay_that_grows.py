"""A weight decay that is added after the sign has been turned."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

RATE, DECAY = 0.01, 0.1


def faulty(w, gradient):
    import optax

    optimiser = optax.chain(
        optax.trace(0.9),
        optax.scale(-RATE),
        optax.add_decayed_weights(RATE * DECAY),
    )
    updates, _ = optimiser.update(gradient, optimiser.init(w), w)
    return optax.apply_updates(w, updates)


def fixed(w, gradient):
    import optax

    optimiser = optax.chain(
        optax.trace(0.9),
        optax.add_decayed_weights(DECAY),
        optax.scale(-RATE),
    )
    updates, _ = optimiser.update(gradient, optimiser.init(w), w)
    return optax.apply_updates(w, updates)


def examine(step):
    def shrinks_by(w):
        return w - step(w, jnp.zeros_like(w))

    every = tl.box([0.5], [2.0])
    verdict = tl.verify(shrinks_by, every, tl.spec.linear([[1.0]]), certificate=False)
    if verdict.status == "refuted":
        w = verdict.counterexample
        after = step(jnp.asarray(w), jnp.zeros(1))
        return Finding(False, f"weight {w} becomes {after} without any gradient")
    proved = verdict.status == "proved"
    return Finding(proved, f"{verdict.status}: every weight in [0.5, 2] shrinks")


CARD = Card(
    name="weight-decay-that-grows",
    title="Weight decay of the wrong sign",
    family="optimiser",
    story=(
        "The chain turns the update into a descent step and then adds the decayed "
        "weights. Both parts are right and the order is not: what is added is no "
        "longer turned, and weights grow a little at every step. For a while that "
        "looks like a model that fits better; the norm explodes much later."
    ),
    contract="Without a gradient every weight gets smaller.",
    check="tl.verify",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("chainer/chainer#261",),
    sources=("Loshchilov and Hutter 2019, AdamW (arXiv:1711.05101)",),
    requires=("optax",),
)
