"""The binary32 functions are correctly rounded; `pow` and `atan2` within 1 ulp."""

import importlib.util
import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax import lax

from tests.domains.ieee32 import functions_oracle as oracle
from tests.domains.ieee32.functions_checked import beyond_the_bound, with_table, wrong
from torchlean_jax.domains.ieee32._functions import NAMES, UNARY
from torchlean_jax.domains.ieee32._functions._coefficients import CLOSEST, ERRORS
from torchlean_jax.domains.ieee32._functions._convert import narrow, widen
from torchlean_jax.domains.ieee32._functions._hard_cases import HARD_CASES

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", UNARY)
def test_results_are_correctly_rounded(name):
    bits = with_table(name)
    assert not wrong(name, bits, NAMES[name](jnp.asarray(bits)))


# The square root is exact reasoning, and its value is rounded already.
@pytest.mark.parametrize("name", sorted(set(UNARY) - {"sqrt"}))
def test_the_value_before_rounding_is_within_the_proved_bound(name):
    assert not beyond_the_bound(name, UNARY[name].values, with_table(name))


def contexts(function):
    """The same function, compiled in different ways; of one array of patterns."""
    floats = lambda x: function(lax.bitcast_convert_type(x, jnp.uint32))
    return {
        "jit": jax.jit(function),
        "vmap": jax.vmap(function),
        "scan": lambda b: lax.scan(lambda c, v: (c, function(v)), 0, b)[1],
        "jit of scan": jax.jit(
            lambda b: lax.scan(lambda c, v: (c, function(v)), 0, b)[1]
        ),
        "while": lambda b: lax.fori_loop(0, 1, lambda _, v: function(v), b),
        # Subnormal floats are flushed by XLA, but not on their way into integers.
        "floats": lambda b: jax.jit(floats)(lax.bitcast_convert_type(b, jnp.float32)),
        "reshaped": lambda b: jax.jit(function)(b[:15].reshape(3, 5)).ravel(),
    }


@pytest.mark.parametrize("name", ["exp", "erf", "sin", "log1p", "cbrt"])
@pytest.mark.parametrize("enabled", [False, True])
def test_every_context_gives_the_same_bits(name, enabled):
    bits = jnp.asarray(with_table(name)[::7])
    with jax.enable_x64(enabled):
        expected = NAMES[name](bits)
        assert expected.dtype == jnp.uint32
        for label, run in contexts(NAMES[name]).items():
            result = run(bits)
            assert (result == expected[: result.size]).all(), label


WITHOUT_FUSING = """
import sys
import jax.numpy as jnp
import numpy as np
from torchlean_jax.domains.ieee32._functions import UNARY
bits = np.load(sys.argv[1])
results = {name: f(jnp.asarray(bits[name])) for name, f in UNARY.items()}
np.savez(sys.argv[2], **results)
"""


def test_without_fused_operations_the_bits_are_the_same(tmp_path, monkeypatch):
    """AVX without FMA: every product is rounded before it is added."""
    inputs, outputs = tmp_path / "inputs.npz", tmp_path / "outputs.npz"
    bits = {name: with_table(name) for name in UNARY}
    np.savez(inputs, **bits)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-c", WITHOUT_FUSING, inputs, outputs]
    subprocess.run(command, check=True, cwd=ROOT)
    results = np.load(outputs)
    for name in UNARY:
        assert not wrong(name, bits[name], results[name])


def test_conversions_keep_every_kind_of_number():
    bits = oracle.sample(1)
    numbers = bits[~np.isnan(bits.view(np.float32))]
    with jax.enable_x64(True):
        values = widen(jnp.asarray(numbers))
        assert (np.asarray(values) == numbers.view(np.float32)).all()
        assert (np.asarray(narrow(values)) == numbers).all()


def test_rounding_is_to_nearest_even_everywhere():
    """Midpoints, their float64 neighbours, and overflow, against NumPy's conversion."""
    lower = oracle.sample(2) & np.uint32(0x7FFFFFFF)
    lower = lower[lower < oracle.INFINITY]
    a = lower.view(np.float32).astype(np.float64)
    b = np.where(lower + 1 == oracle.INFINITY, 2.0**128, 0.0)
    b = np.where(b > 0, b, (lower + 1).view(np.float32).astype(np.float64))
    middle = (a + b) / 2
    around = [middle, np.nextafter(middle, 0), np.nextafter(middle, np.inf), -middle]
    y = np.concatenate([*around, [1e300, -np.inf, 2.0**-151, 2.0**-1000, 0.0, -0.0]])
    with jax.enable_x64(True), np.errstate(over="ignore", under="ignore"):
        expected = y.astype(np.float32).view(np.uint32)
        assert (np.asarray(narrow(jnp.asarray(y))) == expected).all()


@pytest.mark.parametrize("name", NAMES)
def test_only_patterns_are_accepted(name):
    arguments = [jnp.float32(1.0)] * (2 if name in ("pow", "atan2") else 1)
    with pytest.raises(TypeError, match=rf"{name} takes .* not float32"):
        NAMES[name](*arguments)


def ulps_off(exact, bits):
    """How far a finite pattern is from a fraction, in ulps of its binade."""
    value = Fraction(oracle.value_of(bits))
    exponent = max(bits >> 23 & 0xFF, 1) - 150
    return abs(value - exact) / Fraction(2) ** exponent


