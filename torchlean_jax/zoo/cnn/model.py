"""Three convolutions, each with batch normalisation and ReLU, and a linear layer."""

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._network import Network, Variables
from torchlean_jax.zoo.digits._models import CLASSES, centred

CHANNELS = (1, 16, 32, 64)
STRIDES = (1, 2, 2)


class CNN(nnx.Module):
    """Logits of images of 64 pixels in [0, 1].

    normalised: with batch normalisation; without, convolutions have biases instead.
    """

    def __init__(self, rngs: nnx.Rngs, normalised: bool = True):
        sizes = zip(CHANNELS, CHANNELS[1:], STRIDES, strict=False)
        self.convolutions = nnx.List(
            [
                nnx.Conv(
                    m, n, (3, 3), strides=stride, use_bias=not normalised, rngs=rngs
                )
                for m, n, stride in sizes
            ]
        )
        self.norms = nnx.List(
            [nnx.BatchNorm(n, momentum=0.9, rngs=rngs) for n in CHANNELS[1:]]
            if normalised
            else []
        )
        self.last = nnx.Linear(2 * 2 * CHANNELS[-1], CLASSES, rngs=rngs)

    def __call__(self, image):
        x = jnp.reshape(centred(image), (-1, 8, 8, 1))
        norms = self.norms or [lambda x: x] * len(self.convolutions)
        for convolution, norm in zip(self.convolutions, norms, strict=True):
            x = jax.nn.relu(norm(convolution(x)))
        return self.last(x.reshape(*image.shape[:-1], -1))


def _plain(rngs: nnx.Rngs) -> CNN:
    return CNN(rngs, normalised=False)


NETWORK = Network(CNN)
PLAIN = Network(_plain)


def apply(variables: Variables, image, training=False):
    return NETWORK.apply(variables, image, training=training)


def folded(variables: Variables) -> Variables:
    """Variables of PLAIN, which computes what NETWORK does in evaluation.

    In evaluation a normalisation is (x - mean) * factor + bias, for each channel; the
    factor goes into the kernel of the convolution before it, the rest into its bias.
    """
    params, state = variables
    made = {name: x for name, x in params.items() if name.startswith("last.")}
    for n in range(len(STRIDES)):
        norm = f"norms.{n}."
        factor = params[f"{norm}scale"] * jax.lax.rsqrt(state[f"{norm}var"] + 1e-5)
        kernel = params[f"convolutions.{n}.kernel"]
        made[f"convolutions.{n}.kernel"] = kernel * factor
        shift = params[f"{norm}bias"] - state[f"{norm}mean"] * factor
        made[f"convolutions.{n}.bias"] = shift
    return Variables(made, {})
