"""How the diffusion is trained, and how its samples are judged."""

import jax
import jax.numpy as jnp

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._images import CLASSES, pictured
from torchlean_jax.zoo._judge import recognised
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.diffusion import schedule
from torchlean_jax.zoo.diffusion.claims import CLAIMS
from torchlean_jax.zoo.diffusion.data import images
from torchlean_jax.zoo.diffusion.model import NO_LABEL, Config, guided, network

CONFIG = Config()
SETTINGS = Settings(steps=5000, batch=128, lr=2e-3, schedule="warmup-cosine")
UNLABELLED = 0.1  # of the images of a batch
GUIDANCE, COUNT, EACH = 0.5, 25, 20  # of the samples that are judged


def make(config: Config = CONFIG) -> Entry:
    """The entry at other sizes.

    >>> make(Config(width=8)).network.make.keywords["config"].width
    8
    """
    denoiser = network(config)

    def error(variables, batch, key, training):
        size = len(batch["label"])
        at, drawn, dropped = jax.random.split(key, 3)
        time = jax.random.randint(at, (size,), 1, schedule.TIMES + 1)
        noise = jax.random.normal(drawn, batch["image"].shape, batch["image"].dtype)
        free = jax.random.uniform(dropped, (size,)) < UNLABELLED
        label = jnp.where(free, NO_LABEL, batch["label"])
        x = schedule.noised(2 * batch["image"] - 1, time, noise)
        found, state = denoiser.apply(variables, x, time, label, training=training)
        return ((found - noise) ** 2).mean(), state

    def loss(variables, batch, key):
        return error(variables, batch, key, training=True)

    def drawn(variables, labels, key):
        """Images in [0, 1], one of each label."""
        x = jax.random.normal(key, (len(labels), 64))
        predict = guided(denoiser, variables, labels, GUIDANCE)
        return jnp.clip((schedule.ddim(predict, x, COUNT) + 1) / 2, 0, 1)

    def evaluate(variables, data) -> dict[str, float]:
        """The loss on held-out images, and how many samples a convolutional network,
        trained on the true images, takes for the digit that was asked for."""
        digits = data.digits
        held = {"image": digits.test_images, "label": digits.test_labels}
        key = jax.random.key(0)
        found = jax.jit(lambda v: error(v, held, key, training=False)[0])(variables)
        labels = jnp.tile(jnp.arange(CLASSES), EACH)
        samples = jax.jit(drawn)(variables, labels, key)
        return {"loss": float(found), "recognised": recognised(samples, labels)}

    def show(variables, data) -> str:
        return pictured(drawn(variables, jnp.arange(6), jax.random.key(0)))

    return Entry(
        name="diffusion",
        title="denoising diffusion (DDPM, DDIM), digits",
        network=denoiser,
        loss=loss,
        load=images,
        evaluate=evaluate,
        show=show,
        settings=SETTINGS,
        brief=100,
        goals=(Goal("recognised", least=0.9),),
        claims=CLAIMS,
    )


ENTRY = make()
