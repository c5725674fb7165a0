"""Every rule gives the bits that NumPy gives, eagerly and under a plain `jit`.

The table of cases is the specification; a rule without a case fails. Elementary
functions have their own suite.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.ieee32.all_cases import CASES
from tests.domains.ieee32.patterns import same_bits
from torchlean_jax.domains.ieee32._functions import NAMES
from torchlean_jax.interpreters._coverage import CENSUS

UNORDERED = [case for case in CASES if not case.ordered]
ORDERED = [case for case in CASES if case.ordered]
ORDERS = ("sequential", "pairwise", "fma-sequential")


def disagreements(case, domain, seed=1, jit=False):
    """How many elements of the result are not those of the oracle."""
    arrays = case.draw(seed)
    with np.errstate(all="ignore"):
        order = (domain.order,) if case.ordered else ()
        expected = case.oracle(*order, *arrays)
    values = [domain.lift(x) for x in arrays]
    run = tl.interpret(case.f, domain=domain)
    got = (jax.jit(run) if jit else run)(*values)
    leaves = jax.tree.leaves(got, is_leaf=domain.is_value)
    expected = expected if isinstance(expected, tuple) else (expected,)
    return sum(map(differing, leaves, expected))


def differing(got, expected):
    if not tl.IEEE32.is_value(got):
        assert np.shape(got) == np.shape(expected)
        return int(np.sum(np.asarray(got) != expected))
    assert got.shape == np.shape(expected)
    return int(np.sum(~same_bits(got.to_float(), expected)))


@pytest.mark.parametrize("case", UNORDERED, ids=str)
def test_eagerly(case):
    assert disagreements(case, tl.IEEE32()) == 0


@pytest.mark.parametrize("case", UNORDERED, ids=str)
def test_jitted_in_64_bits(case):
    with jax.enable_x64(True):
        assert disagreements(case, tl.IEEE32(), seed=2, jit=True) == 0


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", ORDERED, ids=str)
def test_in_the_stated_order(case, order):
    with jax.enable_x64(True):
        assert disagreements(case, tl.IEEE32(order=order), seed=3, jit=True) == 0


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", [c for c in ORDERED if c.name == "matmul"], ids=str)
def test_in_the_stated_order_in_32_bits(case, order):
    assert disagreements(case, tl.IEEE32(order=order), seed=4) == 0


def test_every_rule_has_a_case():
    census = {name for group in CENSUS.values() for name in group}
    rules = tl.IEEE32.rules.names() & census
    claimed = {rule for case in CASES for rule in case.rules} | set(NAMES)
    assert rules - claimed <= WITHOUT_A_CASE


# Integer operations that run as they are, and what only newer JAX versions emit.
WITHOUT_A_CASE = {
    *("random_bits", "random_fold_in", "random_seed", "random_split", "random_wrap"),
    *("random_unwrap", "platform_index", "stack", "unstack", "tile", "lt_to", "le_to"),
    *("empty", "empty2"),
}


def test_every_primitive_of_the_census_is_decided():
    names = {name for group in CENSUS.values() for name in group}
    rules = tl.IEEE32.rules
    undecided = {n for n in names if not rules.find(n) and not rules.why_refused(n)}
    walked = {"jit", "scan", "while", "cond", "custom_jvp_call", "custom_vjp_call"}
    walked |= {"remat2", "debug_print", "custom_linear_solve"}
    assert {n for n in undecided if not n.startswith("call:")} <= walked


def test_flags_follow_the_elements():
    """Every case again with flags: one for each element. Shapes and dtypes are known
    from the trace; which flags are raised, the suites of exact results ask."""
    domain = tl.IEEE32(flags=True)
    for case in CASES:
        if case.ordered and not case.plain:
            continue
        values = [domain.lift(x) for x in case.draw(5)]
        got = jax.eval_shape(tl.interpret(case.f, domain=domain), *values)
        for value in filter(
            domain.is_value, jax.tree.leaves(got, is_leaf=domain.is_value)
        ):
            assert value.flags.shape == value.shape
            assert value.flags.dtype == jnp.uint8
