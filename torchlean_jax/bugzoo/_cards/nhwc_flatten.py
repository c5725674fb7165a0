"""Features flattened in another order than the imported weights expect."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(features, weight):
    """features: [height, width, channels]; weight: [out, in], from PyTorch."""
    return weight @ features.reshape(-1)


def fixed(features, weight):
    return weight @ features.transpose(2, 0, 1).reshape(-1)


def examine(head):
    def as_trained(features, weight):
        height, width, _ = features.shape
        score = jnp.zeros(len(weight))
        for k in range(weight.shape[1]):
            c, place = divmod(k, height * width)
            row, column = divmod(place, width)
            score += weight[:, k] * features[row, column, c]
        return score

    features = jnp.arange(8.0).reshape(2, 2, 2)
    return same_function(
        tl.equivalent(head, as_trained)(features, jnp.linspace(0, 1, 8).reshape(1, 8))
    )


CARD = Card(
    name="nhwc-flatten",
    title="Channels last, weights of channels first",
    family="boundary",
    story=(
        "A network is moved from PyTorch, which keeps channels first, to a library "
        "that keeps them last. Convolutions are converted with care. The first dense "
        "layer after them has a matrix, which needs none, it seems: its rows count in "
        "the order in which features were flattened where it was trained."
    ),
    contract="The head is that of the trained model: input k is channel k // (H * W).",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("microsoft/MMdnn#595", "gzuidhof/nn-transfer#16"),
    requires=("flint",),
)
