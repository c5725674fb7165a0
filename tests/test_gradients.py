"""`check_vjp` and `check_jvp`: wrong rules are found and named, right ones pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from benchmarks._right_gradients import functions
from benchmarks._wrong_gradients import plants, with_jvp, with_vjp
from torchlean_jax.domains._errors import InputError, MissingRuleError

PLANTS = {plant.name: plant for plant in plants()}
# One for each way in which a rule is wrong; `benchmarks/gradients.py` has them all.
SOME = """factor 2 in sin|clip that always passes|square, right at 1|factors swapped
matrix not transposed|bias without the sum|running sum not reversed
gather that overwrites repeats|norm, another epsilon|attention, no row sums
recurrence, the new state|variance cut off by stop_gradient
forward rule with another value|log-sum-exp with equal weights"""


@pytest.mark.parametrize("name", SOME.replace("\n", "|").split("|"))
def test_a_wrong_rule_is_found(name):
    plant = PLANTS[name]
    check = tl.check_jvp if plant.forward else tl.check_vjp
    report = check(plant.f)(*plant.args)
    assert report.ok is False and not report
    # the function with JAX's own rule is right: it is the plant that is found
    assert all(f.where for f in report.failures)
    assert report.failures[0].leaf in str(report)


def test_there_are_forty_plants():
    assert len(PLANTS) >= 40 and len(plants()) == len(PLANTS)


RIGHT = """relu|gelu|softmax|convolution|max pool|attention|scan|long scan|cond
while|sort|scatter max|sort by key|dropout|convolution by fft|solve
own rule for silu|cube root|max of equals|sort of equals"""


@pytest.mark.parametrize(
    "case",
    [c for c in functions() if c.name in RIGHT.replace("\n", "|").split("|")],
    ids=lambda case: case.name,
)
def test_a_right_rule_passes(case):
    mode = case.modes[0]
    check = {"vjp": tl.check_vjp, "jvp": tl.check_jvp}[mode]
    report = check(case.f)(*case.args)
    assert report.ok is True, str(report)
    assert {leaf.status for leaf in report.leaves} <= {"agrees", case.status}


@pytest.mark.smoke
def test_numbers_against_a_derivative_that_is_known():
    """d/dx x^3 y at (2, 3) is 36, and 8 in y; the rule says 24 and 8."""

    def rule(ct, x, y):
        return 2 * x**2 * y * ct, x**3 * ct

    f = with_vjp(lambda x, y: x**3 * y, rule)
    report = tl.check_vjp(f)(2.0, 3.0)
    (failure,) = report.failures
    assert failure.kind == "wrong" and failure.leaf.endswith("[0]")
    assert "is 36, claimed 24" in failure.entry
    (x,), (y,) = np.ravel(failure.direction), np.ravel(failure.cotangent[0])
    assert failure.true == pytest.approx(36 * x * y, rel=1e-12)
    assert failure.claimed == pytest.approx(24 * x * y, rel=1e-12)
    assert [leaf.status for leaf in report.leaves] == ["wrong", "agrees"]
    assert failure.inputs == ((2.0, 3.0), {})


def test_the_rule_and_the_line_are_named():
    def bwd(x, ct):
        return (ct * jnp.cos(x) * 1.5,)

    f = jax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: (jnp.sin(x), x), bwd)

    def model(params):
        h = jnp.tanh(params["w"] * 2)
        return f(h).sum()  # the line

    (failure,) = tl.check_vjp(model)({"w": jnp.arange(1.0, 3.0)}).failures
    assert failure.leaf == "params['w']"
    assert "return f(h).sum()  # the line" in failure.where
    assert "bwd at test_gradients.py" in failure.where
    assert "tanh" not in failure.where


class TestNoNumber:
    def test_a_branch_that_is_not_taken(self):
        f = lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0)
        report = tl.check_vjp(f)(jnp.float32([4.0, -1.0]))
        (failure,) = report.failures
        assert failure.kind == "nan" and "sqrt" in failure.where
        safe = lambda x: jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)
        assert tl.check_vjp(safe)(jnp.float32([4.0, -1.0])).ok

    def test_a_norm_at_zero(self):
        assert tl.check_vjp(jnp.linalg.norm)(jnp.zeros(3)).failures[0].kind == "nan"

    def test_only_in_floating_point(self):
        softplus = lambda x: jnp.where(x > 20, x, jnp.log1p(jnp.exp(x)))
        (failure,) = tl.check_vjp(softplus)(jnp.float32(100.0)).failures
        assert failure.kind == "nan" and failure.where.startswith("exp")
        assert failure.true == failure.claimed  # over the reals nothing is wrong


class TestStopped:
    def straight_through(self, x):
        return (x + lax.stop_gradient(jnp.round(x) - x)) ** 2

    def test_it_is_told_from_wrong(self):
        (failure,) = tl.check_vjp(self.straight_through)(1.3).failures
        assert failure.kind == "stopped" and "stop_gradient" in failure.where

    def test_it_may_be_meant(self):
        report = tl.check_vjp(self.straight_through, allow_stopped=True)(1.3)
        assert report.ok and report.failures == ()
        assert report.leaves[0].status == "stopped"

    def test_it_does_not_excuse_another_fault(self):
        sin = with_vjp(jnp.sin, lambda ct, x: ct)
        f = lambda x: sin(x) * lax.stop_gradient(x)
        assert tl.check_vjp(f, allow_stopped=True)(1.3).failures[0].kind == "wrong"

    def test_harmless_ones_do_not_count(self):
        f = lambda x: jnp.exp(x - lax.stop_gradient(x.max()))
        g = lambda x: f(x) / f(x).sum()
        assert tl.check_vjp(g)(jnp.arange(3.0)).leaves[0].status == "agrees"


class TestKinks:
    @pytest.mark.parametrize(
        "f, args, convention",
        [
            (jax.nn.relu, (0.0,), "from below"),
            (jnp.abs, (0.0,), "from above"),
            (jnp.maximum, (1.0, 1.0), "half of each side"),
        ],
    )
    def test_the_convention_is_named(self, f, args, convention):
        report = tl.check_vjp(f)(*args)
        assert report.ok and {leaf.status for leaf in report.leaves} == {"tie"}
        assert convention in report.leaves[0].note

    def test_ties_may_compose_to_what_is_no_derivative(self):
        f = lambda x: jax.nn.relu(x) - jax.nn.relu(-x)  # the identity
        (failure,) = tl.check_vjp(f)(0.0).failures
        assert failure.kind == "wrong" and "is 1, claimed 0" in failure.entry
        assert "at a tie" in failure.where

    def test_a_rule_outside_the_subdifferential(self):
        relu = with_vjp(jax.nn.relu, lambda ct, x: jnp.where(x == 0, 2.0, x > 0) * ct)
        report = tl.check_vjp(relu, points=1)(0.0)
        assert report.ok is None and report.leaves[0].status == "beside"

    @pytest.mark.parametrize("f, x", [(jnp.floor, 1.0), (jnp.sqrt, 0.0)])
    def test_where_nothing_is_to_be_had(self, f, x):
        report = tl.check_vjp(f)(x)
        assert report.ok is None and report.leaves[0].status == "none"

    def test_outside_the_domain(self):
        assert tl.check_vjp(jnp.log)(-1.0).leaves[0].status == "undefined"


def test_rounded_constants_are_told_from_wrong_ones():
    inexact = with_vjp(lambda x: x / 3, lambda ct, x: ct * np.float32(1 / 3))
    assert tl.check_vjp(inexact)(2.0).leaves[0].status == "rounding"
    off = with_vjp(lambda x: x / 3, lambda ct, x: ct * np.float32(0.33333))
    assert tl.check_vjp(off)(2.0).leaves[0].status == "wrong"


class TestNodes:
    @pytest.mark.smoke
    def test_each_is_checked_alone(self):
        f = lambda x, y: jnp.sin(x * y) / (1 + x * x)
        report = tl.check_vjp(f, nodes=True)(1.5, 0.5)
        names = [node.equation.name for node in report.nodes]
        assert report.ok and sorted(names) == ["add", "div", "mul", "mul", "sin"]
        assert {node.verdict for node in report.nodes} == {"agrees"}

    def test_faults_that_cancel_are_found(self):
        """Twice too much, then half: the whole is right and two nodes are not."""
        much = with_vjp(lambda x: 3 * x, lambda ct, x: 6 * ct)
        little = with_vjp(lambda x: 5 * x, lambda ct, x: 2.5 * ct)
        f = lambda x: little(much(x))
        assert tl.check_vjp(f)(1.0).ok
        report = tl.check_vjp(f, nodes=True)(1.0)
        assert report.ok is False
        assert [n.verdict for n in report.nodes] == ["differs", "differs"]

    def test_loops_and_complex_numbers(self):
        def f(x):
            return lax.scan(lambda h, u: (jnp.tanh(h * u), h), x[0], x)[1]

        spectrum = lambda x: jnp.abs(jnp.fft.rfft(f(x))).sum()
        report = tl.check_vjp(spectrum, nodes=True, points=1)(jnp.float32([1, 2, 0.5]))
        assert report.ok and "fft" in {n.equation.name for n in report.nodes}


def test_flax_modules_and_keywords():
    nn = pytest.importorskip("flax.linen")
    model = nn.Dense(2)
    x = jnp.float32([1.0, -2.0, 0.5])
    variables = model.init(jax.random.key(0), x)
    assert tl.check_vjp((model, variables))(x).ok

    def loss(params, *, x):
        return (model.apply(params, x) ** 2).sum()

    report = tl.check_vjp(loss)(variables, x=x)
    names = [leaf.name for leaf in report.leaves]
    assert report.ok and names[-1] == "x" and names[0] == "params['params']['bias']"


def test_the_same_seed_gives_the_same_report():
    f = PLANTS["norm, another epsilon"]
    first, second = (str(tl.check_vjp(f.f, seed=7)(*f.args)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "f, args, message",
    [
        (lambda x: x * 2, (3,), "no float inputs"),
        (lambda x: jnp.argmax(x), (jnp.ones(3),), "returns no floats"),
        (lambda z: jnp.abs(z), (1j,), "takes complex numbers"),
        (lambda x: x + 1j, (1.0,), "returns complex numbers"),
        (lambda x: lax.while_loop(lambda y: y < 9, lambda y: y * x, x), (2.0,), "vjp"),
        (with_vjp(jnp.sin, lambda ct, x: (ct, ct)), (2.0,), "vjp"),
    ],
)
def test_bad_functions(f, args, message):
    with pytest.raises(InputError, match=message):
        tl.check_vjp(f)(*args)


def test_bad_calls():
    with pytest.raises(InputError, match="not under jit"):
        jax.jit(lambda x: tl.check_vjp(jnp.sin)(x).ok)(1.0)
    with pytest.raises(InputError, match="points"):
        tl.check_vjp(jnp.sin, points=0)
    with pytest.raises(InputError, match="jvp"):
        tl.check_jvp(with_vjp(jnp.sin, lambda ct, x: ct))(1.0)
    with pytest.raises(MissingRuleError, match="eigh"):
        tl.check_vjp(lambda x: jnp.linalg.eigh(x)[0])(jnp.eye(2))
    printing = lambda x: (jax.debug.print("{}", x), x * x)[1]
    assert tl.check_vjp(printing)(2.0).ok
    assert tl.check_jvp(with_jvp(jnp.sin, lambda xs, ts: ts[0]))(1.0).ok is False
