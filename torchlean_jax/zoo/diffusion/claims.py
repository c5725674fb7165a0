"""What is claimed of the diffusion: its schedule, its samplers, its loss."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.diffusion import schedule
from torchlean_jax.zoo.diffusion.schedule import TIMES

PAIR = jax.ShapeDtypeStruct((2,), jnp.float32)
COUNTS = (1, 7, TIMES)  # steps of DDIM: one, a number that does not divide, all


def forward_variances_add_up(trained: Trained):
    """Step by step, x' = sqrt(1 - b) x + sqrt(b) e gives at every time the signal and
    the variance of the tables, in exact arithmetic up to the tables' own rounding."""
    limit = Fraction(1, 2**22)  # a square root rounded to 24 bits, squared
    signal, variance, held, first = Fraction(1), Fraction(0), 0, ""
    for time, beta in enumerate(schedule.BETA):
        share = Fraction(float(beta))
        signal, variance = (1 - share) * signal, (1 - share) * variance + share
        found = [
            Fraction(float(table[time])) ** 2
            for table in (schedule.SIGNAL, schedule.NOISE)
        ]
        exact = (signal, variance)
        right = all(abs(f - e) <= limit * e for f, e in zip(found, exact, strict=True))
        held += right
        first = first if right or first else f"not at time {time}"
    return counted(held, TIMES + 1, "times", first)


def noise_that_is_known_can_be_taken_away(trained: Trained):
    """With the noise that is in it, an image at a time is again the image it was, for
    all images and noises, at the first, a middle and the last time."""
    times = (1, TIMES // 2, TIMES)

    @tl.claims.equals(lambda image, noise: jnp.stack([image] * len(times)))
    @tl.claims.example(PAIR, PAIR)
    def there_and_back(image, noise):
        return jnp.stack(
            [
                schedule.denoised(schedule.noised(image, time, noise), time, noise)
                for time in times
            ]
        )

    return there_and_back


def ddim_inverts_and_its_indices_are_right(trained: Trained):
    """DDIM in 1, 7 or all 100 steps leads from the last time to the image, for all
    images and noises, if the network is right: it is told the time at which `x` is, and
    finds the noise that is in `x` at that time and at no other."""

    def ideal(image):
        def predict(x, time):
            return (x - schedule.SIGNAL[time] * image) / schedule.NOISE[time]

        return predict

    @tl.claims.equals(lambda image, noise: jnp.stack([image] * len(COUNTS)))
    @tl.claims.example(PAIR, PAIR)
    def sampled(image, noise):
        last = schedule.noised(image, TIMES, noise)
        return jnp.stack([schedule.ddim(ideal(image), last, n) for n in COUNTS])

    return sampled


def rows_are_independent(trained: Trained):
    """The noise predicted in an image depends on no other image of its batch, whatever
    the weights are."""
    at, label = jnp.array([3, 3, 3]), jnp.array([1, 1, 1])
    network = trained.entry.network

    @tl.claims.batch_independent(argnums=1)
    @tl.claims.example(trained.shapes, jnp.zeros((3, 64)))
    def predicted(variables, x):
        return network.apply(variables, x, at, label)[0]

    return predicted


def loss_has_the_right_gradient(trained: Trained):
    """What `jax.grad` makes of the error of the predicted noise, in the image that is
    noised, is its derivative, for the weights as they were trained."""
    random = np.random.default_rng(0)
    image, noise = jnp.asarray(random.standard_normal((2, 64)), jnp.float32)
    network = trained.entry.network

    @tl.claims.gradient()
    @tl.claims.example(image)
    def error(image):
        x = schedule.noised(image, 50, noise)
        found = network.apply(trained.variables, x, jnp.array(50), jnp.array(3))[0]
        return ((found - noise) ** 2).mean()

    return error


CLAIMS = (
    forward_variances_add_up,
    noise_that_is_known_can_be_taken_away,
    ddim_inverts_and_its_indices_are_right,
    rows_are_independent,
    loss_has_the_right_gradient,
)
