"""What is claimed of the trained convolutional network."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo import _classifiers as shared
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.cnn.model import NETWORK, PLAIN, apply, folded

CLASSIFIER = shared.Classifier(apply)


def folding_preserves_the_function(trained: Trained):
    """With its batch normalisations folded into the convolutions the network is the
    same function of the pixels, for all weights and averages."""

    @tl.claims.equals(lambda variables, x: NETWORK.apply(variables, x)[0])
    @tl.claims.example(trained.shapes, jax.ShapeDtypeStruct((64,), jnp.float32))
    def with_folded_norms(variables, image):
        return PLAIN.apply(folded(variables), image)[0]

    return with_folded_norms


def evaluation_draws_nothing(trained: Trained) -> Answer:
    """In evaluation the network draws no random number and changes no average."""

    def evaluated(variables, image):
        return NETWORK.apply(variables, image)

    traced = jax.make_jaxpr(evaluated)(trained.variables, jnp.zeros(64))
    drawn = sorted({name for name in _primitives(traced) if "random" in name})
    state = evaluated(trained.variables, jnp.zeros(64))[1]
    before = trained.variables.state
    changed = [name for name in before if (state[name] != before[name]).any()]
    found = ", ".join(drawn + changed)
    return Answer(not found, None, found or f"{len(_primitives(traced))} primitives")


def _primitives(traced) -> list[str]:
    """The primitive of every equation, those of inner jaxprs included."""
    found = []
    for equation in traced.eqns:
        found.append(equation.primitive.name)
        for inner in equation.params.values():
            if hasattr(inner, "eqns"):
                found += _primitives(inner)
    return found


CLAIMS = (
    folding_preserves_the_function,
    evaluation_draws_nothing,
    shared.apart(CLASSIFIER),
    shared.differentiable(CLASSIFIER),
    shared.certified(CLASSIFIER, radius=0.005, images=8, least=7),
)
