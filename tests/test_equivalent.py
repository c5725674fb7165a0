"""`equivalent` on programs of the kind that people rewrite: none is called wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from benchmarks import _equivalence_cases as corpus
from torchlean_jax.domains import _registry
from torchlean_jax.domains.finite_field._value import rules


def shapes(*dims):
    return [jax.ShapeDtypeStruct(s, jnp.float32) for s in dims]


@pytest.mark.parametrize("name", corpus.SAMPLE)
def test_a_rewrite_is_equal(name):
    program = corpus.PROGRAMS[name]
    for rewrite in program.rewrites:
        report = tl.equivalent(program.reference, rewrite)(*program.args())
        assert report.equal is True, f"{name}: {report}"
        assert report.error_probability < 1e-6


@pytest.mark.parametrize("name", corpus.SAMPLE)
def test_a_mutant_is_different(name):
    program = corpus.PROGRAMS[name]
    for mutant in program.mutants:
        report = tl.equivalent(program.reference, mutant)(*program.args())
        assert report.equal is False, f"{name}: {report}"
        assert report.witness is not None


def test_the_witness_is_one_in_binary64_too():
    f, g = lambda x: jnp.exp(x) + x, lambda x: jnp.exp(x) - x
    witness = tl.equivalent(f, g)(*shapes((3,))).witness
    x = np.asarray(witness.args[0], np.float64)[witness.element]
    assert float(witness.values[0]) == pytest.approx(np.exp(x) + x, rel=1e-12)
    assert float(witness.values[1]) == pytest.approx(np.exp(x) - x, rel=1e-12)
    assert witness.difference == pytest.approx(2 * abs(x), rel=1e-12)


def test_both_lines_are_named_where_the_graphs_part():
    def f(x):
        y = x * 0.125
        return jnp.tanh(y)

    def g(x):
        y = x * 0.25
        return jnp.tanh(y)

    where = tl.equivalent(f, g)(*shapes((3,))).where
    assert [node.place.split("  ")[1] for node in where.nodes] == [
        "y = x * 0.125",
        "y = x * 0.25",
    ]


def test_a_rounded_constant_is_called_one():
    scale = np.float32(1 / np.sqrt(6))
    f = lambda x: x * scale
    g = lambda x: x * np.nextafter(scale, np.float32(1))
    report = tl.equivalent(f, g)(*shapes((3,)))
    assert report.equal is False
    assert report.is_rounding
    assert "rounding of a constant" in str(report)


def test_what_only_an_identity_of_roots_shows_stays_undecided():
    f, g = lambda x: jnp.sqrt(x * x + 1) ** 2, lambda x: x * x + 1
    report = tl.equivalent(f, g)(*shapes((3,)))
    assert report.equal is None
    assert "1e-30 at 6 points" in report.reason


def test_the_text_shows_the_input_of_the_witness():
    x = jnp.linspace(0.25, 4.0, 16)
    report = tl.equivalent(lambda k, x: x.sum(), lambda k, x: x.prod())(
        jax.random.key(0), x
    )
    assert report.equal is False
    assert "[0.25, 0.5, ..., 3.75, 4]" in str(report)


# Each pair agrees on much of its domain, or at a lucky sign in a finite field.
TRAPS = {
    "the root of a square": (lambda x: jnp.sqrt(x * x), lambda x: x),
    "the sign in a logarithm": (lambda x: jnp.log(1 - x), lambda x: jnp.log(x - 1)),
    "the logarithm of a square": (lambda x: jnp.log(x * x), lambda x: 2 * jnp.log(x)),
    "a kink that is rarely reached": (jax.nn.relu6, lambda x: jnp.clip(x, 0, 8)),
    "a tie": (
        lambda x: jnp.where(x > 0, 1.0, 0.0),
        lambda x: jnp.where(x >= 0, 1, 0.0),
    ),
    "a point": (lambda x: jnp.where(x == 0, 1.0, x), lambda x: x),
    "the absolute value": (jnp.abs, lambda x: x),
    "a whole part": (jnp.floor, jnp.round),
    "a maximum of fewer": (lambda x: x.max(), lambda x: x[:-1].max()),
    "an order": (lambda x: jnp.maximum(x, 1.0), lambda x: jnp.minimum(x, 1.0)),
    "a sum for a maximum": (lambda x: x.max(), lambda x: x.sum()),
    "a root": (lambda x: jnp.sqrt(jnp.abs(x)), lambda x: jnp.cbrt(jnp.abs(x))),
    "a period": (lambda x: jnp.sin(x), lambda x: jnp.sin(x + 6.2831855)),
    "the square of a softmax": (
        lambda x: jax.nn.softmax(jax.nn.softmax(x)),
        lambda x: jax.nn.softmax(x),
    ),
    "a gap in the domain": (lambda x: x / x, jnp.ones_like),
    "a small constant": (lambda x: x + 1e-20, lambda x: x),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_not_called_equal(trap):
    f, g = TRAPS[trap]
    assert tl.equivalent(f, g)(*shapes((5,))).equal is False


LAWS = {
    "exp": (lambda x, y: jnp.exp(x + y), lambda x, y: jnp.exp(x) * jnp.exp(y)),
    "log": (
        lambda x, y: jnp.log((1 + jnp.exp(x)) / (1 + jnp.exp(y))),
        lambda x, y: jnp.log(1 + jnp.exp(x)) - jnp.log1p(jnp.exp(y)),
    ),
    "sin": (
        lambda x, y: jnp.sin(x + y),
        lambda x, y: jnp.sin(x) * jnp.cos(y) + jnp.cos(x) * jnp.sin(y),
    ),
    "tanh": (lambda x, y: jnp.tanh(x), lambda x, y: 2 * jax.nn.sigmoid(2 * x) - 1),
    "rsqrt": (lambda x, y: y * jax.lax.rsqrt(x), lambda x, y: y / jnp.sqrt(x)),
    "max": (lambda x, y: jnp.maximum(x, y), lambda x, y: y + jax.nn.relu(x - y)),
    "min": (lambda x, y: jnp.minimum(x, y) + jnp.maximum(x, y), lambda x, y: x + y),
    "abs": (lambda x, y: jnp.abs(x - y), lambda x, y: jnp.abs(y - x)),
    "softplus": (
        lambda x, y: jax.nn.softplus(x) * y,
        lambda x, y: jnp.log(1 + jnp.exp(x)) * y,
    ),
    "blockwise maximum": (
        lambda x, y: jnp.concatenate([x, y]).max(),
        lambda x, y: jnp.maximum(x.max(), y.max()),
    ),
    "no elements": (lambda x, y: jnp.append(x[:0], y) * 2, lambda x, y: y + y),
    "no terms": (lambda x, y: x + jnp.dot(x[:0], y[:0]), lambda x, y: x),
    "the root of one among constants": (
        lambda x, y: x * jnp.sqrt(jnp.array([1.0, 0.5]))[0],
        lambda x, y: x,
    ),
    "nested": (
        lambda x, y: jnp.exp(jax.nn.softmax(x + y)),
        lambda x, y: jnp.exp(jnp.exp(x + y) / jnp.exp(x + y).sum()),
    ),
    "convolution": (
        lambda x, y: jnp.convolve(x, y),
        lambda x, y: jnp.fft.irfft(jnp.fft.rfft(x, 8) * jnp.fft.rfft(y, 8), 8)[:7],
    ),
}


@pytest.mark.parametrize("law", LAWS)
def test_a_law_is_known(law):
    f, g = LAWS[law]
    report = tl.equivalent(f, g)(*shapes((4,), (4,)))
    assert report.equal is True, report


def test_masks_that_are_finite_are_masks():
    causal = np.tril(np.ones((4, 4), bool))
    f = lambda s: jax.nn.softmax(jnp.where(causal, s, -jnp.inf))
    g = lambda s: jax.nn.softmax(jnp.where(causal, s, -2.4e38))
    report = tl.equivalent(f, g)(*shapes((4, 4)))
    assert report.equal is True
    assert any("masks" in line for line in report.assumptions)


def test_a_function_of_nothing_but_undefined_values_is_not_called_equal():
    f = lambda x: jnp.log(-x * x)
    report = tl.equivalent(f, lambda x: f(x) + 0.0)(*shapes((3,)))
    assert report.equal is None
    assert "both programs have a value" in report.reason.replace("do ", "")


def doubled(step):
    """`step` until the sum is 50: from a negative sum on it would never end."""
    return lambda x: jax.lax.while_loop(lambda h: h.sum() < 50, step, x + 3)


def test_a_loop_that_may_not_end_is_tried_where_it_did():
    twice, added = doubled(lambda h: 2 * h), doubled(lambda h: h + h)
    assert tl.equivalent(twice, added)(jnp.ones(3)).equal is None
    assert tl.equivalent(twice, doubled(lambda h: 3 * h))(jnp.ones(3)).equal is False
    with pytest.raises(tl.InputError, match="need not end"):
        tl.equivalent(twice, added)(jax.ShapeDtypeStruct((3,), jnp.float32))


def test_too_high_a_degree_is_no_evidence():
    def power(x):
        for _ in range(40):
            x = x * x
        return x

    report = tl.equivalent(power, lambda x: power(x) * 1.0)(*shapes(()))
    assert report.equal is None
    assert "tl.cut" in report.reason


ERRORS = {
    "structure": (lambda x: x, lambda x: (x, x), shapes((3,)), "one structure"),
    "shape": (lambda x: x, lambda x: x[:2], shapes((3,)), "shape"),
    "integers": (lambda n: n, lambda n: n, [jnp.arange(3)], "no argument is a float"),
    "random": (
        lambda x: x + jax.random.normal(jax.random.key(0), (3,)),
        lambda x: x,
        shapes((3,)),
        "random bits",
    ),
    "callback": (
        lambda x: jax.pure_callback(np.sin, x, x),
        jnp.sin,
        shapes((3,)),
        "calls back into Python",
    ),
    "a shape of integers": (
        lambda x, n: x[n],
        lambda x, n: x[n],
        [*shapes((3,)), jax.ShapeDtypeStruct((), jnp.int32)],
        "pass an array",
    ),
    "arguments": (lambda x: x, lambda x: x.nonsense, shapes((3,)), "cannot be called"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_bad_input_is_a_typed_error(error):
    f, g, args, words = ERRORS[error]
    with pytest.raises(tl.InputError, match=words):
        tl.equivalent(f, g)(*args)


def test_a_report_is_true_only_if_equal():
    assert tl.equivalent(jnp.sin, jnp.sin)(*shapes(()))
    assert not tl.equivalent(jnp.sin, jnp.cos)(*shapes(()))
    assert not tl.equivalent(lambda x: jnp.sqrt(x + 2) ** 2, lambda x: x + 2)(
        *shapes(())
    )


FAULTS = ["max", "sub", "tanh", "select_n"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_rule_does_not_make_different_programs_equal(name, monkeypatch):
    """Floating-point runs are looked at too, and what they hint at is settled."""

    def last(domain, *xs, **params):
        return domain.lift(xs[-1])

    broken = _registry.Rule(last, on_operation=name == "select_n")
    monkeypatch.setitem(rules._rules, name, broken)
    f = {
        "max": lambda x: jnp.maximum(2 * x, x),
        "sub": lambda x: 1.0 - x,
        "tanh": jnp.tanh,
        "select_n": lambda x: jnp.where(np.arange(3) < 1, x, 2 * x),
    }[name]
    report = tl.equivalent(f, lambda x: x)(*shapes((3,)))
    assert report.equal is False


@pytest.mark.parametrize(("start", "equal"), [(-jnp.inf, True), (0.0, False)])
def test_a_running_maximum_starts_with_nothing(start, equal):
    def running(x):
        top = jnp.full(3, start)
        for part in (x[:, :2], x[:, 2:]):
            top = jnp.maximum(top, part.max(axis=1))
        return top

    answer = tl.equivalent(running, lambda x: x.max(axis=1))(-jnp.ones((3, 4)))
    assert answer.equal is equal
