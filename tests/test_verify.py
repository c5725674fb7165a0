"""A verdict is never wrong.

The oracle is the exact minimum of small ReLU networks, found by cutting the plane into
the pieces on which they are linear (`search/exact_relu.py`). Each way of being wrong is
planted once, and noticed.
"""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
from tests.search import exact_relu
from tests.search.faults import notices, planted
from tests.search.networks import QUICK, network, random_layers
from torchlean_jax import (
    Interval,
    _bounds,
    _question,
    _refute,
    _snapshot,
    _verify,
    box,
    spec,
)
from torchlean_jax.certificate import _writer
from torchlean_jax.domains._errors import (
    CertificateWriteError,
    InputError,
    MissingRuleError,
)
from torchlean_jax.search import _attack, _confirm, _inside


def verify(*args, attack=QUICK, certificate=False, method="ibp", **options):
    """Intervals by default: they compile fast, and are enough for most models here."""
    own = {"attack": attack, "certificate": certificate, "method": method}
    return _verify.verify(*args, **own, **options)


def by_crown(*args, **options):
    return verify(*args, method="crown", **options)


def f32(*values):
    return jnp.asarray(values, jnp.float32)


# Against the exact minimum ----------------------------------------------------------


def is_right(verdict, layers, inputs, rows, offset):
    """Everything that `verdict` says is so, by rational arithmetic."""
    least = exact_relu.least(layers, inputs.lo, inputs.hi, rows, offset)
    if verdict.status != "refuted":
        assert Fraction(verdict.margin) <= least
        assert verdict.counterexample is None
    if verdict.status == "proved":
        assert least > 0
    if verdict.status == "refuted":
        x = np.asarray(verdict.counterexample[1])
        assert x.dtype == np.float32
        assert (np.asarray(inputs.lo) <= x).all() and (x <= np.asarray(inputs.hi)).all()
        y = exact_relu.evaluate(layers, x)
        rows, offset = exact_relu.fractions(rows), exact_relu.fractions(offset)[0]
        values = [
            sum(c * v for c, v in zip(row, y, strict=True)) - d
            for row, d in zip(rows, offset, strict=True)
        ]
        assert min(values) <= Fraction(verdict.margin) <= 0


def verdicts_are_right():
    seen = []
    for seed in range(18):
        layers = random_layers(seed)
        centre = np.random.default_rng(seed + 100).normal(size=2).astype(np.float32)
        label = int(np.argmax(network(layers, centre)))
        inputs = box(centre, radius=[0.1, 0.6, 1.2][seed % 3])
        given = spec.margin(label)
        verdict = by_crown(network, (layers, inputs), given)
        rows = given.formula([jax.ShapeDtypeStruct((3,), jnp.float32)]).rows
        is_right(verdict, layers, inputs, rows, [0.0, 0.0])
        seen.append(verdict.status)
    return seen


def test_verdicts_are_right():
    assert set(verdicts_are_right()) == {"proved", "refuted", "unknown"}


def test_the_answer_is_deterministic():
    layers, inputs = random_layers(5), box(f32(-1, -1), f32(1, 1))
    runs = [by_crown(network, (layers, inputs), spec.margin(0), seed=4) for _ in "12"]
    assert runs[0].status == runs[1].status == "refuted"
    np.testing.assert_array_equal(runs[0].counterexample[1], runs[1].counterexample[1])


def near_zero(step):
    """Specs whose exact margin is a whisker to either side of zero."""
    layers = random_layers(3)
    inputs = box(f32(-1, 0.5), radius=0.01)  # no neuron switches: bounds are tight
    for row in ([[1.0, 0.0, -1.0]], [[-1.0, 2.0, 0.0]]):
        least = exact_relu.least(layers, inputs.lo, inputs.hi, row, [0.0])
        offset = float(least) - step
        given = spec.linear(row * 2, offset)  # twice: what two rows need is compiled
        verdict = by_crown(network, (layers, inputs), given)
        is_right(verdict, layers, inputs, row, [offset])
        yield verdict.status


