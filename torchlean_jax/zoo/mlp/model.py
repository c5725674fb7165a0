"""The network of `zoo.digits`, 64-64-64-10 with ReLU, as Variables.

It is plain JAX: its parameters are a list of layers, here named by their place.
"""

from torchlean_jax.zoo._network import Model, Variables
from torchlean_jax.zoo.digits._models import MODELS

MLP = MODELS["mlp"]
LAYERS = 3


class Perceptron(Model):
    """Logits of an image of 64 pixels in [0, 1], or of many.

    >>> import jax
    >>> sorted(NETWORK.init(jax.random.key(0)).params)[:2]
    ['0.bias', '0.weight']
    """

    def init(self, key) -> Variables:
        layers = enumerate(MLP.init(key))
        named = {f"{n}.{k}": v for n, layer in layers for k, v in layer.items()}
        return Variables(named, {})

    def apply(self, variables, image, *, method="__call__", training=False):
        if method != "__call__":
            raise AttributeError(f"a perceptron has no method {method!r}")
        layers = [
            {kind: variables.params[f"{n}.{kind}"] for kind in ("weight", "bias")}
            for n in range(LAYERS)
        ]
        return MLP.apply(layers, image), variables.state


NETWORK = Perceptron()
