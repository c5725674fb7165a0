"""The transposed convolution against `jax.linear_transpose` of the primitive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from torchlean_jax.interpreters import _convolution

PLANE = [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC"), ("NCHW", "HWIO", "NHWC")]
LINE = [("NCH", "OIH", "NCH"), ("NHC", "HIO", "NHC")]


def _case(layout, taps, strides, sizes, padding, **more):
    """(equation, operand, kernel, rows, function) of one convolution."""
    rng = np.random.default_rng(0)
    lengths = dict(zip("HW", sizes, strict=False)) | {"N": 2, "C": 3}
    kernel_lengths = dict(zip("HW", taps, strict=False)) | {"O": 4, "I": 3}
    x = jnp.asarray(rng.normal(size=[lengths[c] for c in layout[0]]))
    kernel = jnp.asarray(rng.normal(size=[kernel_lengths[c] for c in layout[1]]))

    def function(x):
        return lax.conv_general_dilated(
            x, kernel, strides, padding, dimension_numbers=layout, **more
        )

    y = jax.eval_shape(function, x)
    rows = jnp.asarray(rng.normal(size=(5, *y.shape)))
    return jax.make_jaxpr(function)(x).eqns[-1], x, kernel, rows, function


def _sizes(dimensions, low, high):
    return st.tuples(*[st.integers(low, high)] * dimensions)


@st.composite
def convolutions(draw):
    layout = draw(st.sampled_from(PLANE + LINE))
    d = len(layout[0]) - 2
    edge = st.tuples(*[st.integers(-1, 2)] * 2)
    return (
        layout,
        draw(_sizes(d, 1, 4)),
        draw(_sizes(d, 1, 3)),
        draw(_sizes(d, 6, 8)),  # a window always fits: 6 - 2 cropped, 4 taps
        draw(st.tuples(*[edge] * d)),
    )


@settings(max_examples=25, deadline=None)
@given(convolutions())
def test_it_is_the_transpose(case):
    with jax.enable_x64(True):
        eqn, x, kernel, rows, function = _case(*case)
        got = _convolution.transpose(eqn.params, x.shape, kernel, rows)
        transpose = jax.linear_transpose(function, x)
        want = jax.vmap(lambda row: transpose(row)[0])(rows)
    # at most 4 * 16 products a sum: gamma_64 of magnitudes below 64 * 20
    np.testing.assert_allclose(got, want, rtol=0, atol=64 * 2.3e-16 * 64 * 20)


@pytest.mark.parametrize(
    "hole", [{"lhs_dilation": (2, 1)}, {"rhs_dilation": (1, 2)}], ids=str
)
def test_holes_are_not_plain(hole):
    with jax.enable_x64(True):
        eqn, *_ = _case(PLANE[0], (2, 2), (1, 1), (6, 6), ((0, 0), (0, 0)), **hole)
    assert not _convolution.is_plain(eqn.params)


def test_groups_are_not_plain():
    def grouped(x):
        return lax.conv_general_dilated(
            x, jnp.ones((3, 1, 2, 2)), (1, 1), "VALID", feature_group_count=3
        )

    (eqn,) = [
        e
        for e in jax.make_jaxpr(grouped)(jnp.ones((1, 3, 4, 4))).eqns
        if e.primitive.name == "conv_general_dilated"
    ]
    assert not _convolution.is_plain(eqn.params)
