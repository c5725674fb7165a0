"""Every rule holds the runs and the exact result, over boxes with everything awkward.

The table of cases is that of the interval domain, one case for each rule; a rule
without a case fails.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.fp32 import runs
from tests.domains.interval import exact
from tests.domains.interval.all_cases import CASES

# Refused, or a rule of another domain for a whole call that this one walks into.
REFUSED = {
    *("lgamma", "digamma", "cumlogsumexp", "fft", "triangular_solve"),
    *("complex", "real", "imag", "conj", "call:softplus", "call:logaddexp"),
}


def is_refused(case):
    rules = {rule.partition("/")[0] for rule in case.rules}
    return bool(rules & REFUSED) or any("/complex" in rule for rule in case.rules)


def first_cases():
    """The first case of each rule that FP32 has."""
    seen = set()
    for case in CASES:
        new = {rule.partition("/")[0] for rule in case.rules} - seen
        if new and case.direct is None and not is_refused(case):
            seen |= new
            yield case


FIRST = list(first_cases())
# Where decisions, or several formulas, meet.
EXTRA = [
    c
    for c in CASES
    if c.name in ("mul_small", "div_small", "gather_undecided", "sort_carrying")
]
ALL = [*FIRST, *(c for c in EXTRA if c not in FIRST)]
BOXES = 2


def boxes_of(case, seed, count=BOXES):
    drawn = case.draw(seed, np.float32, count)
    return [[(lo[w], hi[w]) for lo, hi in drawn] for w in range(count)]


def violations(case, seeds=(0,)):
    found = []
    program = jax.jit(tl.interpret(case.f, domain=tl.FP32))
    for seed in seeds:
        rng = np.random.default_rng(seed)
        for box in boxes_of(case, seed):
            value = program(
                *[tl.Interval(jnp.asarray(a), jnp.asarray(b)) for a, b in box]
            )
            point = [runs.points(rng, lo, hi) for lo, hi in box]
            exactly = case.exact(*map(exact.fractions, point))
            found += runs.excluded_by(value, case.f, point, exactly)
    return found


@pytest.mark.parametrize("case", ALL, ids=str)
def test_runs_and_the_exact_result_are_inside(case):
    assert not violations(case)


@pytest.mark.parametrize(
    "case",
    [c for c in ALL if c.name in ("add", "mul_small", "tanh", "dot_general", "where")],
    ids=str,
)
def test_inside_with_float64_endpoints(case):
    with jax.enable_x64(True):
        assert not violations(case)


def test_every_rule_has_a_case():
    claimed = {rule.partition("/")[0] for case in ALL for rule in case.rules}
    assert tl.FP32.rules.names() - claimed <= NOT_RUN


# The same rule as `reshape`; primitives that this JAX has no program for; those that
# another file tests.
NOT_RUN = {
    *("copy_p", "device_put", "empty2", "expand_dims", "sharding_constraint"),
    "reshard",
    *("stop_gradient", "log2", "one_minus_square", "polynomial", "le_to"),
}
