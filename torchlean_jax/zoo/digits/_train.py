"""Training, ordinary and certified: one optax step, scanned under `jit`.

Certified training asks for the right answer on a whole box around each image: its loss
is the cross entropy of the worst logits that interval bounds allow. Those bounds are an
ordinary JAX computation, so `grad`, `jit` and `scan` pass through them.

Source: Gowal et al. 2018 (arXiv:1810.12715), equations 8 to 12.

How the settings below were chosen: on three splits of the training images (1077 to
train on, 360 to validate), by how many validation images CROWN certifies at radius 0.02
and 0.05. The held-out images took no part in it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

import torchlean_jax as tl
from torchlean_jax.zoo.digits._data import Digits
from torchlean_jax.zoo.digits._models import Model

EPOCHS = 200
BATCH = 64
LEARNING_RATE = 0.01
WEIGHT_DECAY = 0.3
RADIUS = 0.06  # a little beyond the largest radius that is to be certified
RAMP = 0.5  # the share of the steps over which the radius grows from 0


def worst_case(
    logits: tl.Interval, label: Int[Array | np.ndarray, "*batch"]
) -> Float[Array, "*batch classes"]:
    """The worst logits for `label` in an enclosure: its lowest, the others' highest.

    If the largest of these is still at `label`, every point of the enclosure has it
    there. The converse does not hold: one input need not reach all of these logits.

    >>> worst_case(tl.box(jnp.zeros(3), radius=1.0), jnp.array(2)).tolist()
    [1.0, 1.0, -1.0]
    """
    at_label = jnp.arange(logits.shape[-1]) == jnp.expand_dims(label, -1)
    return jnp.where(at_label, logits.lo, logits.hi)


def cross_entropy(logits, label):
    """The mean, over a batch, of the negative log-probability of `label`."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    return losses.mean()


def certified_loss(apply, params, x, label, radius):
    """Near zero when the model is right, and sure, on all of each image's box."""
    box = tl.box(x, radius=radius)
    logits = tl.interpret(apply, domain=tl.Interval)(params, box)
    return cross_entropy(worst_case(logits, label), label)


def standard_loss(apply, params, x, label, radius):
    """The usual loss; it has no use for the radius."""
    return cross_entropy(apply(params, x), label)


def train(model: Model, digits: Digits, *, certified: bool, seed: int = 0):
    """Parameters of `model` fitted to the training images, in seconds on two cores.

    `certified` chooses the loss, and nothing else. The seed fixes the initial weights
    and the order of the images; on one machine the same seed gives the same bits.

    >>> from torchlean_jax.zoo import digits
    >>> data, model = digits.load(), digits.MODELS["linear"]
    >>> params = digits.train(model, data, certified=False)
    >>> logits = digits.classifier(model, params)(data.test_images)
    >>> bool((logits.argmax(-1) == data.test_labels).mean() > 0.9)
    True
    """
    loss = certified_loss if certified else standard_loss
    order = batches(len(digits.train_labels), seed)
    steps = len(order)
    optimizer = optax.adamw(
        optax.cosine_decay_schedule(LEARNING_RATE, steps), weight_decay=WEIGHT_DECAY
    )
    ramp = np.minimum(np.arange(steps) / (RAMP * steps), 1)
    images, labels = jnp.asarray(digits.train_images), jnp.asarray(digits.train_labels)

    def step(carry, batch):
        params, state = carry
        chosen, radius = batch
        gradient = jax.grad(loss, argnums=1)(
            model.apply, params, images[chosen], labels[chosen], radius
        )
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def run(params, order, radii):
        carry = params, optimizer.init(params)
        (params, _), _ = jax.lax.scan(step, carry, (order, radii))
        return params

    radii = jnp.asarray(RADIUS * ramp, images.dtype)
    return run(model.init(jax.random.key(seed)), order, radii)


def batches(images: int, seed: int) -> Int[np.ndarray, "steps batch"]:
    """Indices of the images of each step: a fresh shuffle in every epoch."""
    shuffle = np.random.default_rng(seed).permutation
    per_epoch = images // BATCH
    epochs = [shuffle(images)[: per_epoch * BATCH] for _ in range(EPOCHS)]
    return np.concatenate(epochs).reshape(-1, BATCH)
