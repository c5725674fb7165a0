"""How the two are trained, both in each step, and how their samples are judged."""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._images import CLASSES, pictured
from torchlean_jax.zoo._judge import recognised
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.gan.claims import claims
from torchlean_jax.zoo.gan.data import images
from torchlean_jax.zoo.gan.model import Config, losses, network

CONFIG = Config()
SETTINGS = Settings(steps=4000, batch=128, lr=5e-4, optimizer="adam", b1=0.5, clip=None)
EACH = 20  # of the samples that are judged, for each label


def make(config: Config = CONFIG) -> Entry:
    """The entry at other sizes.

    >>> make(Config(hidden=8)).network.make.keywords["config"].hidden
    8
    """
    both = network(config)

    def loss(variables, batch, key):
        image, label = batch["image"], batch["label"]
        latent = jax.random.normal(key, (len(label), config.latent), image.dtype)
        return sum(losses(both, variables, image, label, latent)), variables.state

    def drawn(variables, labels):
        latent = jax.random.normal(jax.random.key(0), (len(labels), config.latent))
        return both.apply(variables, latent, labels, method="draw")[0]

    def evaluate(variables, data) -> dict[str, float]:
        """How many samples a convolutional network takes for the digit that was asked
        for, and how far they are from the mean of their label: 1 is as far as true
        images are, 0 is one image for all."""
        labels = jnp.tile(jnp.arange(CLASSES), EACH)
        samples = np.asarray(jax.jit(drawn)(variables, labels))
        digits = data.digits
        true = _spread(digits.test_images, digits.test_labels)
        return {
            "recognised": recognised(samples, labels),
            "spread": _spread(samples, np.asarray(labels)) / true,
        }

    def show(variables, data) -> str:
        return pictured(drawn(variables, jnp.arange(6)))

    return Entry(
        name="gan",
        title="generative adversarial network for a label, digits",
        network=both,
        loss=loss,
        load=images,
        evaluate=evaluate,
        show=show,
        settings=SETTINGS,
        brief=100,
        goals=(Goal("recognised", least=0.9), Goal("spread", least=0.7)),
        claims=claims(both, config),
    )


def _spread(images, labels) -> float:
    """The mean distance of an image from the mean of those of its label."""
    groups = [images[labels == kind] for kind in np.unique(labels)]
    far = [np.linalg.norm(group - group.mean(0), axis=1) for group in groups]
    return float(np.concatenate(far).mean())


ENTRY = make()
