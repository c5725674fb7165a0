"""What is claimed of the operator: its convolution is Fourier's matrix, it commutes
with translations, and it is one operator on all grids."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.pallas_kernels import spectral_convolution
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.fno.model import Config

DIGITS = 25
CHANNELS = 2  # they are mixed mode by mode, alike for any number of them


def claims(operator: Network, config: Config) -> tuple:
    """The claims about a network of that size."""
    shape = jax.ShapeDtypeStruct((1, config.points), jnp.float32)

    def commutes_with_translations(trained: Trained):
        """A function that is moved along the circle by a point, and so by any number of
        them, ends where its own end is moved to, for all weights and functions."""

        def moved_after(variables, u):
            return jnp.roll(operator.apply(variables, u)[0], 1, axis=-1)

        @tl.claims.equals(moved_after, points=4)
        @tl.claims.example(trained.shapes, shape)
        def moved_before(variables, u):
            return operator.apply(variables, jnp.roll(u, 1, axis=-1))[0]

        return moved_before

    def convolution_is_fouriers_matrix(trained: Trained) -> Answer:
        """The spectral convolution of the first layer is the product with Fourier's
        matrices, written out: to 25 digits, at a random function."""
        import flint

        weight = np.asarray(trained.variables.params["layers.0.modes"])
        size = (1, config.points, weight.shape[2])
        x = np.random.default_rng(0).standard_normal(size).astype(np.float32)
        exactly = tl.interpret(spectral_convolution, domain=tl.Real(digits=DIGITS))
        found = exactly(jnp.asarray(x), jnp.asarray(weight)).balls[0]
        with flint.ctx.workprec(256):
            apart = _apart(found, _written_out(x[0], weight))
        return Answer(bool(apart <= 10.0**-DIGITS), None, f"{apart:.1e} apart at most")

    def is_one_operator_on_a_finer_grid(trained: Trained):
        """Of a function without modes beyond the grid's, the spectral convolution on
        twice as many points is, at the points of the first grid, the one there: for all
        weights and functions. Everything else in the network is point by point."""
        size = (1, config.points, CHANNELS)
        weight = jax.ShapeDtypeStruct((2, config.modes, CHANNELS, CHANNELS), "float32")

        def coarse(weight, u):
            return spectral_convolution(_resampled(u, config.points), weight)

        @tl.claims.equals(coarse)
        @tl.claims.example(weight, jax.ShapeDtypeStruct(size, jnp.float32))
        def fine(weight, u):
            finer = _resampled(u, 2 * config.points)
            return spectral_convolution(finer, weight)[:, ::2]

        return fine

    def rows_are_independent(trained: Trained):
        """The end of a function depends on no other function of its batch, whatever
        the weights are."""

        @tl.claims.batch_independent(argnums=1)
        @tl.claims.example(trained.shapes, jnp.zeros((3, config.points)))
        def end(variables, u):
            return operator.apply(variables, u)[0]

        return end

    def gradient_is_the_derivative(trained: Trained):
        """What `jax.grad` makes of the squared end in the start is its derivative."""
        u = np.random.default_rng(0).standard_normal((1, config.points))

        @tl.claims.gradient()
        @tl.claims.example(jnp.asarray(u, jnp.float32))
        def energy(u):
            return (operator.apply(trained.variables, u)[0] ** 2).sum()

        return energy

    return (
        commutes_with_translations,
        convolution_is_fouriers_matrix,
        is_one_operator_on_a_finer_grid,
        rows_are_independent,
        gradient_is_the_derivative,
    )


def _resampled(u, points: int):
    """The function of u [batch, n, channels] on so many points, at least n of them; of
    its highest mode, which on n points is its own conjugate, nothing is kept."""
    n = u.shape[1]
    modes = jnp.fft.rfft(u, axis=1)[:, : n // 2]
    padded = jnp.pad(modes, ((0, 0), (0, points // 2 + 1 - n // 2), (0, 0)))
    return jnp.fft.irfft(padded, points, axis=1) * (points / n)


def _written_out(x, weight):
    """sum over modes m and points j, in balls, of the weights' convolution by its
    definition: y_k = 1/n Re sum_m c_m exp(2 pi i m (k - j) / n) x_j w_m, where c_m is 1
    for the modes that are their own conjugates (0 and n / 2), else 2."""
    import flint

    n, modes, outputs = len(x), weight.shape[1], weight.shape[3]
    real, imag = (_exact(part) for part in weight)
    values = _exact(x)
    turn = [flint.arb(flint.fmpq(2 * k, n)) for k in range(n)]
    cos, sin = [t.cos_pi() for t in turn], [t.sin_pi() for t in turn]
    sums = np.full((n, outputs), flint.arb(0))
    for m in range(modes):
        once = m == 0 or 2 * m == n
        a = sum(values[j] * cos[m * j % n] for j in range(n))
        b = sum(values[j] * sin[m * j % n] for j in range(n))
        # the mode of x is a - i b, and its product with the weight p + i q
        p, q = a @ real[m] + b @ imag[m], a @ imag[m] - b @ real[m]
        q = 0 * q if once else q
        for k in range(n):
            part = p * cos[m * k % n] - q * sin[m * k % n]
            sums[k] = sums[k] + (part if once else 2 * part)
    return sums / n


def _exact(x):
    import flint

    return np.vectorize(lambda v: flint.arb(float(v)), otypes=[object])(x)


def _apart(a, b) -> float:
    return max(float(abs(x - y).upper()) for x, y in zip(a.flat, b.flat, strict=True))
