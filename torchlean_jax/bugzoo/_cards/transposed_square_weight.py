"""A square weight matrix that was imported the other way round."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(x, state_dict):
    for name in ("first", "second"):
        x = jnp.tanh(x @ state_dict[name])
    return x


def fixed(x, state_dict):
    for name in ("first", "second"):
        x = jnp.tanh(x @ state_dict[name].T)
    return x


def examine(network):
    def as_trained(x, state_dict):
        for weight in (state_dict["first"], state_dict["second"]):
            x = jnp.stack([jnp.tanh((row * x).sum()) for row in weight])
        return x

    weights = jnp.linspace(-1.0, 1.0, 8).reshape(2, 2, 2)
    state_dict = {"first": weights[0], "second": weights[1]}
    return same_function(
        tl.equivalent(network, as_trained)(jnp.array([1.0, 2.0]), state_dict)
    )


CARD = Card(
    name="transposed-square-weight",
    title="A square weight the wrong way round",
    family="boundary",
    story=(
        "PyTorch stores a linear layer as [out, in], flax as [in, out]. A converter "
        "that is tested on layers with two widths fails at once and is mended; one "
        "whose layers are all square runs, and returns numbers of the usual size."
    ),
    contract="Output i of a layer is row i of its weight times the input.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    sources=("PyTorch documentation, torch.nn.Linear: weight has shape [out, in]",),
    requires=("flint",),
)