def two_arguments(seed):
    random = np.random.default_rng(seed)
    sizes = 2.0 ** random.uniform(-5, 5, 800)
    wide = random.integers(0, oracle.INFINITY, 400).astype(np.uint32).view(np.float32)
    small = random.integers(1, 40, 200)
    return np.concatenate([sizes, wide, small]).astype(np.float32)


def test_pow_is_within_its_bound_of_one_half_ulp():
    x, y = two_arguments(1), two_arguments(2)
    y = np.where(np.arange(y.size) % 2, y, -y).astype(np.float32)
    results = NAMES["pow"](*(jnp.asarray(a.view(np.uint32)) for a in (x, y)))
    for a, b, bits in zip(x, y, np.asarray(results).tolist(), strict=True):
        with mpmath.workdps(60):
            exact = mpmath.mpf(float(a)) ** mpmath.mpf(float(b))
            if exact > 2**130:
                assert bits == oracle.INFINITY
            elif exact < mpmath.mpf(2) ** -160:
                assert bits == 0
            elif bits == oracle.INFINITY:
                assert exact > mpmath.mpf(float(np.finfo(np.float32).max))
            else:
                assert ulps_off(oracle.fraction(exact), bits) < 0.5 + 2.0**-20


def test_a_power_that_is_a_binary32_number_is_exact():
    cases = [(3, 2, 9), (2, -149, 2**-149), (0.5, 127, 2**-127), (7, 8, 7**8)]
    cases += [(-5, 3, -125), (1.5, 2, 2.25), (4096, 0.5, 64), (10, 10, 10**10)]
    for x, y, expected in cases:
        bits = (jnp.uint32(oracle.pattern(float(a))) for a in (x, y))
        assert int(NAMES["pow"](*bits)) == oracle.pattern(float(expected))


def test_atan2_is_within_its_bound_of_one_half_ulp():
    y, x = two_arguments(3), two_arguments(4)
    x = np.where(np.arange(x.size) % 2, x, -x).astype(np.float32)
    results = NAMES["atan2"](*(jnp.asarray(a.view(np.uint32)) for a in (y, x)))
    for a, b, bits in zip(y, x, np.asarray(results).tolist(), strict=True):
        with mpmath.workdps(60):
            exact = mpmath.atan2(mpmath.mpf(float(a)), mpmath.mpf(float(b)))
        assert ulps_off(oracle.fraction(exact), bits) < 0.5 + 2.0**-25


SPECIAL = [0.0, 1.0, 0.5, 2.0, 3.0, 2.5, 1e-45, 2.0**24, 3e38, math.inf, math.nan]
SPECIAL = [*SPECIAL, *(-x for x in SPECIAL)]


def in_c(name, a, b):
    """C's result for special values, as IEEE 754 has it, rounded to binary32."""
    if name == "atan2":
        return math.atan2(a, b)
    try:
        return math.pow(a, b)
    except ValueError:  # Python raises where C has an infinity or a NaN
        pole = a == 0 and b < 0
        negative = pole and math.copysign(1, a) < 0 and b % 2 == 1
        return -math.inf if negative else (math.inf if pole else math.nan)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf


@pytest.mark.parametrize("name", ["pow", "atan2"])
def test_special_values_are_those_of_ieee_754(name):
    pairs = np.array([(a, b) for a in SPECIAL for b in SPECIAL], np.float32)
    first, second = (jnp.asarray(c.copy().view(np.uint32)) for c in pairs.T)
    results = np.asarray(NAMES[name](first, second))
    for (a, b), bits in zip(pairs.tolist(), results.tolist(), strict=True):
        expected = in_c(name, a, b)
        if math.isnan(expected):
            assert bits == oracle.QUIET_NAN, (a, b)
        else:
            with np.errstate(over="ignore", under="ignore"):
                assert bits == oracle.pattern(expected), (a, b)


def test_no_binary32_number_is_closer_to_a_quarter_turn():
    distances = []
    for bits in oracle.sample().tolist():
        x = abs(oracle.value_of(bits))
        if 0.5 <= x < math.inf:
            with mpmath.workdps(80):
                turns = mpmath.mpf(x) * 2 / mpmath.pi
                distances.append(float(abs(turns - mpmath.nint(turns))))
    # The sample holds the closest number of every binade.
    assert CLOSEST <= min(distances) < CLOSEST * 1.5


EVIDENCE = json.loads((ROOT / "benchmarks/results/ieee32_functions.json").read_text())


@pytest.fixture(scope="module")
def code():
    """The script that computes what evidence depends on."""
    path = ROOT / "scripts" / "_elementary_code.py"
    spec = importlib.util.spec_from_file_location("_elementary_code", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", EVIDENCE)
def test_the_evidence_is_of_this_code(name, code):
    evidence = EVIDENCE[name]
    assert evidence["code_sha256"] == code.digest(name)
    assert (evidence["inputs"], evidence["wrong"]) == (2**32, 0)
    assert evidence["error_bound"] == ERRORS[name]
    both = 1 if UNARY[name].symmetry == "none" else 2
    assert evidence["hard_cases"] == both * len(HARD_CASES.get(name, {}))


def test_the_script_derives_the_committed_numbers_again():
    script = ROOT / "scripts" / "derive_elementary.py"
    run = subprocess.run(
        [sys.executable, script, "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert run.returncode == 0, run.stderr
