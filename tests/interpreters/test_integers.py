"""Integer equations as equations of reals: the same function, where nothing wraps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.affine import relaxations
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.quantized import _rescale
from torchlean_jax.interpreters import _integers
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._integers import over_reals

WEIGHTS = np.array([[100, -7, 3], [27, 50, -128]], np.int8)
KERNEL = np.arange(-4, 5, dtype=np.int8).reshape(3, 3, 1, 1)


def bytes_of(x, scale=8.0):
    return jnp.clip(jnp.round(x * scale), -128, 127).astype(jnp.int8)


def dot(x):
    return lax.dot(bytes_of(x), WEIGHTS, preferred_element_type=jnp.int32)


def rescaled(x):
    return _rescale.shifted(3 * dot(x) - 40, np.array([4, 0, 7])).astype(jnp.float32)


def conv(x):
    image = bytes_of(jnp.tile(x, 8)).reshape(1, 4, 4, 1)
    y = lax.conv_general_dilated(
        *(image, KERNEL, (1, 1), "SAME"),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        preferred_element_type=jnp.int32,
    )
    return jnp.max(y, axis=(1, 2)).astype(jnp.float32)


PROGRAMS = {
    "dot": lambda x: dot(x).astype(jnp.float32),
    "rounded shift": rescaled,
    "plain shift": lambda x: (dot(x) >> 5).astype(jnp.float32),
    "truncated": lambda x: jnp.clip(3 * x, -9, 9).astype(jnp.int32).astype(jnp.float32),
    "sum, abs, square": lambda x: (
        jnp.sum(jnp.abs(dot(x)) - 7) + lax.square(bytes_of(x).astype(jnp.int32))
    ).astype(jnp.float32),
    "convolution": conv,
}
# What the integers may wrap in: nothing is rewritten from there on.
WRAPPING = {
    "narrow sum": lambda x: (bytes_of(x) + bytes_of(x)).astype(jnp.float32),
    "narrow product": lambda x: (bytes_of(x) * jnp.int8(3)).astype(jnp.float32),
    "unsigned shift": lambda x: lax.shift_right_arithmetic(
        bytes_of(x).astype(jnp.uint32), jnp.uint32(5)
    ).astype(jnp.float32),
    "narrow cast": lambda x: dot(x).astype(jnp.int8).astype(jnp.float32),
    "short dot": lambda x: lax.dot(
        bytes_of(jnp.tile(x, 3)),
        np.tile(WEIGHTS, (3, 1)),
        preferred_element_type=np.int16,
    ).astype(jnp.float32),
}


def graph_of(f):
    traced = jax.make_jaxpr(f)(jnp.zeros(2, jnp.float32))
    return over_reals(flatten(traced.jaxpr, traced.consts))


def needed_integers(f):
    """The integer values that the outputs of the rewritten graph rest on."""
    graph = graph_of(f)
    wanted, producer = list(graph.outputs), graph.producer()
    found = set()
    while wanted:
        equation = producer.get(wanted.pop())
        if equation is not None:
            wanted += [i for i in equation.inputs if i in producer]
            found |= set(equation.outputs)
    return [n for n in found if jnp.issubdtype(graph.avals[n].dtype, jnp.integer)]


def escapes(f, method):
    """How many results on a fine grid of a box its bounds do not hold."""
    center, radius = np.float32([3.1, -9.3]), 0.4
    line = np.linspace(-radius, radius, 41, dtype=np.float32)
    points = center + np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    y = jax.jit(jax.vmap(f))(points)
    bounded = tl.bounds(f, method=method)(tl.box(center, radius=radius))
    return int((~bounded.contains(y)).sum())


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_fits_is_real(name):
    assert not needed_integers(PROGRAMS[name])
    assert escapes(PROGRAMS[name], "crown-ibp") == 0


@pytest.mark.parametrize("name", WRAPPING)
def test_what_may_wrap_stays_integer(name):
    assert needed_integers(WRAPPING[name])
    assert escapes(WRAPPING[name], "ibp") == 0


def test_a_limit_that_is_too_small_is_noticed(monkeypatch):
    monkeypatch.setattr(_integers, "limits_of_dtype", lambda dtype: (-(2**40), 2**40))
    assert escapes(WRAPPING["narrow product"], "ibp") > 0


def test_back_substitution_keeps_correlation():
    """y - y is not zero for intervals, and is for linear forms up to the rounding."""
    f = lambda x: PROGRAMS["dot"](x) - 8 * x @ jnp.float32(WEIGHTS)
    box = tl.box([1.0, 2.0], radius=1.0)
    crown, ibp = (tl.bounds(f, method=m)(box).width.max() for m in ("crown", "ibp"))
    assert crown <= 1.01 * 178 and ibp > 2000  # 178: the largest sum of |weights|


@pytest.mark.parametrize("shift", [1, 4])
def test_a_rounded_shift_lies_between_its_lines(shift):
    rule = relaxations.find("call:rounded_shift")
    unit = jnp.float32(2.0**-shift)
    ends = [(-37, 41), (3, 3), (7, 9), (8, 24), (-8, 8), (-100, -99), (8, 9)]
    lo, hi = (jnp.float32(e) for e in zip(*ends, strict=True))
    lines = rule.function(None, Interval(lo, hi), jnp.full_like(lo, unit))
    for k, (least, most) in enumerate(ends):
        for n in range(least, most + 1):
            exact = round(n / 2**shift)
            below, above = (
                float(a[k]) * n + float(c[k])
                for a, c in (
                    (lines.lower[0], lines.lower_offset),
                    (lines.upper[0], lines.upper_offset),
                )
            )
            assert below <= exact <= above, (least, most, n)
