"""Handwritten digits, 8 by 8 pixels: three classifiers and how they are certified.

    from torchlean_jax.zoo import digits

    data = digits.load()
    model = digits.MODELS["mlp"]
    params = digits.train(model, data, certified=True)
    f = digits.classifier(model, params)            # any `tl` verb takes this function

Nothing here is needed to certify a model of one's own. It is small enough to read, and
the numbers in the README come from it.
"""

from torchlean_jax.zoo.digits._data import Digits, load
from torchlean_jax.zoo.digits._models import MODELS, Model, classifier
from torchlean_jax.zoo.digits._train import (
    cross_entropy,
    train,
    worst_case,
)

__all__ = [
    "MODELS",
    "Digits",
    "Model",
    "classifier",
    "cross_entropy",
    "load",
    "train",
    "worst_case",
]
