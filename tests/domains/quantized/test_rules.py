"""Rules of the quantised domain against exact arithmetic written from docs/numbers.md:
Python's integers and fractions, NumPy's int64 and mpmath.

Inputs lie on grids whose scale is a power of two, so that what only moves, multiplies
or adds them is exact to the last bit of the result.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from tests.quantized_oracle import finish, nearest
from torchlean_jax.domains.quantized import _quotient, _softmax, _table

RNG = np.random.default_rng(7)
# Of inputs from -4 to 3.96875: every integer of 8 bits, and the zero point 0.
STEP = 1 / 32


SCHEMES = {
    "int8": tl.QuantizationScheme(),
    "symmetric": tl.QuantizationScheme(symmetric=True),
    "int4": tl.QuantizationScheme(bits=4),
}


def run(f, *examples, at=None, scheme=SCHEMES["int8"]):
    """`f` in integers, calibrated on `examples`, at each of them."""
    examples = [np.float32(x) for x in examples]
    q = tl.quantize(f, tuple(examples), scheme)
    at = examples if at is None else [np.float32(x) for x in at]
    return np.asarray(jax.jit(jax.vmap(q))(*at), np.float64)


def whole(shape, count=12):
    """Integers that fill the grid, and the numbers they stand for."""
    integers = RNG.integers(-128, 128, (count, *shape))
    integers.reshape(count, -1)[0, :2] = -128, 127
    return integers, integers * STEP


# Functions of one number: in JAX, and in mpmath.
CURVES = {
    "tanh": (jnp.tanh, mpmath.tanh),
    "logistic": (jax.nn.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x))),
    "exp": (jnp.exp, mpmath.exp),
    "erf": (lax.erf, mpmath.erf),
    "silu": (jax.nn.silu, lambda x: x / (1 + mpmath.exp(-x))),
    "gelu": (
        lambda x: jax.nn.gelu(x, approximate=False),
        lambda x: x * (1 + mpmath.erf(x / mpmath.sqrt(2))) / 2,
    ),
    "elu": (jax.nn.elu, lambda x: x if x > 0 else mpmath.expm1(x)),
    "softplus": (jax.nn.softplus, lambda x: mpmath.log1p(mpmath.exp(x))),
    "1 / (1 + x x)": (lambda x: 1 / (1 + x * x), lambda x: 1 / (1 + x * x)),
    "log": (lambda x: jnp.log(x + 5), lambda x: mpmath.log(x + 5)),
    "where": (lambda x: jnp.where(x < 1, x, -0.5), lambda x: x if x < 1 else -0.5),
}


def wrong_entries(name, scheme="int8"):
    """How many of all inputs on the grid give another integer than the oracle's."""
    f, exact = CURVES[name]
    scheme = SCHEMES[scheme]
    first, last = scheme.limits
    step = STEP * 2 ** (8 - scheme.bits)
    points = np.arange(first, last + 1) * step
    observed = np.linspace(points[0], 3.0 if scheme.symmetric else points[-1], 64)
    found = run(f, observed, at=[points], scheme=scheme)
    span = np.asarray(f(np.float32(observed)), np.float64)
    least, most = min(span.min(), 0.0), max(span.max(), 0.0)
    if scheme.symmetric:
        scale, zero = max(-least / -first, most / last), 0
    else:
        scale = (most - least) / (last - first)
        zero = round(first - least / scale)
    missed = 0
    for x, y in zip(points.tolist(), found.tolist(), strict=True):
        with mpmath.workdps(40):
            steps = int(mpmath.nint(exact(mpmath.mpf(x)) / scale))
        steps = min(max(steps, first - zero), last - zero)
        missed += abs(y / scale - steps) > 1e-3  # 23 bits at the output
    return missed


@pytest.mark.parametrize("name", CURVES)
def test_every_entry_of_a_table_is_the_nearest_integer(name):
    assert wrong_entries(name) == 0


@pytest.mark.parametrize("scheme", ["symmetric", "int4"])
def test_tables_of_other_schemes(scheme):
    assert wrong_entries("tanh", scheme) == 0


