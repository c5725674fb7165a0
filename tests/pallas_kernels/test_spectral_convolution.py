"""Spectral convolution: its contract, and ways to break it, each caught by a clause."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.contracts import Contract
from torchlean_jax.pallas_kernels import spectral_convolution
from torchlean_jax.pallas_kernels.spectral_convolution import _kernel, _modes
from torchlean_jax.pallas_kernels.spectral_convolution._contract import TERMS

FORWARD, BACKWARD = TERMS.programs


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
def test_unrolled_or_interpreted(program, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes["wide"], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


def by_numpy(x, weight):
    """In float64, with the full transform and its modes picked one by one."""
    *modes, _, _ = weight.shape[1:]
    axes = tuple(range(1, 1 + len(modes)))
    spectrum = np.fft.fftn(np.asarray(x, np.float64), axes=axes)
    w = np.asarray(weight[0], np.float64) + 1j * np.asarray(weight[1], np.float64)
    y = np.zeros((*spectrum.shape[:-1], w.shape[-1]), complex)
    for place in np.ndindex(*modes):
        if len(modes) == 2 and place[0] >= (modes[0] + 1) // 2:
            at = (place[0] - modes[0], place[1])
        else:
            at = place
        term = spectrum[(slice(None), *at)] @ w[place]
        # a frequency and its opposite: the real part, counted twice but for 0 and n / 2
        paired = 0 < 2 * at[-1] < x.shape[-2]
        y[(slice(None), *at)] = term * (2 if paired else 1)
    return np.fft.ifftn(y, axes=axes).real


@pytest.mark.parametrize(
    ("space", "modes"),
    [((8,), (5,)), ((7,), (3,)), ((6, 5), (3, 2)), ((4, 6), (4, 4))],
    ids=str,
)
def test_against_numpy_in_float64(space, modes):
    x = jax.random.normal(jax.random.key(0), (2, *space, 3))
    weight = jax.random.normal(jax.random.key(1), (2, *modes, 3, 2))
    y = spectral_convolution(x, weight)
    np.testing.assert_allclose(y, by_numpy(x, weight), rtol=1e-4, atol=1e-5)


def test_the_reverse_mode_on_a_plane():
    x = jax.random.normal(jax.random.key(0), (1, 3, 4, 2))
    weight = jax.random.normal(jax.random.key(1), (2, 3, 3, 2, 1))
    assert tl.check_vjp(lambda x, w: spectral_convolution(x, w))(x, weight).ok


# Planted faults --------------------------------------------------------------------


def _conjugates(conjugated_x, conjugated_w):
    def wrong(x_real, x_imag, w_real, w_imag, dy_real, dy_imag):
        x, w, dy = (x_real, x_imag), (w_real, w_imag), (dy_real, dy_imag)
        dx = _kernel.contraction("dx", dy, w, "rms,mcs->rmc", conjugated_w)
        dw = _kernel.contraction("dw", x, dy, "smr,smc->mrc", conjugated_x)
        return *dx, *dw

    return wrong


def _transpose_forgotten(x_real, x_imag, w_real, w_imag, dy_real, dy_imag):
    """For square matrices shapes do not tell."""
    x, w, dy = (x_real, x_imag), (w_real, w_imag), (dy_real, dy_imag)
    dx = _kernel.contraction("dx", dy, w, "rms,msc->rmc", "r")
    dw = _kernel.contraction("dw", x, dy, "smr,smc->mrc", "l")
    return *dx, *dw


CONJUGATES = ["weights not conjugated", "x not conjugated", "no transpose"]


@plants("spectral_convolution", clause="meaning", says=CONJUGATES)
@pytest.mark.parametrize(
    "wrong",
    [_conjugates("", "r"), _conjugates("l", ""), _transpose_forgotten],
    ids=CONJUGATES,
)
def test_a_wrong_backward(wrong):
    terms = base.with_kernel(TERMS, BACKWARD, wrong)
    found = base.failing_clauses(
        terms, shapes=["square"], dtypes=["float32"], clauses=["meaning"]
    )
    assert found == {"meaning"}


class _RaggedEdge(_kernel.ModeTile):
    def __init__(self, shape, tile):
        super().__init__(shape, tile)
        self.masks = {k: v | True for k, v in self.masks.items()}


class _WrongTile(_kernel.ModeTile):
    """All tiles of columns start at column 0."""

    def __init__(self, shape, tile):
        super().__init__(shape, tile)
        self.indices["c"] = jnp.arange(tile.columns)
        self.masks["c"] = self.indices["c"] < shape[1]


class _Narrow(_kernel.ModeTile):
    """Operands are rounded to bfloat16."""

    def load(self, ref, letters, summand):
        wide = super().load(ref, letters, summand)
        return wide.astype(jnp.bfloat16).astype(jnp.float32)


def _three_products(left, right, *out, letters, summands, shape, tile, **_):
    """The last of the four products is left out."""
    modes = _kernel.ModeTile(shape, tile)

    def add(summand, totals):
        a, b = (modes.load(ref, letters[0], summand)[:, None] for ref in left)
        c, d = (modes.load(ref, letters[1], summand)[None, :] for ref in right)
        return totals[0] + a * c - b * d, totals[1] + a * d

    zero = jnp.zeros((tile.rows, tile.columns), jnp.float32)
    totals = lax.fori_loop(0, summands, add, (zero, zero))
    for ref, total in zip(out, totals, strict=True):
        modes.store(ref, letters[2], total)


def _loses_the_last(*refs, summands, **options):
    _product(*refs, summands=summands - 1, **options)


_product = _kernel._product


@plants("spectral_convolution")
@pytest.mark.parametrize(
    ("changes", "shape", "clause"),
    [
        ({"ModeTile": _RaggedEdge}, "ragged", "memory"),
        ({"ModeTile": _WrongTile}, "wide", "memory"),
        ({"ModeTile": _Narrow}, "one", "rounding"),
        ({"_product": _three_products}, "square", "meaning"),
        ({"_product": _loses_the_last}, "square", "meaning"),
    ],
)
def test_a_wrong_kernel(changes, shape, clause, monkeypatch):
    for name, change in changes.items():
        monkeypatch.setattr(_kernel, name, change)

    # a new function: JAX keeps what it traced of the old one
    def kernel(*args):
        return _kernel.mode_product(*args)

    terms = base.with_kernel(TERMS, FORWARD, kernel)
    options = {"shapes": [shape], "dtypes": ["float32"], "clauses": [clause]}
    assert FORWARD.name in {c.program for c in base.failures(terms, **options)}


def _no_negative_modes(modes):
    """The first modes of the spectrum are taken, as if all were positive."""
    return modes, 0


def _no_highest(spectrum, size):
    """The highest frequency is dropped with its imaginary part."""
    frequency = jnp.arange(spectrum.shape[-2])
    return jnp.where((2 * frequency == size)[:, None], 0, spectrum)


def _unscaled(real, imag, modes, sizes):
    return _restored(real, imag, modes, sizes) * sizes[-1]


_restored = _modes.restored


@plants("spectral_convolution", clause="edges")
@pytest.mark.parametrize(
    ("name", "wrong", "edges"),
    [
        ("_halves", _no_negative_modes, {"a negative frequency of a plane"}),
        ("_hermitian", _no_highest, {"the highest frequency"}),
        ("restored", _unscaled, {"one point", "a mode that is kept"}),
    ],
)
def test_wrong_modes(name, wrong, edges, monkeypatch):
    chosen = tuple(edge for edge in TERMS.edges if edge.name in edges)
    terms = dataclasses.replace(TERMS, programs=(), edges=chosen)
    monkeypatch.setattr(_modes, name, wrong)
    jax.clear_caches()  # the public function keeps what it traced before
    try:
        report = Contract(terms).check(shapes=[], clauses=["edges"])
        assert report.failures
        assert {c.program for c in report.failures} <= edges
    finally:
        jax.clear_caches()  # nor may it keep the broken one


@pytest.mark.parametrize(
    ("x", "weight", "message"),
    [
        ((1, 4, 2), (2, 4, 2, 1), r"1 to \[3\] modes of \[4\] points"),
        ((1, 4, 5, 2), (2, 5, 3, 2, 1), r"1 to \[4, 3\] modes"),
        ((1, 4, 2), (2, 2, 3, 1), r"weight \[2, 2, 3, 1\]"),
        ((1, 4, 2), (1, 2, 2, 1), r"weight \[1, 2, 2, 1\]"),
        ((4, 2), (2, 2, 2), "space of 1 or 2 axes"),
        ((1, 0, 2), (2, 1, 2, 1), r"\[0\] points"),
    ],
)
def test_bad_input(x, weight, message):
    with pytest.raises(tl.InputError, match=message):
        spectral_convolution(jnp.ones(x), jnp.ones(weight))
