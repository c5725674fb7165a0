"""How the masked autoencoder is trained, and measured beside linear prediction."""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._images import patches, pictured, unpatched
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.mae.claims import claims
from torchlean_jax.zoo.mae.data import images
from torchlean_jax.zoo.mae.model import PATCHES, SHOWN, SIDE, Config, error, network
from torchlean_jax.zoo.mae.model import orders as drawn

CONFIG = Config()
SETTINGS = Settings(
    steps=1500, batch=64, lr=3e-3, schedule="warmup-cosine", weight_decay=0.05
)
ORDERS = 8  # in which the held-out images are hidden


def make(config: Config = CONFIG) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    autoencoder = network(config)

    def loss(variables, batch, key):
        image = batch["image"]
        order = drawn(key, len(image))
        found, state = autoencoder.apply(variables, image, order, training=True)
        return error(found, image, order), state

    def evaluate(variables, data) -> dict[str, float]:
        """The error on patches of held-out images that were not shown, and its ratio to
        that of their linear prediction from those that were: for each order the one
        that is best on the training images."""

        @jax.jit
        def one(order):
            image = data.digits.test_images
            order = jnp.broadcast_to(order, (len(image), PATCHES))
            return error(autoencoder.function(variables)(image, order), image, order)

        some = np.asarray(drawn(jax.random.key(0), ORDERS))
        found = float(np.mean([one(order) for order in some]))
        linear = float(np.mean([_linear(data.digits, order) for order in some]))
        return {"squared_error": found, "of_linear": found / linear}

    def show(variables, data) -> str:
        """What is shown of some held-out images, what is made of it, and the images."""
        image = data.digits.test_images[:6]
        order = drawn(jax.random.key(0), len(image))
        found = autoencoder.apply(variables, image, order)[0]
        shown = np.zeros((len(image), PATCHES, 1), bool)
        np.put_along_axis(shown, np.asarray(order)[:, :SHOWN, None], True, axis=1)
        true = patches(jnp.asarray(image), SIDE)
        rows = np.where(shown, true, 0), np.where(shown, true, found), true
        return "\n\n".join(pictured(unpatched(jnp.asarray(row))) for row in rows)

    return Entry(
        name="mae",
        title="masked autoencoder, digits of which a quarter is shown",
        network=autoencoder,
        loss=loss,
        load=images,
        evaluate=evaluate,
        show=show,
        settings=SETTINGS,
        brief=50,
        goals=(Goal("of_linear", most=1.0),),
        claims=claims(autoencoder),
    )


def _linear(digits, order) -> float:
    """The error of least squares from the pixels that are shown to the others."""

    def sides(image):
        x = np.asarray(patches(jnp.asarray(image), SIDE), np.float64)
        shown = x[:, order[:SHOWN]].reshape(len(x), -1)
        unseen = x[:, order[SHOWN:]].reshape(len(x), -1)
        return np.column_stack([shown, np.ones(len(x))]), unseen

    weight = np.linalg.lstsq(*sides(digits.train_images), rcond=None)[0]
    shown, unseen = sides(digits.test_images)
    return float(((shown @ weight - unseen) ** 2).mean())


ENTRY = make()
