"""A convolution with batch normalisation after it, and how the two become one.

Networks of them are in their entries; that folding changes nothing is a claim of each.
"""

import jax
from flax import nnx

from torchlean_jax.zoo._network import Variables

EPSILON = 1e-5  # beside the variance, as flax has it


class Convolution(nnx.Module):
    """A square convolution, `same` padding, of [batch, height, width, channels].

    normalised: with batch normalisation; without, it has a bias instead.
    """

    def __init__(
        self, before, after, *, size=3, stride=1, normalised=True, rngs: nnx.Rngs
    ):
        self.convolution = nnx.Conv(
            before,
            after,
            (size, size),
            strides=stride,
            use_bias=not normalised,
            rngs=rngs,
        )
        self.norm = (
            nnx.BatchNorm(after, momentum=0.9, epsilon=EPSILON, rngs=rngs)
            if normalised
            else None
        )

    def __call__(self, x):
        x = self.convolution(x)
        return x if self.norm is None else self.norm(x)


def folded(variables: Variables) -> Variables:
    """Variables of the network without normalisations that is the same function.

    In evaluation a normalisation is (x - mean) * factor + bias, for each channel; the
    factor goes into the kernel of the convolution before it, the rest into its bias.

    >>> import jax
    >>> from torchlean_jax.zoo._network import Network
    >>> network = Network(lambda rngs: Convolution(1, 2, rngs=rngs))
    >>> sorted(folded(network.init(jax.random.key(0))).params)
    ['convolution.bias', 'convolution.kernel']
    """
    params, state = variables
    norms = {name.removesuffix("norm.scale") for name in params if "norm.s" in name}
    made = {name: x for name, x in params.items() if "norm." not in name}
    for place in norms:
        norm, kernel = f"{place}norm.", f"{place}convolution.kernel"
        root = jax.lax.rsqrt(state[f"{norm}var"] + EPSILON)
        factor = params[f"{norm}scale"] * root
        made[kernel] = params[kernel] * factor
        shift = params[f"{norm}bias"] - state[f"{norm}mean"] * factor
        made[f"{place}convolution.bias"] = shift
    return Variables(made, {})
