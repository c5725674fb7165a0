"""The containment check notices rules that are broken on purpose.

Every rule loses an endpoint, and every family gets the mistake that its kind of rule
invites.
"""

import jax.numpy as jnp
import pytest

import torchlean_jax as tl
from tests.domains.interval.all_cases import CASES
from tests.domains.interval.faults import (
    BY_NAME,
    broken,
    is_noticed,
    on_intervals,
    replaced,
)
from tests.domains.interval.mistakes import SUBTLE
from torchlean_jax.domains.interval import _functions as functions
from torchlean_jax.interpreters import _control, _forward

LOWER_ONLY = on_intervals(lambda x: tl.Interval(x.lo, x.lo))
UPPER_ONLY = on_intervals(lambda x: tl.Interval(x.hi, x.hi))

# One claim per rule, on the first case that makes it. Those whose every result is a
# point, or nothing known, have no endpoint to lose.
NO_WIDTH = {
    *("same:sub", "same:eq", "same:ne", "same:le", "same:ge", "same:lt", "same:gt"),
    *("is_finite", "empty", "same:sub/integer"),
    # with float32 endpoints there is one complex dtype, and a cast to it is no equation
    "convert_element_type/complex",
}
CLAIMS = {}
for _case in CASES:
    for _rule in _case.rules:
        if _rule not in NO_WIDTH:
            CLAIMS.setdefault(_rule, _case)


@pytest.mark.parametrize("rule", CLAIMS, ids=str)
def test_a_lost_endpoint_is_noticed(rule):
    """It also shows that the case of a rule does reach the rule."""
    with broken(rule, LOWER_ONLY):
        if is_noticed(CLAIMS[rule]):
            return
    with broken(rule, UPPER_ONLY):
        assert is_noticed(CLAIMS[rule])


@pytest.mark.parametrize("fault", SUBTLE)
def test_a_subtle_mistake_is_noticed(fault):
    case, rule, mutant = SUBTLE[fault]
    with broken(rule, mutant):
        assert is_noticed(BY_NAME[case], seeds=range(6))


def identity(x, *, ulps=0.5):
    return x


@pytest.mark.parametrize("direction", ["round_down", "round_up"])
@pytest.mark.parametrize(
    "case",
    [
        *("add", "sub", "mul_small", "div_small", "same_mul", "power_3", "cumprod"),
        *("reduce_prod", "complex_mul", "int_to_float"),
        "triangular_solve_unit",
    ],
)
def test_an_endpoint_that_is_not_rounded_outward_is_noticed(case, direction):
    with replaced(direction, identity):
        assert is_noticed(BY_NAME[case], seeds=range(6))


@pytest.mark.parametrize(
    "case", ["reduce_sum", "cumsum", "dot_general", "conv", "ragged_dot"]
)
def test_a_sum_without_its_error_is_noticed(case):
    with (
        replaced("gamma", lambda terms, dtype: 0.0),
        replaced("round_down", identity),
        replaced("round_up", identity),
    ):
        assert is_noticed(BY_NAME[case], seeds=range(6))


def test_a_function_that_is_off_by_a_little_is_noticed():
    def nudged(x):
        lo, hi = functions.tanh_bounds(x)
        return lo + 2e-7 * jnp.abs(lo), hi

    with broken(
        "tanh", lambda sound: lambda x: tl.Interval(nudged(x.lo)[0], nudged(x.hi)[1])
    ):
        assert is_noticed(BY_NAME["tanh"], seeds=range(6))


def test_an_empty_join_is_noticed():
    narrow = staticmethod(lambda values, possible: values[0])
    join = tl.Interval.__dict__["join"]
    tl.Interval.join = narrow
    try:
        assert is_noticed(BY_NAME["where"])
    finally:
        tl.Interval.join = join


def test_a_walk_that_takes_equal_bounds_for_one_value_is_noticed():
    def believes(eqn):
        return len(eqn.invars) == 2

    case = BY_NAME["mul_small"]
    with replaced("is_repeated", believes, [_forward]):
        assert is_noticed(case)


def test_a_walk_that_believes_names_is_noticed():
    def by_name(eqn, domain):
        rule = domain.rules.find(f"call:{eqn.params.get('name')}")
        return rule.function if rule else None

    with replaced("composite_rule", by_name, [_control]):
        assert is_noticed(BY_NAME["not_softplus"])


def test_the_sound_rules_pass_the_same_check():
    for name in (
        "sub",
        "mul_small",
        "sin",
        "where",
        "sort_carrying",
        "dot_weights",
        "fft",
    ):
        assert not is_noticed(BY_NAME[name])