def test_a_shifted_table_is_noticed(monkeypatch):
    entry = _table.entry
    monkeypatch.setattr(_table, "entry", lambda t, i: entry(t, jnp.maximum(i - 1, 0)))
    assert wrong_entries("tanh") > 0


def wrong_shares(count=200):
    """How many shares are not those of the exact formula of docs/numbers.md."""
    integers, x = whole((7,), count)
    found = run(lambda x: jax.nn.softmax(x), x)
    span = np.asarray(jax.nn.softmax(np.float32(x)), np.float64).max()
    steps = int(1 / (span / 255))
    bits = min(15, 29 - (2 * steps).bit_length())
    table = [round(float(2**bits * mpmath.exp(-k * STEP))) for k in range(256)]
    missed = 0
    for row, shares in zip(integers.tolist(), found.tolist(), strict=True):
        powers = [table[max(row) - q] for q in row]
        total = sum(powers)
        for power, share in zip(powers, shares, strict=True):
            n = (2 * power * steps + total) // (2 * total)
            missed += abs(share * steps - min(n, 255)) > 1e-3
    return missed


def test_softmax_is_its_formula():
    assert wrong_shares() == 0


def test_another_rounding_of_shares_is_noticed(monkeypatch):
    div = lax.div
    cut = lambda a, b: div(a - b // 2, b)
    monkeypatch.setattr(_softmax.lax, "div", cut)
    assert wrong_shares() > 0


def worst_quotient():
    """|q - n / d| in units of the last place that is kept, over random quotients."""
    n, x = whole((5,), 300)
    d = np.abs(whole((5,), 300)[0]) + 12
    d = np.minimum(d, 127)
    d[0, :2] = 12, 127
    y = d / 32
    found = run(lambda x, y: x / y, x, y)
    # inputs on the grid of y/64: 2 d; at least 6, half of the least, hence 19 + 3 bits
    unit = Fraction(1, 2 ** (19 + 3 - 8))
    worst = Fraction(0)
    for a, b, q in zip(
        n.ravel().tolist(), d.ravel().tolist(), found.ravel(), strict=True
    ):
        worst = max(worst, abs(Fraction(float(q)) - Fraction(a, b)) / unit)
    return worst


def test_quotients_are_nearest():
    assert worst_quotient() <= 1


def test_a_quotient_without_its_half_is_noticed(monkeypatch):
    div = lax.div
    monkeypatch.setattr(_quotient.lax, "div", lambda a, b: div(a - 3 * b, b))
    assert worst_quotient() > 1


def test_products_of_two_values_are_exact():
    _, x = whole((4,))
    _, y = whole((4,))
    assert np.array_equal(run(lambda x, y: x * y, x, y), x * y)
    assert np.array_equal(run(lambda x: x * x, x), x * x)
    a, b = (v.reshape(-1, 2, 2) for v in (x, y))
    assert np.array_equal(run(jnp.matmul, a, b), a @ b)
    swapped = lambda a, b: jnp.einsum("ij,kj->ik", a, b)
    assert np.array_equal(run(swapped, a, b), np.einsum("nij,nkj->nik", a, b))


def test_choices_and_comparisons_are_exact():
    _, x = whole((4,))
    _, y = whole((4,))
    mask = np.array([True, False, True, False])
    assert np.array_equal(
        run(lambda x, y: jnp.where(x > y, x, y), x, y), np.where(x > y, x, y)
    )
    assert np.array_equal(
        run(lambda x: jnp.where(mask, x, 0.5), x), np.where(mask, x, 0.5)
    )


LAYOUT = {
    "transpose": (lambda x: x.T, lambda x: x.swapaxes(1, 2)),
    "reshape": (lambda x: x.reshape(6), lambda x: x.reshape(-1, 6)),
    "slice": (lambda x: x[1:, ::2], lambda x: x[:, 1:, ::2]),
    "rev": (lambda x: x[::-1], lambda x: x[:, ::-1]),
    "concatenate": (
        lambda x: jnp.concatenate([x, -x]),
        lambda x: np.concatenate([x, -x], 1),
    ),
    "pad": (
        lambda x: jnp.pad(x, 1, constant_values=0.5),
        lambda x: np.pad(x, [(0, 0), (1, 1), (1, 1)], constant_values=0.5),
    ),
    "gather": (lambda x: x[np.array([1, 0, 1])], lambda x: x[:, [1, 0, 1]]),
    "split": (lambda x: jnp.split(x, 3, 1)[2], lambda x: x[:, :, 2:]),
    "largest": (lambda x: x.max(1), lambda x: x.max(2)),
    "sum": (lambda x: x.sum(0), lambda x: x.sum(1)),
    "running sum": (lambda x: jnp.cumsum(x, 1), lambda x: np.cumsum(x, 2)),
    "windows": (
        lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 1), "VALID"),
        lambda x: x[:, :, :-1] + x[:, :, 1:],
    ),
}