def test_verdicts_close_to_zero_are_right_and_decided():
    assert set(near_zero(2.0**-30)) == {"proved"}
    assert set(near_zero(-(2.0**-18))) == {"refuted"}
    assert all(status != "wrong" for status in near_zero(0.0))


def strict_at_the_minimum():
    """x + 2 y on the unit square is 0, thus not positive, at a corner only."""
    unit = box(f32(0, 0), f32(1, 1))
    f = lambda x: (x @ f32(1, 2))[None]
    tie = verify(f, unit, spec.linear([1.0]))
    assert tie.status == "refuted"
    assert tie.margin == 0 and tie.counterexample.tolist() == [0, 0]
    assert "exact" in tie.confirmed["real"]
    assert verify(f, unit, spec.linear([1.0], -(2.0**-40))).status == "proved"


def test_the_inequalities_are_strict():
    strict_at_the_minimum()


def bounds_of_zero_prove_nothing(monkeypatch):
    for useless in (0.0, -0.0, math.nan, -math.inf):
        bound = lambda *_, useless=useless: (np.array([useless, 5.0]), None)
        monkeypatch.setattr(_bounds, "row_bounds_and_slopes", bound)
        both = spec.linear(np.eye(2))
        f = lambda x: x + 1
        unit = box(f32(0, 0), f32(1, 1))
        verdict = verify(f, unit, both, attack=False)
        assert verdict.status == "unknown"
        assert verdict.margin <= 0


def test_bounds_of_zero_prove_nothing(monkeypatch):
    bounds_of_zero_prove_nothing(monkeypatch)


def points_outside_refute_nothing(monkeypatch):
    """x / 10 is positive on [1, 2], and the attack looks elsewhere."""
    outside = _attack.Proposals([[np.array([-1], np.float32)]], [-1.0], True)
    monkeypatch.setattr(_attack, "propose", lambda *_: outside)
    f = lambda x: x - 0.9 * x  # too much for intervals
    verdict = verify(f, box(f32(1), f32(2)), spec.linear([1.0]))
    assert verdict.status == "unknown"
    assert "outside of the set" in verdict.tried


def test_points_outside_refute_nothing(monkeypatch):
    points_outside_refute_nothing(monkeypatch)


def absorbing(x):
    """x over the reals; 0 in float32, where x + 2**25 is 2**25 if |x| < 2."""
    return jax.nn.relu(x + 2.0**25) - 2.0**25


def float32_does_not_decide():
    inputs = box(f32(0.5), f32(0.75))
    positive = spec.linear([1.0], 0.25)
    assert verify(absorbing, inputs, positive).status == "proved"
    small = verify(absorbing, inputs, spec.linear([-1.0], -0.25))
    assert small.status == "refuted"
    assert -0.51 < small.margin < -0.24
    assert "differs" in small.confirmed["runtime"]


def test_float32_does_not_decide():
    float32_does_not_decide()


def an_open_sign_refutes_nothing():
    """2**-60 at every point, which neither float64 intervals nor rationals can see."""
    f = lambda x: jnp.exp(x) + 2.0**-60 - jnp.exp(x)
    verdict = verify(f, box(f32(0.5), f32(0.75)), spec.linear([1.0]))
    assert verdict.status == "unknown"
    assert "stayed open" in verdict.tried


def test_an_open_sign_refutes_nothing():
    an_open_sign_refutes_nothing()


PLANTED = [
    (
        _verify,
        "if margin > 0 else",
        "if margin >= 0 else",
        bounds_of_zero_prove_nothing,
    ),
    (
        _verify,
        "np.where(np.isnan(lower), -math.inf, lower)",
        "np.where(np.isnan(lower), 1.0, lower)",
        bounds_of_zero_prove_nothing,
    ),
    (_confirm, "return self.hi <= 0", "return self.hi < 0", strict_at_the_minimum),
    (
        _confirm,
        "return self.hi <= 0",
        "return self.lo <= 0",
        an_open_sign_refutes_nothing,
    ),
    (
        _inside,
        "return same and bool(((lo <= x) & (x <= hi)).all())",
        "return same",
        points_outside_refute_nothing,
    ),
    (
        _confirm,
        'lo, hi = model.once(("confirm", where), build)(point)',
        "lo = hi = np.asarray(jax.jit(model)(*point)).astype(np.float64)",
        float32_does_not_decide,
    ),
    (_refute, "if not real.violated:", "if real.violated:", float32_does_not_decide),
]


