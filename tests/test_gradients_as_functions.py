"""`check_vjp` and `check_jvp` as functions: equal everywhere, not at points alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from benchmarks._right_gradients import functions
from benchmarks._wrong_gradients import plants, with_jvp, with_vjp
from torchlean_jax.domains._registry import Rule
from torchlean_jax.domains.finite_field._dual import tangents
from torchlean_jax.equivalence import _derivatives

PLANTS = {plant.name: plant for plant in plants()}
RIGHT = {case.name: case for case in functions()}
X = jnp.float32([0.5, -1.25, 2.0])

# every plant whose function and rule are rational functions
RATIONAL = """cube with exponent 3|square, right at 1|factors swapped
sign of the divisor|divisor without its square|matrix not transposed
outer product turned round|kernel not flipped|bias, the wrong axis
bias without the sum|bias with a mean|mean not divided|sum spread wrongly
running sum not reversed|transpose left out|gather that overwrites repeats
roll the same way|recurrence, decay shifted|recurrence, the new state
target cut off by stop_gradient""".replace("\n", "|").split("|")


def check(case, **options):
    forward = getattr(case, "forward", False) or getattr(case, "modes", "")[:1] == (
        "jvp",
    )
    return (tl.check_jvp if forward else tl.check_vjp)(case.f, **options)(*case.args)


@pytest.mark.parametrize("name", RATIONAL)
def test_a_wrong_rational_rule_is_wrong_as_a_function(name):
    report = check(PLANTS[name])
    assert report.ok is False and report.scope == "as functions"
    assert report.as_functions.equal is False
    assert report.error_probability is None  # residues that differ leave no doubt
    assert "as functions" in str(report)


# one of each kind that is not rational; `benchmarks/gradients.py` has them all
OTHERS = """factor 2 in sin|exp of the wrong residual|sqrt without the half
relu with a slope|abs without its sign|sinh, right at 0|softmax as if elementwise
norm, another epsilon|forward rule with another value
erf without its exponent""".replace("\n", "|").split("|")


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_wrong_rule_is_the_derivative_as_a_function(name):
    report = check(PLANTS[name], points=1)
    assert report.as_functions.equal is None
    assert report.scope == "at points"


AS_FUNCTIONS = """dense|convolution|average pool|layer norm|attention|rotary embedding
cross entropy|embedding|scan|scan backward|associative scan|remat|vmap
gradient of a gradient|scatter add|scatter set|dynamic slice|running products
gelu|silu|softmax|relu at 0|own rule for silu|safe norm""".replace("\n", "|").split("|")


@pytest.mark.parametrize("name", AS_FUNCTIONS)
def test_a_right_rule_is_right_as_a_function(name):
    report = check(RIGHT[name], points=1)
    assert report.ok is True and report.scope == "as functions", report
    found = report.as_functions
    assert (found.error_probability or 1.0) < 1e-6
    assert (found.degree or 0) >= 1 and len(found.primes) >= 8


# each function that has a slope of its own, at arguments where it is defined
SLOPES = {
    "exp": jnp.exp,
    "expm1": jnp.expm1,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "tanh": jnp.tanh,
    "logistic": jax.nn.sigmoid,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tan": jnp.tan,
    "log": lambda x: jnp.log(x * x + 1),
    "log1p": lambda x: jnp.log1p(x * x),
    "sqrt": lambda x: jnp.sqrt(x * x + 1),
    "rsqrt": lambda x: lax.rsqrt(x * x + 1),
    "integer_pow": lambda x: x**-4,
    "square": lax.square,
    "pow": lambda x: (x * x + 1) ** 1.5,
    "abs": jnp.abs,
    "max": jax.nn.relu,
    "clamp": lambda x: lax.clamp(-1.0, x, 1.0),
}


@pytest.mark.parametrize("name", SLOPES)
def test_a_slope_is_that_of_the_function(name, monkeypatch):
    """JAX's rule is right at points over the reals; ours has to be the same function,
    and is not when it is broken."""
    f = lambda x: SLOPES[name](x) * x
    report = tl.check_vjp(f)(X)
    assert report.ok and report.scope == "as functions", report
    assert {leaf.status for leaf in report.leaves} == {"agrees"}
    rule = tangents.find(name)
    assert rule is not None

    def shifted(step):
        (tangent,) = [t for t in step.tangents if t is not None]
        return step.field.rules.find("add").function(rule.function(step), tangent)

    monkeypatch.setitem(tangents._rules, name, Rule(shifted, on_operation=True))
    assert not tl.check_vjp(f, points=1)(X).as_functions


@pytest.mark.smoke
def test_a_fault_that_the_points_miss_is_found():
    """2 for 2 x is right at 1, the only point that is asked for."""
    square = with_vjp(lambda x: x * x, lambda ct, x: 2 * ct)
    report = tl.check_vjp(square, points=1)(1.0)
    assert report.ok is False and report.points == 2
    assert report.failures[0].claimed != report.failures[0].true


def test_a_fault_that_no_point_shows_leaves_it_open():
    f = with_vjp(lambda x: x * x, lambda ct, x: 2 * x * ct + ct * (2.0**-149))
    tiny = with_vjp(lambda x: x * x, lambda ct, x: 2 * x * ct + ct * 1e-30 * 1e-30)
    for g in (f, tiny):
        report = tl.check_vjp(g, points=1)(np.float32(3.0))
        assert report.as_functions.equal is False and report.ok is not True


def test_the_forward_value_counts():
    other = with_vjp(lambda x: x * x, lambda c, x: 2 * c * x, lambda x: x * x + 1)
    assert tl.check_vjp(other)(2.0).as_functions.equal is False


def test_forward_mode():
    right = with_jvp(lambda x: x**3, lambda xs, ts: 3 * xs[0] ** 2 * ts[0])
    wrong = with_jvp(lambda x: x**3, lambda xs, ts: 3 * xs[0] ** 3 * ts[0])
    assert tl.check_jvp(right)(2.0).scope == "as functions"
    assert tl.check_jvp(wrong)(2.0).as_functions.equal is False


class TestOpen:
    @pytest.mark.parametrize("f", [lax.erf, jnp.arctan, jnp.max, jax.nn.softplus])
    def test_what_residues_cannot_tell_stays_at_points(self, f):
        report = tl.check_vjp(f)(X)
        assert report.ok is True and report.scope == "at points"
        assert report.as_functions.equal is None and report.error_probability is None
        assert "as functions: open" in str(report)

    def test_a_missing_rule_is_named(self):
        report = tl.check_vjp(jnp.sort)(X)
        assert report.ok and "sort" in report.as_functions.reason

    def test_a_decision_on_the_inputs(self):
        f = lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x)
        assert "decision" in tl.check_vjp(f)(X).as_functions.reason

    def test_a_rounded_constant(self):
        third = with_vjp(lambda x: x / 3, lambda ct, x: ct * np.float32(1 / 3))
        report = tl.check_vjp(third)(2.0)
        assert report.ok is True and report.leaves[0].status == "rounding"
        assert report.as_functions.equal is False and report.scope == "at points"

    def test_a_high_degree_is_no_evidence(self, monkeypatch):
        def power(x):
            for _ in range(40):
                x = x * x
            return x * 2.0

        report = tl.check_vjp(power)(jnp.float32(1.0))  # large values are variables
        assert (
            report.scope == "as functions" and (report.as_functions.degree or 1e9) < 1e5
        )
        monkeypatch.setattr(_derivatives, "_LARGE", np.inf)
        report = tl.check_vjp(power)(jnp.float32(1.0))
        assert report.ok and report.scope == "at points"
        assert "tl.cut" in report.as_functions.reason

    def test_no_number_is_no_evidence(self):
        report = tl.check_vjp(lambda x: x * (x - x) / (x - x))(2.0)
        assert report.as_functions.equal is None


class TestAssumptions:
    def test_ties(self):
        report = tl.check_vjp(lambda x: jax.nn.relu(x) * x)(X)
        assert any("tie" in line for line in report.as_functions.assumptions)
        assert tl.check_vjp(lambda x: x * x)(X).as_functions.assumptions == ()

    def test_what_stop_gradient_holds(self):
        def f(x):
            return (x * lax.stop_gradient(x * x)).sum()

        assert tl.check_vjp(f)(X).as_functions.equal is False
        report = tl.check_vjp(f, allow_stopped=True)(X)
        assert report.ok and report.scope == "as functions"
        assert any("stop_gradient" in line for line in report.as_functions.assumptions)

    def test_a_stop_that_changes_nothing_is_not_assumed(self):
        report = tl.check_vjp(jax.nn.softmax, allow_stopped=True)(X)
        held = [a for a in report.as_functions.assumptions if "stop_gradient" in a]
        assert report.scope == "as functions" and held == []

    def test_masks(self):
        f = lambda x: jax.nn.softmax(jnp.where(np.arange(3) < 2, x, -1e30))
        report = tl.check_vjp(f)(X)
        assert report.scope == "as functions"
        assert any("masks" in line for line in report.as_functions.assumptions)


def test_the_maximum_over_an_axis_may_have_any_slope_where_it_cancels():
    """Softmax takes JAX's word for the maximum nowhere: without stop_gradient the slope
    of the maximum cancels only if the two places where it enters have the same."""

    def softmax(x):
        e = jnp.exp(x - lax.stop_gradient(x.max()))
        return e / e.sum()

    def shifted(x):
        return jnp.exp(x - lax.stop_gradient(x.max()))

    assert tl.check_vjp(softmax)(X).scope == "as functions"
    assert not tl.check_vjp(shifted)(X).as_functions
