"""What is claimed of the two: their losses, and that each moves itself alone."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network, Variables
from torchlean_jax.zoo.gan import model
from torchlean_jax.zoo.gan.model import Config

PAIR = jax.ShapeDtypeStruct((2,), jnp.float32)
LABELS = jnp.array([3, 8])


def losses_are_those_published(trained: Trained):
    """From logits the losses are -log D - log(1 - D') and -log D' with D the logistic
    function 1 / (1 + exp(-x)), in the mean of two images each, for all logits."""

    def published(true, drawn):
        real, fake = 1 / (1 + jnp.exp(-true)), 1 / (1 + jnp.exp(-drawn))
        first = -(jnp.log(real) + jnp.log(1 - fake)).sum() / 2
        return first, -jnp.log(fake).sum() / 2

    @tl.claims.equals(published)
    @tl.claims.example(PAIR, PAIR)
    def of_logits(true, drawn):
        return model.discriminator_loss(true, drawn), model.generator_loss(drawn)

    return of_logits


def the_best_discriminator_is_p_over_p_plus_q(trained: Trained):
    """Where true images have the density p and drawn ones q, the discriminator's loss
    is stationary at D = p / (p + q): for all p = exp(a) and q = exp(b), whose logit
    log(p / q) is a - b."""

    def nothing(a, b):
        return jnp.zeros_like(a)

    @tl.claims.equals(nothing)
    @tl.claims.example("f32[]", "f32[]")
    def slope(a, b):
        p, q = jnp.exp(a), jnp.exp(b)
        true, drawn = jax.grad(model.discriminator_loss, argnums=(0, 1))(a - b, a - b)
        return p * true + q * drawn

    return slope


def claims(both: Network, config: Config) -> tuple:
    latent = jax.ShapeDtypeStruct((2, config.latent), jnp.float32)
    images = jax.ShapeDtypeStruct((2, 64), jnp.float32)

    def each_moves_itself_alone(trained: Trained):
        """The gradient of a step is that of the discriminator's loss, the drawn images
        held, beside that of the generator's loss, the discriminator held: no gradient
        of either reaches the other, for all weights, images and latent variables."""

        def split(params):
            inner = {k: v for k, v in params.items() if k.startswith("generator.")}
            return inner, {k: v for k, v in params.items() if k not in inner}

        def applied(method, x, *parts):
            params = {name: x for part in parts for name, x in part.items()}
            return both.apply(Variables(params, {}), x, LABELS, method=method)[0]

        def apart(params, image, latent):
            generator, discriminator = split(params)
            drawn = applied("draw", latent, generator, discriminator)

            def first(part):
                judged = (applied("judge", x, generator, part) for x in (image, drawn))
                return model.discriminator_loss(*judged)

            def second(part):
                drawn = applied("draw", latent, part, discriminator)
                judged = applied("judge", drawn, part, discriminator)
                return model.generator_loss(judged)

            return jax.grad(second)(generator) | jax.grad(first)(discriminator)

        @tl.claims.equals(apart)
        @tl.claims.example(trained.shapes.params, images, latent)
        def in_one_step(params, image, latent):
            def both_losses(params):
                variables = Variables(params, {})
                return sum(model.losses(both, variables, image, LABELS, latent))

            return jax.grad(both_losses)(params)

        return in_one_step

    def pixels_are_in_range(trained: Trained):
        """Every pixel that is drawn of a 3 and of an 8 is within [0, 1], for all latent
        variables in [-5, 5]."""

        @tl.claims.bounded_by(0.0, 1.0, box=(-5.0, 5.0), method="ibp")
        @tl.claims.example(latent)
        def pixels(latent):
            return both.apply(trained.variables, latent, LABELS, method="draw")[0]

        return pixels

    def rows_are_independent(trained: Trained):
        """An image that is drawn, and what is thought of it, depends on no other image
        of its batch, whatever the weights are."""

        @tl.claims.batch_independent(argnums=1)
        @tl.claims.example(trained.shapes, jnp.zeros((2, config.latent)))
        def drawn_and_judged(variables, latent):
            image = both.apply(variables, latent, LABELS, method="draw")[0]
            return both.apply(variables, image, LABELS, method="judge")[0]

        return drawn_and_judged

    return (
        losses_are_those_published,
        the_best_discriminator_is_p_over_p_plus_q,
        each_moves_itself_alone,
        pixels_are_in_range,
        rows_are_independent,
    )
