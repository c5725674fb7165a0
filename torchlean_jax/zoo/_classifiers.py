"""What the classifiers of digits share: losses, accuracy and claims.

Each is made for a function `apply(variables, image, training) -> (logits, state)`, with
images as 64 pixels in [0, 1], alone or in batches. The networks are in their entries.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import torchlean_check
import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo._convolution import folded
from torchlean_jax.zoo._entry import Entry, Goal, Trained
from torchlean_jax.zoo._images import CLASSES, images, moved, pictured
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.digits._train import cross_entropy, worst_case


@dataclass(frozen=True)
class Classifier:
    """The parts of an entry that follow from its network alone."""

    apply: Callable[..., tuple[Any, dict]]

    def loss(self, variables, batch, key):
        logits, state = self.apply(variables, batch["image"], training=True)
        return cross_entropy(logits.astype(jnp.float32), batch["label"]), state

    def moved_loss(self, variables, batch, key):
        """The loss on images that are moved by up to a pixel each."""
        batch = batch | {"image": moved(batch["image"], key)}
        return self.loss(variables, batch, key)

    def certified_loss(self, variables, batch, key, radius, method="ibp"):
        """The cross entropy of the worst logits that bounds allow on a box.

        Averages of normalisations stay as they are: a box has no mean. Sources: Gowal
        et al. 2018 (arXiv:1810.12715), equations 8 to 12, for interval bounds; Zhang et
        al. 2020 (arXiv:1906.06316), equation 11, for `crown-ibp`, of margins.
        """
        images, labels = batch["image"], batch["label"]
        if method == "ibp":
            box = tl.box(images, radius=radius)
            bounded = tl.interpret(self.logits, domain=tl.Interval)(variables, box)
            worst = worst_case(bounded, labels)
        else:
            worst = jax.vmap(self._behind, (None, 0, 0, None, None))(
                variables, images, labels, radius, method
            )
        return cross_entropy(worst, labels), variables.state

    def _behind(self, variables, image, label, radius, method):
        """How far each label may be ahead of that one on a box: 0 at the label itself,
        and upper bounds of differences of logits elsewhere."""
        ahead = jnp.eye(CLASSES) - jax.nn.one_hot(label, CLASSES)

        def differences(x):
            return ahead @ self.logits(variables, x)

        return tl.bounds(differences, method=method)(tl.box(image, radius=radius)).hi

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


def entry(name, title, network: Network, claims, settings, least: float) -> Entry:
    """Of a network that is trained on moved digits to an accuracy of `least`."""
    classifier = Classifier(network.apply)
    return Entry(
        name=name,
        title=title,
        network=network,
        loss=classifier.moved_loss,
        certified_loss=classifier.certified_loss,
        load=images,
        evaluate=classifier.evaluate,
        show=classifier.show,
        settings=settings,
        brief=100,
        goals=(Goal("accuracy", least=least),),
        claims=claims,
    )


def folding(network: Network, plain: Network, fold=folded):
    def folding_preserves_the_function(trained: Trained):
        """With its batch normalisations folded into the convolutions the network is the
        same function of the pixels, for all weights and averages."""

        @tl.claims.equals(lambda variables, x: network.apply(variables, x)[0])
        @tl.claims.example(trained.shapes, jax.ShapeDtypeStruct((64,), jnp.float32))
        def with_folded_norms(variables, image):
            return plain.apply(fold(variables), image)[0]

        return with_folded_norms

    return folding_preserves_the_function


def deterministic(network):
    def evaluation_draws_nothing(trained: Trained) -> Answer:
        """In evaluation the network draws no random number and changes no average."""

        def evaluated(variables, image):
            return network.apply(variables, image)

        traced = jax.make_jaxpr(evaluated)(trained.variables, jnp.zeros(64))
        names = list(_primitives(traced))
        drawn = {name for name in names if RANDOM & set(re.split("[_0-9]", name))}
        state = evaluated(trained.variables, jnp.zeros(64))[1]
        before = trained.variables.state
        changed = [name for name in before if (state[name] != before[name]).any()]
        found = ", ".join([*sorted(drawn), *changed])
        return Answer(not found, None, found or f"{len(names)} primitives")

    return evaluation_draws_nothing


RANDOM = {"random", "rng", "threefry"}  # words in the names of primitives that draw


def _primitives(value) -> Iterator[str]:
    """The primitive of every equation, those of inner jaxprs included."""
    if isinstance(value, tuple | list):
        for inner in value:
            yield from _primitives(inner)
    for equation in getattr(value, "eqns", ()):
        yield equation.primitive.name
        for inner in equation.params.values():
            yield from _primitives(inner)


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
    classifier: Classifier,
    radius: float,
    images: int,
    least: int,
    method: str = "crown",
    certificate: bool = True,
) -> Callable[[Trained], Answer]:
    """certificate: without, the bounds of `method` are the proof."""
    options: dict = {"method": method, "certificate": certificate}
    by, how = "a certificate that the checker accepts", "certified accuracy"
    if not certificate:
        by = f"the bounds of {method}, without a certificate"
        how = f"by {by}"

    def labels_are_certified(trained: Trained) -> Answer:
        data: Any = trained.data or trained.entry.load(None)
        digits = data.digits

        def logits(image):
            return classifier.logits(trained.variables, image)

        accepted, refuted = 0, 0
        for image, label in zip(
            digits.test_images[:images], digits.test_labels[:images], strict=True
        ):
            box = tl.box(image, radius=radius)
            verdict = tl.verify(logits, box, tl.spec.margin(int(label)), **options)
            refuted += verdict.status == "refuted"
            if verdict.status != "proved":
                continue
            if not certificate:
                accepted += 1
            elif verdict.certificate is not None:
                written = verdict.certificate
                report = written.report or torchlean_check.check(written.bytes)
                accepted += report.accepted
        said = f"{accepted} of {images} proved by {by}, {refuted} refuted"
        fails = images - refuted < least
        return Answer(accepted >= least or (False if fails else None), None, said)

    if not certificate:
        labels_are_certified.__name__ = "labels_are_proved"
    labels_are_certified.__doc__ = (
        f"At least {least} of the first {images} held-out images keep their true label "
        f"at every input within {radius:g} of each pixel ({how})."
    )
    return labels_are_certified