@pytest.mark.parametrize(("module", "sound", "faulty", "check"), PLANTED)
def test_planted_faults_are_noticed(module, sound, faulty, check, monkeypatch):
    arguments = [monkeypatch][: check.__code__.co_argcount]
    with planted(module, sound, faulty):
        noticed = notices(check, *arguments)
        monkeypatch.undo()
    assert noticed


# The parameters of now --------------------------------------------------------------


def changed_parameters_are_seen():
    """A stale answer would be a wrong one, whichever way the parameters come in."""
    positive, at_one = spec.linear([1.0]), box(f32(1), f32(2))
    state = {"jax": f32(1), "python": 1.0, "numpy": np.ones(1, np.float32)}
    for name in state:
        _snapshot._recent.clear()
        f = lambda x, name=name: x * state[name]
        assert verify(f, at_one, positive).status == "proved"
        if name == "numpy":
            state["numpy"][:] = -1  # in place
        else:
            state[name] = -state[name]
        assert verify(f, at_one, positive).status == "refuted", name


def test_changed_parameters_are_seen():
    changed_parameters_are_seen()


@pytest.mark.parametrize(
    ("sound", "faulty"),
    [
        ("if _same_consts(s.trace, traced)", "if True"),
        ("else np.array(c) for c in", "else c for c in"),
    ],
)
def test_a_stale_snapshot_would_be_noticed(sound, faulty):
    with planted(_snapshot, sound, faulty, keep=["Snapshot"]):
        assert notices(changed_parameters_are_seen)


def test_a_mutated_module_is_seen():
    nnx = pytest.importorskip("flax.nnx")
    model = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
    model.kernel[...] = f32([1])
    assert verify(model, box(f32(1), f32(2)), spec.linear([1.0])).status == "proved"
    model.kernel[...] = f32([-1])
    assert verify(model, box(f32(1), f32(2)), spec.linear([1.0])).status == "refuted"


def fixed_arguments_are_what_the_model_sees():
    """x - c is 0 if c is float32(0.1), as x is; not so if it is float64(0.1)."""
    point = box(f32(0.1), f32(0.1))
    for c in (0.1, np.float64(0.1), np.full(1, 0.1)):
        verdict = verify(lambda x, c: x - c, (point, c), spec.linear([1.0]))
        assert verdict.status == "refuted"
        assert verdict.margin == 0


def test_fixed_arguments_are_what_the_model_sees():
    fixed_arguments_are_what_the_model_sees()


def test_fixed_arguments_that_change_would_be_noticed():
    as_seen = "return jnp.asarray(leaf) if isinstance(leaf, _NUMBERS) else leaf"
    with planted(_question, as_seen, "return leaf", keep=["Question"]):
        assert notices(fixed_arguments_are_what_the_model_sees)


def test_either_argument_may_be_the_box():
    """One trace serves both."""
    f = lambda x, y: x - 2 * y
    two, either = f32(2), box(f32(0), f32(3))
    assert verify(f, (either, two), spec.linear([1.0])).counterexample[1] is two
    x, y = verify(f, (two, either), spec.linear([1.0])).counterexample
    assert x is two and y > 1


