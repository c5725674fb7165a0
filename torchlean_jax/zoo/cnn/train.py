"""How the convolutional network is trained: on digits that are moved by a pixel."""

import jax
import jax.numpy as jnp

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.cnn.claims import CLAIMS, CLASSIFIER
from torchlean_jax.zoo.cnn.data import images
from torchlean_jax.zoo.cnn.model import NETWORK


def moved(image, key):
    """Each image moved by up to one pixel in each direction; black comes in.

    >>> moved(jnp.ones((2, 64)), jax.random.key(0)).shape
    (2, 64)
    """
    framed = jnp.pad(image.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    starts = jax.random.randint(key, (len(image), 2), 0, 3)
    cut = jax.vmap(lambda x, at: jax.lax.dynamic_slice(x, tuple(at), (8, 8)))
    return cut(framed, starts).reshape(image.shape)


def loss(variables, batch, key):
    batch = batch | {"image": moved(batch["image"], key)}
    return CLASSIFIER.loss(variables, batch, key)


ENTRY = Entry(
    name="cnn",
    title="convolutional network with batch normalisation, digits",
    init=NETWORK.init,
    loss=loss,
    load=images,
    evaluate=CLASSIFIER.evaluate,
    show=CLASSIFIER.show,
    settings=Settings(steps=2000, lr=3e-3, weight_decay=0.05),
    brief=100,
    goals=(Goal("accuracy", least=0.98),),
    claims=CLAIMS,
    network=NETWORK,
)