@pytest.mark.parametrize("name", LAYOUT)
def test_moves_and_sums_are_exact(name):
    f, exact = LAYOUT[name]
    _, x = whole((2, 3))
    assert np.array_equal(run(f, x), exact(x))


def wrong_convolutions(stride, padding):
    """Against sums over windows in int64, and scales as fractions."""
    integers, x = whole((1, 5, 6, 2), 6)
    kernel = RNG.integers(-9, 10, (3, 2, 2, 3)) / 8 * [1, 1 / 4, 3]
    numbers = ("NHWC", "HWIO", "NHWC")

    def f(x):
        return lax.conv_general_dilated(
            *(x, jnp.float32(kernel), stride, padding), dimension_numbers=numbers
        )

    found = run(f, x)
    units = [np.abs(kernel[..., c]).max() / 127 for c in range(3)]
    w = np.zeros(kernel.shape, np.int64)
    for *place, c in np.ndindex(kernel.shape):
        w[(*place, c)] = nearest(float(kernel[(*place, c)]), units[c])
    image = np.pad(integers[:, 0], [(0, 0), *padding, (0, 0)])
    total = np.zeros(found[:, 0].shape, np.int64)
    for _, i, j, c in np.ndindex(1, *total.shape[1:]):
        a, b = i * stride[0], j * stride[1]
        window = image[:, a : a + 3, b : b + 2]
        total[:, i, j, c] = (window * w[..., c]).sum((1, 2, 3))
    weights = np.abs(w).sum((0, 1, 2))
    plus, minus = (np.maximum(s * w, 0).sum((0, 1, 2)).max() for s in (1, -1))
    assert weights.max() * 128 < 2**29
    reach = max(plus * 128 + minus * 127, plus * 127 + minus * 128)
    expected = finish(total, [STEP * u for u in units], int(reach))
    return int((found[:, 0] != expected).sum())


@pytest.mark.parametrize(
    "stride, padding", [((1, 1), ((0, 0), (0, 0))), ((2, 1), ((1, 1), (0, 1)))]
)
def test_convolutions_are_sums_over_windows(stride, padding):
    assert wrong_convolutions(stride, padding) == 0


def test_refusals():
    x = np.array([[-1.0, 1.0], [1.0, 2.0]], np.float32)
    with pytest.raises(tl.MissingRuleError, match="positive"):
        tl.quantize(lambda x: x[0] / x[1:], x - 1.5)
    with pytest.raises(tl.MissingRuleError, match="differ"):
        tl.quantize(lambda x: np.arange(1, 3) / (x * x[::-1] + 5), x)


def escapes(f):
    """How many results in a box its bounds leave out, over both methods."""
    x = np.float32(RNG.uniform(-2, 2, (64, 3)))
    q = tl.quantize(f, x)
    center, radius = np.array([0.3, -0.7, 0.9], np.float32), np.float32(0.1)
    at = np.clip(
        center + RNG.uniform(-radius, radius, (400, 3)),
        center - radius,
        center + radius,
    )
    y = np.asarray(jax.jit(jax.vmap(q))(np.float32(at)))
    box = tl.box(center - radius, center + radius)
    return sum(
        int((~tl.bounds(q, method=m)(box).contains(y)).sum()) for m in ("ibp", "crown")
    )


W = np.float32(RNG.normal(size=(3, 4)))


@pytest.mark.parametrize("name", ["tanh", "softmax"])
def test_bounds_hold(name):
    f = {"tanh": jnp.tanh, "softmax": jax.nn.softmax}[name]
    assert escapes(lambda x: f(x @ W) @ W.T) == 0
