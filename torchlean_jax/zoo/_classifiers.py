"""What the classifiers of digits share: losses, accuracy and claims.

Each is made for a function `apply(variables, image, training) -> (logits, state)`, with
images as 64 pixels in [0, 1], alone or in batches. The networks are in their entries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import torchlean_check
import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._images import pictured
from torchlean_jax.zoo.digits._train import cross_entropy, worst_case


@dataclass(frozen=True)
class Classifier:
    """The parts of an entry that follow from its network alone."""

    apply: Callable[..., tuple[Any, dict]]

    def loss(self, variables, batch, key):
        logits, state = self.apply(variables, batch["image"], training=True)
        return cross_entropy(logits.astype(jnp.float32), batch["label"]), state

    def certified_loss(self, variables, batch, key, radius):
        """The cross entropy of the worst logits that interval bounds allow on a box.

        Source: Gowal et al. 2018 (arXiv:1810.12715), equations 8 to 12.
        """
        box = tl.box(batch["image"], radius=radius)
        bounded = tl.interpret(self.logits, domain=tl.Interval)(variables, box)
        worst = worst_case(bounded, batch["label"])
        return cross_entropy(worst, batch["label"]), variables.state

    def logits(self, variables, image):
        return self.apply(variables, image, training=False)[0]

    def evaluate(self, variables, data) -> dict[str, float]:
        """Accuracy and mean cross entropy on the held-out images."""
        logits = jax.jit(self.logits)(variables, data.digits.test_images)
        labels = data.digits.test_labels
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return {
            "accuracy": float((logits.argmax(-1) == labels).mean()),
            "cross_entropy": float(losses.mean()),
        }

    def show(self, variables, data) -> str:
        """Some held-out images as text, each with what it was taken for."""
        images = data.digits.test_images[:6]
        found = np.asarray(self.logits(variables, images).argmax(-1))
        return f"{pictured(images)}\n{'   '.join(f'{n:<8}' for n in found)}"


def apart(classifier: Classifier) -> Callable[[Trained], Any]:
    def rows_are_independent(trained: Trained):
        """The logits of an image depend on no other image of its batch, whatever the
        weights are."""

        @tl.claims.batch_independent(argnums=1)
        @tl.claims.example(trained.shapes, jnp.zeros((3, 64)))
        def logits(variables, images):
            return classifier.logits(variables, images)

        return logits

    return rows_are_independent


def differentiable(classifier: Classifier) -> Callable[[Trained], Any]:
    def gradient_is_the_derivative(trained: Trained):
        """What `jax.grad` makes of the loss in the pixels is its derivative."""
        image = np.random.default_rng(0).uniform(0, 1, 64).astype(np.float32)

        @tl.claims.gradient()
        @tl.claims.example(jnp.asarray(image))
        def loss(image):
            logits = classifier.logits(trained.variables, image)
            return cross_entropy(logits, jnp.asarray(3))

        return loss

    return gradient_is_the_derivative


def certified(
    classifier: Classifier, radius: float, images: int, least: int
) -> Callable[[Trained], Answer]:
    def labels_are_certified(trained: Trained) -> Answer:
        data: Any = trained.data or trained.entry.load(None)
        digits = data.digits

        def logits(image):
            return classifier.logits(trained.variables, image)

        proved, checked = 0, 0
        for image, label in zip(
            digits.test_images[:images], digits.test_labels[:images], strict=True
        ):
            box = tl.box(image, radius=radius)
            verdict = tl.verify(logits, box, tl.spec.margin(int(label)))
            proved += verdict.status == "proved"
            if verdict.certificate is not None:
                checked += torchlean_check.check(verdict.certificate.bytes).accepted
        said = f"{proved} of {images} proved, {checked} with a certificate accepted"
        return Answer(proved >= least, None, said)

    labels_are_certified.__doc__ = (
        f"At least {least} of the first {images} held-out images keep their true label "
        f"at every input within {radius:g} of each pixel (certified accuracy)."
    )
    return labels_are_certified
