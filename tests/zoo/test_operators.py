"""What all Fourier neural operators claim, in one variable and in two: planted faults.

That the claims hold is in the tests of the entries.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import darcy, fno
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.operators import _claims, _data, _model, _train

LINE = fno.make(fno.Config(points=8, modes=3, width=2, depth=1), train=4, held_out=1)
PLANE = darcy.make(
    darcy.Config(points=8, modes=(5, 3), width=2, depth=1), train=1, held_out=1
)


@pytest.fixture(params=[LINE, PLANE], ids=["line", "plane"])
def operator(request):
    return zoo.untrained(request.param)


def fails(name, trained):
    (claim,) = (c for c in trained.entry.claims if c.__name__ == name)
    return check_claim(claim, trained).status == "fails"


def convolving(monkeypatch, wrong, module=_claims):
    right = module.spectral_convolution
    monkeypatch.setattr(module, "spectral_convolution", lambda x, w: wrong(right, x, w))


def test_a_lost_mode_is_found(monkeypatch, operator):
    convolving(monkeypatch, lambda right, x, w: right(x, w.at[:, 2].set(0)))
    assert fails("convolution_is_fouriers_matrix", operator)


def test_a_conjugate_weight_is_found(monkeypatch, operator):
    def conjugate(right, x, w):
        return right(x, w.at[1].multiply(-1))

    convolving(monkeypatch, conjugate)
    assert fails("convolution_is_fouriers_matrix", operator)


def test_axes_that_are_confused_are_found(monkeypatch):
    def swapped(right, x, w):
        return right(x.swapaxes(1, 2), w).swapaxes(1, 2)

    convolving(monkeypatch, swapped)
    assert fails("convolution_is_fouriers_matrix", zoo.untrained(PLANE))


def test_a_convolution_that_counts_points_is_found(monkeypatch, operator):
    """As one with a transform that is divided by the root of their number."""
    convolving(monkeypatch, lambda right, x, w: x.shape[1] * right(x, w))
    assert fails("convolution_is_the_same_on_a_finer_grid", operator)


def test_functions_that_mix_are_found(monkeypatch, operator):
    kind = type(operator.entry.network.make(zoo_rngs()))
    right = kind.__call__
    monkeypatch.setattr(kind, "__call__", lambda self, u: right(self, u / u.mean(0)))
    assert fails("rows_are_independent", operator)


def zoo_rngs():
    from flax import nnx

    return nnx.Rngs(0)


def test_a_stopped_gradient_is_found(monkeypatch):
    def stopped(right, x, w):
        return right(jax.lax.stop_gradient(x), w)

    convolving(monkeypatch, stopped, _model)
    assert fails("gradient_is_the_derivative", zoo.untrained(LINE))


def test_a_finer_function_goes_through_the_same_points():
    """Of a plane wave, whose refinement is known."""

    def wave(n):
        x = np.arange(n) / n
        return np.cos(2 * np.pi * (3 * x[:, None] - 2 * x + 0.1))[None, ..., None]

    found = _claims._refined(jnp.asarray(wave(8), jnp.float32))
    np.testing.assert_allclose(found, wave(16), atol=1e-5)


def test_relative_errors_are_of_whole_functions():
    wanted = np.array([[[3.0, 0.0], [0.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    found = wanted + np.array([[[0.0, 5.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]])
    assert _train.relative(jnp.asarray(found), jnp.asarray(wanted)).tolist() == [1, 1]


@pytest.mark.parametrize("space", [1, 2])
def test_grids_are_parts_of_each_other(space):
    both = np.arange(2 * 2 * 16**space).reshape(2, 2, *[16] * space)
    found = _data.pairs(both, np.array([True, False]), points=4)
    every = (slice(None, None, 4),) * space
    np.testing.assert_array_equal(found.train[1][0], both[(1, 1, *every)])
    np.testing.assert_array_equal(found.held_out[0][0], both[(0, 0, *every)])
    np.testing.assert_array_equal(
        found.fine[0][(0, *[slice(None, None, 2)] * space)], found.held_out[0][0]
    )
