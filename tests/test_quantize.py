"""`quantize`: the integers are those of an independent evaluation, bit for bit; bounds
hold for the integer program; bad calibration is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from tests.quantized_oracle import network
from torchlean_jax.domains.quantized import _contraction, _rescale, _value
from torchlean_jax.zoo import digits

RNG = np.random.default_rng(0)
HIDDEN = RNG.integers(-12, 13, (2, 3)) / 8 * [1, 1 / 4, 2]
LAYERS = [
    (HIDDEN, np.array([0.25, -0.125, 0.5])),
    (RNG.integers(-9, 10, (3, 2)) / 8 * [1, 1 / 8], np.array([0.5, -0.25])),
]
CALIBRATION = RNG.integers(-6, 9, (40, 2)) / 4

SCHEMES = {
    "int8": tl.QuantizationScheme(),
    "per tensor": tl.QuantizationScheme(per_channel=False),
    "symmetric": tl.QuantizationScheme(symmetric=True),
    "int4": tl.QuantizationScheme(bits=4),
    "int4 weights": tl.QuantizationScheme(weight_bits=4, symmetric=True),
}


def dense(x):
    *hidden, (last, shift) = [(jnp.float32(w), jnp.float32(b)) for w, b in LAYERS]
    for weight, bias in hidden:
        x = jax.nn.relu(x @ weight + bias)
    return x @ last + shift


def every_input(scheme):
    """Each pair of input integers, halves between them, and what saturates."""
    step = 1 / 4 if scheme.bits == 4 else 1 / 32 if scheme.symmetric else 1 / 64
    line = (
        np.arange(-320, 321) * step / 2
        if scheme.bits == 8
        else np.arange(-24, 25) * step / 2
    )
    return np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)


def differences(scheme, x):
    """How many outputs are not what the oracle says."""
    q = tl.quantize(dense, np.float32(CALIBRATION), scheme)
    y = np.asarray(jax.jit(jax.vmap(q))(np.float32(x)), np.float64)
    options = dataclasses.asdict(scheme)
    options["weight_bits"] = scheme.weight_bits or scheme.bits
    return int((y != network(LAYERS, CALIBRATION, x, **options)).sum())


@pytest.mark.parametrize("name", SCHEMES)
def test_the_integers_are_those_of_an_independent_evaluation(name):
    assert differences(SCHEMES[name], every_input(SCHEMES[name])) == 0


def half_up(integers, shift):
    half = np.where(shift > 0, 2 ** np.maximum(shift - 1, 0), 0)
    by = jnp.broadcast_to(jnp.int32(shift), integers.shape)
    return (integers + np.int32(half)) >> by


def wrong_zero(scheme, span, **options):
    scale, zero = GRID(scheme, span, **options)
    return scale, zero + 1


def wrong_axis(scheme, array, axes):
    weights, scales = WEIGHTS(scheme, array, axes)
    return weights, scales[:, ::-1]


def short_sums(operation):
    return operation.replace(preferred_element_type=jnp.dtype(jnp.int16))


GRID, WEIGHTS = tl.QuantizationScheme.grid, tl.QuantizationScheme.weights
FAULTS = {
    "wrong zero point": (tl.QuantizationScheme, "grid", wrong_zero),
    "scales along the wrong axis": (tl.QuantizationScheme, "weights", wrong_axis),
    "halves go up": (_rescale, "shifted", half_up),
    "no saturation": (_value.lax, "clamp", lambda least, x, most: x),
    "sums overflow": (_contraction, "_into_int32", short_sums),
    "inputs are truncated": (_value.lax, "round", lambda x, method: jnp.trunc(x)),
    "halves of inputs go outward": (
        _value.lax,
        "round",
        lambda x, method, round=lax.round: round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(monkeypatch, fault):
    monkeypatch.setattr(*FAULTS[fault])
    assert differences(SCHEMES["int8"], every_input(SCHEMES["int8"])) > 0


@pytest.mark.parametrize("k", [1, 2, 5])
def test_shifts_round_halves_to_even(k):
    p = np.arange(-200, 201)
    shifted = np.asarray(_rescale.shifted(jnp.int32(p), np.array(k)))
    assert shifted.tolist() == [round(n / 2**k) for n in p.tolist()]  # floats are exact


def test_the_same_bits_eagerly_compiled_batched_and_on_doubles():
    q = tl.quantize(dense, np.float32(CALIBRATION))
    x = np.float32(RNG.uniform(-2, 3, (50, 2)))
    batch = np.asarray(jax.vmap(q)(x))
    for row, expected in zip(x[:10], batch, strict=False):
        assert np.array_equal(q(row), expected)
        assert np.array_equal(jax.jit(q)(row), expected)
        assert np.array_equal(tl.faithful_jit(q)(row), expected)


def test_over_the_reals_it_is_what_runs():
    q = tl.quantize(dense, np.float32(CALIBRATION))
    for x in np.float32(RNG.uniform(-2, 3, (3, 2))):
        exact = tl.interpret(q, domain=tl.Real(digits=20))(x)
        bits = tl.interpret(q, domain=tl.IEEE32)(tl.IEEE32.lift(x))
        enclosed = tl.interpret(q, domain=tl.Interval)(tl.box(x, radius=0.0))
        run = q(x)
        assert (exact.lo <= run).all() and (run <= exact.hi).all()
        assert (exact.hi - exact.lo < 1e-15).all()
        assert np.array_equal(np.asarray(bits.bits), np.asarray(run).view(np.uint32))
        assert enclosed.contains(run).all() and enclosed.width.max() < 1e-5


@pytest.mark.parametrize("method", ["ibp", "crown"])
def test_bounds_hold_for_every_integer_in_the_box(method):
    q = tl.quantize(dense, np.float32(CALIBRATION))
    center, radius = np.float32([0.5, 0.25]), 0.21
    line = np.linspace(-radius, radius, 121, dtype=np.float32)
    points = center + np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    found = np.asarray(jax.jit(jax.vmap(q))(points))
    bounded = tl.bounds(q, method=method)(tl.box(center, radius=radius))
    assert bounded.contains(found).all()
    width = found.max(0) - found.min(0)
    assert (bounded.width < (4 if method == "ibp" else 2) * width).all()


def test_the_error_holds_and_is_what_was_lost():
    q = tl.quantize(dense, np.float32(CALIBRATION))
    bound = tl.quantization_error(dense, q)
    x = np.float32(RNG.uniform(-1, 2, (200, 2)))
    lost = np.abs(np.asarray(jax.vmap(q)(x) - dense(x)))
    at_point = bound(tl.box(x[0], radius=0.0))
    assert (lost[0] <= at_point).all() and (at_point <= lost[0] + 1e-5).all()
    box = tl.box([-1.0, -1.0], [2.0, 2.0])
    assert (lost.max(0) <= bound(box)).all()
    tight = tl.bounds(dense)(box).width
    assert (bound(box) < tight).all()


def test_verify_speaks_of_the_integer_program():
    q = tl.quantize(dense, np.float32(CALIBRATION), "int4")
    x = np.float32([1.5, -1.0])
    label = int(np.argmax(q(x)))
    box = tl.box(x, radius=0.05)
    proved = tl.verify(q, box, tl.spec.margin(label), method="ibp")
    assert proved.status == "proved" and proved.why_no_certificate
    refuted = tl.verify(q, box, tl.spec.margin(1 - label), method="ibp")
    assert refuted.status == "refuted"
    found = np.asarray(q(refuted.counterexample))
    assert found[1 - label] <= found[label]


def test_derivatives_are_those_of_the_float_model():
    q = tl.quantize(dense, np.float32(CALIBRATION))
    x = jnp.float32([0.5, 0.25])
    assert np.array_equal(jax.jacfwd(q)(x), jax.jacfwd(dense)(x))


def test_eight_bits_keep_the_accuracy_of_the_digits():
    data, model = digits.load(), digits.MODELS["mlp"]
    f = digits.classifier(model, model.init(jax.random.key(0)))
    q = tl.quantize(f, data.train_images)
    images = jnp.asarray(data.test_images)
    same = jax.jit(jax.vmap(q))(images).argmax(-1) == f(images).argmax(-1)
    assert (
        float(same.mean()) >= 0.97
    )  # of an untrained network, whose margins are small


BAD = {
    "not finite": (dense, np.float32([[0.0, np.nan]]), "int8", "argument 0 has nan"),
    "empty": (dense, np.zeros((0, 2), np.float32), "int8", "one or more examples"),
    "integers": (dense, np.zeros((3, 2), np.int32), "int8", "dtype int32"),
    "wrong shape": (dense, np.zeros((3, 5), np.float32), "int8", "cannot be called"),
    "unknown scheme": (dense, CALIBRATION, "int3", "int8, int4"),
    "infinite inside": (
        lambda x: jnp.maximum(x / 0.0, 0.0),
        np.ones((3, 2), np.float32),
        "int8",
        "returns",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    model, calibration, scheme, said = BAD[name]
    with pytest.raises(tl.InputError, match=said):
        tl.quantize(model, calibration, scheme)


def test_other_refusals():
    with pytest.raises(tl.InputError, match="2 to 8"):
        tl.QuantizationScheme(bits=9)
    with pytest.raises(tl.MissingRuleError, match=r"sort[\s\S]*cumprod"):
        tl.quantize(lambda x: lax.sort(x) + jnp.cumprod(x), np.float32(CALIBRATION))
    q = tl.quantize(dense, np.float32(CALIBRATION))
    with pytest.raises(tl.InputError, match="vmap"):
        q(np.zeros((4, 2), np.float32))
    wide = np.ones((2**16, 1), np.float32)
    with pytest.raises(tl.InputError, match="accumulator"):
        tl.quantize(lambda x: x @ wide, np.ones((1, 2**16), np.float32))
