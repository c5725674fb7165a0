"""What the models that read a line and label it share, whatever mixes its places.

A block takes [batch, places, width] and the lengths [batch] of the lines; places behind
the end of a line are padding. Blocks are in the entries.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.zoo._entry import Entry, Goal, Trained
from torchlean_jax.zoo._lines import LENGTH, WORDS, Lines, lines, naive_bayes
from torchlean_jax.zoo._network import Network, Variables
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.digits._train import cross_entropy

# Both entries are trained like this, so that they can be compared.
SETTINGS = Settings(
    steps=1500, batch=64, lr=2e-3, schedule="warmup-cosine", weight_decay=0.05
)
TEXT = jnp.array([[100, 40, 32, 58, 9, 7]])  # four bytes, and two behind their end
LENGTHS = jnp.array([4])


def present(x, lengths):
    """[batch, places, 1]: which places of x [batch, places, width] are of the line."""
    return (jnp.arange(x.shape[-2]) < lengths[:, None])[..., None]


class Reader(nnx.Module):
    """Logits of the labels, [batch, 7], of lines as bytes [batch, places] and their
    lengths [batch], 1 or more."""

    def __init__(
        self, rngs: nnx.Rngs, width: int, depth: int, block: Callable[..., nnx.Module]
    ):
        init = nnx.initializers.normal(0.1)
        self.embedding = nnx.Embed(256, width, embedding_init=init, rngs=rngs)
        self.places = nnx.Param(0.1 * jax.random.normal(rngs.params(), (LENGTH, width)))
        self.blocks = nnx.List([block(width=width, rngs=rngs) for _ in range(depth)])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.last = nnx.Linear(width, len(WORDS), rngs=rngs)

    def __call__(self, text, lengths):
        return self.read(self.embedding(text), lengths)

    def read(self, x, lengths):
        """The same from embedded bytes: what claims of real inputs take."""
        x = x + self.places[: x.shape[-2]]
        for block in self.blocks:
            x = block(x, lengths)
        x = jnp.where(present(x, lengths), self.norm(x), 0)
        return self.last(x.sum(-2) / lengths[:, None].astype(x.dtype))


def network(width: int, depth: int, block: Callable[..., nnx.Module]) -> Network:
    return Network(functools.partial(Reader, width=width, depth=depth, block=block))


@dataclass(frozen=True)
class Labeller:
    """The parts of an entry that follow from its network alone."""

    network: Network

    def loss(self, variables: Variables, batch, key):
        given = batch["text"], batch["length"]
        logits, state = self.network.apply(variables, *given, training=True)
        return cross_entropy(logits.astype(jnp.float32), batch["label"]), state

    def labels(self, variables: Variables, text, lengths) -> np.ndarray:
        logits = jax.jit(self.network.function(variables))(text, lengths)
        return np.asarray(logits.argmax(-1))

    def evaluate(self, variables: Variables, data: Lines) -> dict[str, float]:
        """The share of held-out lines that get their label, the mean over labels; and
        that of pairs of bytes alone (naive Bayes)."""
        held = data.held_out
        found = self.labels(variables, held.text, held.length)
        return {
            "accuracy": share(found, held.label),
            "of_pairs": share(naive_bayes(data.train, held), held.label),
        }

    def show(self, variables: Variables, data: Lines) -> str:
        """Some held-out lines, each behind the word that was found for it."""
        held = data.held_out
        rows = np.linspace(0, len(held.label) - 1, 12).astype(int)
        found = self.labels(variables, held.text[rows], held.length[rows])
        said = []
        for row, label in zip(rows, found, strict=True):
            line = bytes(held.text[row, : held.length[row]].tolist())
            right = "" if label == held.label[row] else f"  ({WORDS[held.label[row]]})"
            said.append(f"[{WORDS[label]}] {line.decode(errors='replace')}{right}")
        return "\n".join(said)


def share(found: np.ndarray, label: np.ndarray) -> float:
    """How many are right of those of each label, averaged over the labels.

    >>> share(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    0.5
    """
    right = found == label
    return float(np.mean([right[label == kind].mean() for kind in np.unique(label)]))


def entry(name: str, title: str, network: Network, claims: tuple, least: float):
    """Of a network that is trained with SETTINGS to an accuracy of `least`."""
    labeller = Labeller(network)
    return Entry(
        name=name,
        title=title,
        network=network,
        loss=labeller.loss,
        load=lines,
        evaluate=labeller.evaluate,
        show=labeller.show,
        settings=SETTINGS,
        brief=100,
        goals=(Goal("accuracy", least=least),),
        claims=claims,
        unit="lines",
    )


def claims(network: Network) -> tuple:
    """What is claimed of every reader."""

    def what_is_behind_the_end_does_not_matter(trained: Trained):
        """The logits of a line do not depend on the bytes behind its end, nor on their
        embeddings, for all weights and bytes."""
        inside, behind = TEXT[:, :4], TEXT[:, 4:]

        @tl.claims.independent_of("behind")
        @tl.claims.example(trained.shapes, inside, behind)
        def logits(variables, inside, behind):
            text = jnp.concatenate([inside, behind], 1)
            return network.apply(variables, text, LENGTHS)[0]

        return logits

    def rows_are_independent(trained: Trained):
        """The logits of a line depend on no other line of its batch, whatever the
        weights are."""
        text, lengths = jnp.repeat(TEXT, 3, axis=0), jnp.array([4, 6, 2])

        @tl.claims.batch_independent(argnums=1)
        @tl.claims.example(trained.shapes, text)
        def logits(variables, text):
            return network.apply(variables, text, lengths)[0]

        return logits

    def gradient_is_the_derivative(trained: Trained):
        """What `jax.grad` makes of the loss in the embedded bytes is its derivative."""
        width = trained.variables.params["embedding.embedding"].shape[1]
        x = np.random.default_rng(0).standard_normal((1, 3, width))

        @tl.claims.gradient()
        @tl.claims.example(jnp.asarray(x, jnp.float32))
        def loss(x):
            lengths = jnp.array([2])
            logits = network.apply(trained.variables, x, lengths, method="read")[0]
            return cross_entropy(logits, jnp.array([3]))

        return loss

    return (
        what_is_behind_the_end_does_not_matter,
        rows_are_independent,
        gradient_is_the_derivative,
    )
