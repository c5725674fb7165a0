"""What is claimed of every Fourier neural operator: its convolution is Fourier's
matrix, and the same on all grids; rows do not mix; gradients are right."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.pallas_kernels import spectral_convolution
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network

DIGITS = 25


def operator_claims(operator: Network, space: tuple[int, ...], given) -> tuple:
    """The claims about a network on a grid of that many points.

    given: turns random normal numbers into a function that the operator takes.
    """

    def convolution_is_fouriers_matrix(trained: Trained) -> Answer:
        """The spectral convolution of the first layer is the product with Fourier's
        matrices, written out: to 25 digits, at a random function."""
        import flint

        weight = np.asarray(trained.variables.params["layers.0.modes"])
        x = _normal(*space, weight.shape[-2])
        exactly = tl.interpret(spectral_convolution, domain=tl.Real(digits=DIGITS))
        found = exactly(x, jnp.asarray(weight)).balls[0]
        with flint.ctx.workprec(256):
            apart = _apart(found, _written_out(np.asarray(x[0]), weight))
        return Answer(bool(apart <= 10.0**-DIGITS), None, f"{apart:.1e} apart at most")

    def convolution_is_the_same_on_a_finer_grid(trained: Trained):
        """A function without the highest frequency of the grid, convolved on twice as
        many points to a side, is at the points of the grid what it is when convolved
        there, for all weights and functions. The other layers take point by point."""
        weight = trained.shapes.params["layers.0.modes"]
        x = jax.ShapeDtypeStruct((1, *space, weight.shape[-2]), jnp.float32)
        every_other = (slice(None), *[slice(None, None, 2)] * len(space))

        def finer(x, weight):
            return spectral_convolution(_refined(x), weight)[every_other]

        @tl.claims.equals(finer)
        @tl.claims.example(x, weight)
        def here(x, weight):
            return spectral_convolution(x, weight)

        return here

    def rows_are_independent(trained: Trained):
        """What is found for a function depends on no other function of its batch,
        whatever the weights are."""

        @tl.claims.batch_independent(argnums=1)
        @tl.claims.example(trained.shapes, jnp.ones((3, *space)))
        def found(variables, u):
            return operator.apply(variables, u)[0]

        return found

    def gradient_is_the_derivative(trained: Trained):
        """What `jax.grad` makes of the squares of what is found, in the function that
        is given, is their derivative."""

        @tl.claims.gradient()
        @tl.claims.example(given(_normal(*space)))
        def energy(u):
            return (operator.apply(trained.variables, u)[0] ** 2).sum()

        return energy

    return (
        convolution_is_fouriers_matrix,
        convolution_is_the_same_on_a_finer_grid,
        rows_are_independent,
        gradient_is_the_derivative,
    )


def _normal(*shape):
    drawn = np.random.default_rng(0).standard_normal((1, *shape))
    return jnp.asarray(drawn, jnp.float32)


def _refined(x):
    """[1, *space, channels] on twice as many points to a side: the trigonometric
    polynomial of the frequencies below half the number of points."""
    axes = tuple(range(1, x.ndim - 1))
    modes = jnp.fft.rfftn(x, axes=axes)
    for axis in axes:
        n, last = x.shape[axis], axis == axes[-1]
        low = jax.lax.slice_in_dim(modes, 0, n // 2, axis=axis)
        high = jax.lax.slice_in_dim(modes, n // 2 + 1, n if not last else n // 2 + 1,
                                    axis=axis)  # fmt: skip
        between = list(modes.shape)
        between[axis] = n // 2 + 1 if last else n + 1
        zeros = jnp.zeros(between, modes.dtype)
        modes = jnp.concatenate([low, zeros, high], axis=axis)
    sizes = [2 * x.shape[axis] for axis in axes]
    return 2 ** len(axes) * jnp.fft.irfftn(modes, s=sizes, axes=axes)


def _written_out(x, weight):
    """sum over modes m and points j, in balls, of the weights' convolution by its
    definition: y_k = 1/N Re sum_m c_m exp(2 pi i m (k - j) / n) x_j w_m, where
    m (k - j) is a scalar product and c_m is 1 for modes whose last frequency is its own
    conjugate (0 and n / 2), else 2. x: [*space, in], weight: [2, *modes, in, out]."""
    space, kept = x.shape[:-1], weight.shape[1:-2]
    points = list(itertools.product(*map(range, space)))
    modes = list(itertools.product(*map(_frequencies, kept[:-1]), range(kept[-1])))
    cos, sin = _waves(modes, points, space)
    flat = weight.reshape(2, len(modes), *weight.shape[-2:])
    values = _matrix(x.reshape(len(points), -1))
    a, b = cos * values, sin * values
    real, imag = [], []
    for number, mode in enumerate(modes):
        p, q = (_matrix(part[number]) for part in flat)
        # the mode of x is a - i b, and its product with the weight p + i q
        here, there = _row(a, number), _row(b, number)
        once = mode[-1] == 0 or 2 * mode[-1] == space[-1]
        count = 1 if once else 2
        real.append((here * p + there * q) * count)
        imag.append((here * q - there * p) * count)
    total = cos.transpose() * _stacked(real) - sin.transpose() * _stacked(imag)
    found = [entry / math.prod(space) for entry in total.entries()]
    return np.array(found, object).reshape(*space, -1)


def _frequencies(modes: int):
    """Of an axis that is not the last: first those that are not negative."""
    return [*range((modes + 1) // 2), *range(-(modes // 2), 0)]


def _waves(modes, points, space):
    """cos and sin of 2 pi m j / n: [modes, points]."""
    import flint

    whole = math.lcm(*space)
    turns = [flint.arb(flint.fmpq(2 * k, whole)) for k in range(whole)]
    tables = [t.cos_pi() for t in turns], [t.sin_pi() for t in turns]
    steps = [whole // n for n in space]
    angle = [
        [sum(map(math.prod, zip(m, j, steps, strict=True))) % whole for j in points]
        for m in modes
    ]
    return (
        flint.arb_mat([[table[k] for k in row] for row in angle]) for table in tables
    )


def _matrix(x):
    import flint

    return flint.arb_mat([[float(v) for v in row] for row in x])


def _row(matrix, number):
    return _stacked_rows([[matrix[number, k] for k in range(matrix.ncols())]])


def _stacked(rows):
    return _stacked_rows([row.entries() for row in rows])


def _stacked_rows(rows):
    import flint

    return flint.arb_mat(rows)


def _apart(a, b) -> float:
    return max(float(abs(x - y).upper()) for x, y in zip(a.flat, b.flat, strict=True))
