"""What is claimed of the quantised autoencoder: its gradients are the declared ones."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.vqvae.model import (
    COMMITMENT,
    NETWORK,
    PLACES,
    WIDTH,
    WORDS,
    straight_through,
    terms,
)

CODE = jax.ShapeDtypeStruct((PLACES, WIDTH), jnp.float32)
IMAGE = jax.ShapeDtypeStruct((64,), jnp.float32)


def straight_through_is_as_declared(trained: Trained):
    """The gradient that reaches the code is, exactly, the gradient of the error at the
    words' vectors, for all weights, codes, words and images."""

    def error(variables, code, image):
        pixels = NETWORK.apply(variables, code, method="decode")[0]
        return ((pixels - image) ** 2).sum()

    def at_the_words(variables, code, chosen, image):
        return jax.grad(error, argnums=1)(variables, chosen, image)

    @tl.claims.equals(at_the_words)
    @tl.claims.example(trained.shapes, CODE, CODE, IMAGE)
    def through_the_choice(variables, code, chosen, image):
        return jax.grad(
            lambda code: error(variables, straight_through(code, chosen), image)
        )(code)

    return through_the_choice


def each_term_moves_its_own(trained: Trained):
    """The codebook's term moves the words alone, towards the code; the commitment moves
    the code alone, towards the words."""

    def declared(code, chosen):
        apart = 2 * (code - chosen) / code.size
        zero = jnp.zeros_like(code)
        return zero, -apart, COMMITMENT * apart, zero

    @tl.claims.equals(declared)
    @tl.claims.example(CODE, CODE)
    def gradients(code, chosen):
        def term(number):
            def function(code, chosen):
                image = jnp.zeros((1, 64), code.dtype)
                return terms(image, image, code[None], chosen[None])[number].sum()

            return function

        return (
            *jax.grad(term(1), argnums=(0, 1))(code, chosen),
            *jax.grad(term(2), argnums=(0, 1))(code, chosen),
        )

    return gradients


def the_nearest_word_is_chosen(trained: Trained):
    """No word is nearer to a code of the first held-out images than the one that is
    chosen, in exact arithmetic; of words as near, the first is."""
    data: Any = trained.data or trained.entry.load(None)
    images = data.digits.test_images[:8]
    codes = np.asarray(NETWORK.apply(trained.variables, images, method="encode")[0])
    chosen = np.asarray(NETWORK.apply(trained.variables, images, method="words")[0])
    codebook = [
        [Fraction(float(v)) for v in word]
        for word in np.asarray(trained.variables.params["codebook"])
    ]
    right, first = 0, ""
    for code, word in zip(codes.reshape(-1, WIDTH), chosen.reshape(-1), strict=True):
        place = [Fraction(float(v)) for v in code]
        far = [
            sum((a - b) ** 2 for a, b in zip(place, w, strict=True)) for w in codebook
        ]
        right += int(far.index(min(far)) == word)
        if far[word] != min(far):
            best = far.index(min(far))
            first = first or f"{code} has word {word}; word {best} is nearer"
    return counted(right, chosen.size, "places have their nearest word", first)


def words_are_all_there_is(trained: Trained):
    """The reconstruction is a function of the words alone: spelling them gives the
    same, for all weights."""
    words = jnp.asarray(np.random.default_rng(0).integers(0, WORDS, PLACES))

    def spelled(variables, code):
        return NETWORK.apply(variables, words, method="spelled")[0]

    @tl.claims.equals(spelled)
    @tl.claims.example(trained.shapes, CODE)
    def decoded(variables, code):
        chosen = jnp.take(variables.params["codebook"], words, axis=0)
        mixed = straight_through(code, chosen)
        return NETWORK.apply(variables, mixed, method="decode")[0]

    return decoded


def rows_are_independent(trained: Trained):
    """The code of an image depends on no other image of its batch, whatever the weights
    are."""

    @tl.claims.batch_independent(argnums=1)
    @tl.claims.example(trained.shapes, jnp.zeros((3, 64)))
    def code(variables, images):
        return NETWORK.apply(variables, images, method="encode")[0]

    return code


CLAIMS = (
    straight_through_is_as_declared,
    each_term_moves_its_own,
    the_nearest_word_is_chosen,
    words_are_all_there_is,
    rows_are_independent,
)