def test_the_same_model_is_compiled_once():
    """A fresh lambda around the same weights, another label, another box."""
    weights = jnp.asarray(random_layers(0)[0][0])
    same = lambda: lambda x: jax.nn.relu(x @ weights)[:3]
    unit = box(f32(0, 0), f32(1, 1))
    first = _snapshot.snapshot(same(), (unit,), Interval.is_value)
    assert _snapshot.snapshot(same(), (unit,), Interval.is_value) is first
    other = _snapshot.snapshot(
        lambda x: jax.nn.relu(x @ -weights)[:3], (unit,), Interval.is_value
    )
    assert other is not first
    verify(same(), unit, spec.margin(0))
    compiled = dict(first._compiled)
    verify(same(), box(f32(-1, 0), f32(1, 3)), spec.margin(1), seed=3)
    assert set(first._compiled) == set(compiled)


# What the answer looks like ---------------------------------------------------------

SQUARE = box(f32(-1, -1), f32(1, 1))


def test_the_structure_of_the_counterexample_is_that_of_the_input():
    f = lambda p, q: p["a"][:1] + q[0] * 2
    inputs = {"a": SQUARE}, [box(f32(-1.0), f32(3.0))]
    verdict = verify(f, inputs, spec.linear([1.0]))
    assert verdict.status == "refuted"
    p, q = verdict.counterexample
    assert jax.tree.structure((p, q)) == jax.tree.structure(({"a": 0}, [0]))
    assert p["a"].shape == (2,) and q[0].tolist() == [-1]
    alone = verify(lambda p: p["a"], {"a": SQUARE}, spec.linear(np.eye(2)))
    assert alone.counterexample["a"].shape == (2,)
    wrapped = verify(
        lambda pair: pair[0] + pair[1], ((SQUARE, f32(1)),), spec.linear(np.eye(2))
    )
    assert wrapped.counterexample[0][1].tolist() == [1]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_dtypes(dtype):
    inputs = box(jnp.ones(2, dtype), jnp.full(2, 2, dtype))
    assert verify(lambda x: x * 2, inputs, spec.linear(np.eye(2))).status == "proved"
    refuted = verify(lambda x: x * 2 - 3, inputs, spec.linear(np.eye(2)))
    assert refuted.counterexample.dtype == dtype


def test_disjunctions_and_conjunctions():
    either = spec.linear([1.0, 0.0]) | spec.linear([0.0, 1.0], -3)
    assert verify(lambda x: x, SQUARE, either).status == "proved"
    both = spec.linear([1.0, 0.0]) & spec.linear([0.0, 1.0], -3)
    assert verify(lambda x: x, SQUARE, both).status == "refuted"
    # true at each point by one clause or the other: to see it, one must split the box
    split = spec.linear([1.0, 0.0], -0.5) | spec.linear([-1.0, 0.0], -0.5)
    verdict = verify(lambda x: x, SQUARE, split)
    assert verdict.status == "unknown"
    assert verdict.margin == pytest.approx(-0.5)
    assert "smallest margin seen 0.5" in verdict.tried


def test_a_verdict_reads_well_and_is_no_boolean():
    refuted = verify(lambda x: x, SQUARE, spec.margin(0))
    assert str(refuted).startswith(
        "refuted: over the real numbers, margin(label=0) fails"
    )
    assert "at most -2" in str(refuted) and "jax.jit on cpu agrees" in str(refuted)
    proved = verify(lambda x: x + f32(3, 0), SQUARE, spec.margin(0))
    assert "holds at every point" in str(proved) and "No certificate" in str(proved)
    assert "rounding" in proved.assumptions[1]
    unknown = verify(lambda x: x, SQUARE, spec.margin(0), attack=False)
    assert "neither" in str(unknown) and unknown.counterexample is None
    for verdict in (refuted, proved, unknown):
        assert "\n" not in str(verdict)
        with pytest.raises(TypeError, match="status"):
            bool(verdict)


def test_certificates():
    layers, inputs = random_layers(3), box(f32(-1, 0.5), radius=0.01)
    label = int(np.argmax(network(layers, inputs.lo)))
    problem = network, (layers, inputs), spec.margin(label)
    verdict = by_crown(*problem, certificate=True)
    assert verdict.status == "proved"
    assert torchlean_check.check(verdict.certificate.bytes).accepted
    assert by_crown(*problem).certificate is None


