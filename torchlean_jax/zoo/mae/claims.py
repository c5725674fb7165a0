"""What is claimed of the masked autoencoder: what is hidden stays hidden."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._images import unpatched
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.mae.model import PATCHES, SHOWN, SIDE, chosen, error
from torchlean_jax.zoo.vit.claims import fused_attention_is_the_composed_one

ROWS = 3  # images, each hidden in an order of its own
ORDERS = np.array([np.random.default_rng(n).permutation(PATCHES) for n in range(ROWS)])
SEEN = jax.ShapeDtypeStruct((ROWS, SHOWN, SIDE**2), jnp.float32)
UNSEEN = jax.ShapeDtypeStruct((ROWS, PATCHES - SHOWN, SIDE**2), jnp.float32)


def _placed(seen, unseen):
    """All patches [ROWS, 16, 4], shown and hidden ones, in their places."""
    parts = jnp.concatenate([seen, unseen], 1)
    return chosen(parts, jnp.asarray(np.argsort(ORDERS, axis=1)))


def the_error_is_of_hidden_patches(trained: Trained):
    """The error does not depend on what is found where a patch was shown."""

    @tl.claims.independent_of("seen")
    @tl.claims.example(SEEN, UNSEEN, jax.ShapeDtypeStruct((ROWS, 64), jnp.float32))
    def off(seen, unseen, image):
        return error(_placed(seen, unseen), image, jnp.asarray(ORDERS))

    return off


def claims(autoencoder: Network) -> tuple:
    def masked_patches_do_not_reach_the_encoder(trained: Trained):
        """Neither the code nor the reconstruction of an image depends on its hidden
        patches, for all weights and pixels: of three images, each hidden in an order
        of its own."""

        @tl.claims.independent_of("unseen")
        @tl.claims.example(trained.shapes, SEEN, UNSEEN)
        def code_and_pixels(variables, seen, unseen):
            image, order = unpatched(_placed(seen, unseen)), jnp.asarray(ORDERS)
            code = autoencoder.apply(variables, image, order, method="encode")[0]
            return code, autoencoder.apply(variables, image, order)[0]

        return code_and_pixels

    def the_code_does_not_tell_the_order(trained: Trained):
        """Shown in another order the same patches have the same codes, in that order:
        for all weights and pixels."""
        image = jax.ShapeDtypeStruct((1, 64), jnp.float32)
        order = jnp.asarray(ORDERS)[:1]
        turned = jnp.roll(order[:, :SHOWN], 1, axis=1)

        def code(variables, image, order):
            return autoencoder.apply(variables, image, order, method="encode")[0]

        def turned_after(variables, image):
            return jnp.roll(code(variables, image, order), 1, axis=1)

        @tl.claims.equals(turned_after, points=4)
        @tl.claims.example(trained.shapes, image)
        def turned_before(variables, image):
            return code(variables, image, turned)

        return turned_before

    def rows_are_independent(trained: Trained):
        """The reconstruction of an image depends on no other image of its batch,
        whatever the weights are."""

        @tl.claims.batch_independent(argnums=1)
        @tl.claims.example(trained.shapes, jnp.zeros((ROWS, 64)))
        def pixels(variables, images):
            return autoencoder.apply(variables, images, jnp.asarray(ORDERS))[0]

        return pixels

    def gradient_is_the_derivative(trained: Trained):
        """What `jax.grad` makes of an image's error in its pixels is its derivative."""
        image = np.random.default_rng(0).uniform(0, 1, (1, 64)).astype(np.float32)

        @tl.claims.gradient()
        @tl.claims.example(jnp.asarray(image))
        def off(image):
            order = jnp.asarray(ORDERS)[:1]
            return error(
                autoencoder.apply(trained.variables, image, order)[0], image, order
            )

        return off

    return (
        masked_patches_do_not_reach_the_encoder,
        the_error_is_of_hidden_patches,
        the_code_does_not_tell_the_order,
        fused_attention_is_the_composed_one,
        rows_are_independent,
        gradient_is_the_derivative,
    )
