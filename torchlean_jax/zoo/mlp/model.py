"""The network of `zoo.digits`, 64-64-64-10 with ReLU, as Variables.

It is plain JAX: its parameters are a list of layers, here named by their place.
"""

from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo.digits._models import MODELS

MLP = MODELS["mlp"]
LAYERS = 3


def init(key) -> Variables:
    """Fresh weights, by layer and kind.

    >>> import jax
    >>> sorted(init(jax.random.key(0)).params)[:2]
    ['0.bias', '0.weight']
    """
    layers = MLP.init(key)
    named = {f"{n}.{k}": v for n, layer in enumerate(layers) for k, v in layer.items()}
    return Variables(named, {})


def apply(variables: Variables, image, training=False):
    """Logits of an image of 64 pixels in [0, 1], or of many."""
    layers = [
        {kind: variables.params[f"{n}.{kind}"] for kind in ("weight", "bias")}
        for n in range(LAYERS)
    ]
    return MLP.apply(layers, image), variables.state