def test_a_proof_that_cannot_be_written_down_says_why(monkeypatch):
    def refuse(*_, **__):
        raise CertificateWriteError("no word for `sinh`")

    monkeypatch.setattr(_writer, "certify", refuse)
    verdict = verify(lambda x: x + 3, SQUARE, spec.linear(np.eye(2)), certificate=True)
    assert (verdict.status, verdict.certificate) == ("proved", None)
    assert verdict.why_no_certificate == "no word for `sinh`"
    assert "No certificate: no word" in str(verdict)


def test_float64_boxes():
    with jax.enable_x64(True):
        inputs = box(jnp.ones(1), jnp.ones(1) + 2.0**-40)
        f = lambda x: x - 1
        assert verify(f, inputs, spec.linear([1.0], -(2.0**-45))).status == "proved"
        assert verify(f, inputs, spec.linear([-1.0], -(2.0**-41))).status == "refuted"


# Bad input --------------------------------------------------------------------------

TWO = spec.linear(np.eye(2))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: verify(lambda x: x, f32(1, 2), TWO), "none of the model's arguments"),
        (lambda: verify(lambda x: x, (), TWO), "none of the model's arguments"),
        (lambda: verify(lambda x: x, Interval(f32(1, 1), f32(0, 2)), TWO), "lo <= hi"),
        (
            lambda: verify(lambda x: x, Interval(f32(1, np.nan), f32(2, 2)), TWO),
            "finite",
        ),
        (
            lambda: verify(lambda x: x, Interval(f32(1, 1), f32(2, np.inf)), TWO),
            "finite",
        ),
        (lambda: verify(lambda x: x, Interval(f32(1), f32(2, 2)), TWO), "one shape"),
        (
            lambda: verify(lambda x: x, Interval(np.arange(2), np.arange(2)), TWO),
            "int64",
        ),
        (
            lambda: verify(lambda x: x, Interval(np.zeros(2), np.ones(2)), TWO),
            "float64",
        ),
        (
            lambda: verify(lambda x: x @ jnp.ones((3, 2)), SQUARE, TWO),
            r"float32\[2\] set",
        ),
        (lambda: verify(lambda x, y: x, SQUARE, TWO), "cannot be called"),
        (lambda: verify(lambda x, s: x, (SQUARE, "a"), TWO), "is no array"),
        (lambda: verify(3, SQUARE, TWO), "a model is"),
        (lambda: verify(lambda x: x, SQUARE, spec.linear(np.eye(3))), "3 columns"),
        (lambda: verify(lambda x: x, SQUARE, spec.margin(2)), "out of range"),
        (lambda: verify(lambda x: x, SQUARE, 3), "made by tl.spec"),
        (lambda: verify(lambda x: jnp.argmax(x)[None], SQUARE, TWO), "int32"),
        (lambda: verify(lambda x: x[:0], SQUARE, TWO), "no numbers"),
        (
            lambda: verify(lambda x: x, box(jnp.ones((0, 2)), radius=1.0), TWO),
            "empty batch",
        ),
        (lambda: verify(lambda x: x, SQUARE, TWO, method="magic"), "method"),
        (lambda: verify(lambda x: x, SQUARE, TWO, semantics="float"), "fp32"),
        (lambda: verify(lambda x: x, SQUARE, TWO, attack="pgd"), "Attack"),
        (lambda: verify(lambda x: x, SQUARE, TWO, seed=2**64), "seed"),
        (
            lambda: jax.jit(lambda x: verify(lambda y: y, Interval(x, x), TWO).margin)(
                f32(1, 2)
            ),
            "outside of jit",
        ),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()


def test_a_primitive_without_rule_is_named_with_its_line():
    def f(x):
        shape = jax.ShapeDtypeStruct((2,), jnp.float32)
        return jax.pure_callback(np.sinh, shape, x)  # the line to be named

    with pytest.raises(
        MissingRuleError, match=r"(?s)pure_callback.*the line to be named"
    ):
        verify(f, SQUARE, TWO)
