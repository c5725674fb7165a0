"""Every rule contains the exact result, over boxes with everything awkward in them.

Eagerly, and under a plain `jit` with XLA's simplifier on, through `vmap`, with float32
and float64 endpoints. The table of cases is the specification; a rule without a case
fails.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import torchlean_jax as tl
from tests.domains.interval import boxes, exact
from tests.domains.interval.all_cases import CASES
from tests.domains.interval.cases import Float, leaves, violations
from torchlean_jax.domains.interval._kinds import kinds

SEEDS = st.integers(0, 2**32 - 1)
# Every case runs jitted in float32. Eagerly and in float64 the first case of each rule
# does, and eagerly whatever may settle to a concrete array on the way.
FIRST = [
    case
    for n, case in enumerate(CASES)
    if set(case.rules) - {rule for earlier in CASES[:n] for rule in earlier.rules}
]
BATCH = 4


def has_floats(case):
    """Without, the precision changes nothing."""
    return any(isinstance(i, Float) for i in case.inputs)


def has_floats_only(case):
    return all(isinstance(i, Float) for i in case.inputs)


@functools.cache
def compiled(case, dtype):
    """The case as one jitted function of a batch of boxes (a trace per precision)."""
    if case.batched:
        return jax.jit(jax.vmap(case.program()))
    one = jax.jit(case.program())

    def each(*batch):
        alone = [one(*[part(x, which) for x in batch]) for which in range(BATCH)]
        return jax.tree.map(lambda *e: np.stack(e), *alone)

    return each


def values_of(drawn):
    return [tl.Interval(jnp.asarray(lo), jnp.asarray(hi)) for lo, hi in drawn]


def exact_points(case, rng, drawn, which):
    """The exact result at a point of box number `which` of the batch."""
    point = [boxes.points(rng, lo[which], hi[which]) for lo, hi in drawn]
    return case.exact(*point)


def part(result, which):
    return jax.tree.map(lambda e: np.asarray(e)[which], result)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c in FIRST or not has_floats_only(c)], ids=str
)
@settings(derandomize=True, deadline=None, max_examples=1, database=None)
@given(seed=SEEDS)
def test_eagerly_in_float32(case, seed):
    rng = np.random.default_rng(seed)
    drawn = case.draw(seed, np.float32, 1)
    result = case.program()(*[x[0] for x in values_of(drawn)])
    for _ in range(3):
        assert not violations(result, exact_points(case, rng, drawn, 0))


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(derandomize=True, deadline=None, max_examples=2, database=None)
@given(seed=SEEDS)
def test_jitted_and_batched_in_float32(case, seed):
    contains(case, seed, np.float32)


@pytest.mark.parametrize("case", [c for c in FIRST if has_floats(c)], ids=str)
@settings(derandomize=True, deadline=None, max_examples=2, database=None)
@given(seed=SEEDS)
def test_jitted_and_batched_in_float64(case, seed):
    with jax.enable_x64(True):
        contains(case, seed, np.float64)


def contains(case, seed, dtype):
    rng = np.random.default_rng(seed)
    drawn = case.draw(seed, dtype, BATCH)
    result = compiled(case, dtype)(*values_of(drawn))
    for which in range(BATCH):
        assert not violations(
            part(result, which), exact_points(case, rng, drawn, which)
        )


@pytest.mark.parametrize("case", [c for c in CASES if c.ulps], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
def test_at_points_the_result_is_tight(case, dtype):
    """An endpoint is at most so many binary32 ulps from the exact result."""
    allowed = case.ulps[dtype == np.float64]
    drawn = [points_of(lo) for lo, _ in case.draw(7, np.float32, BATCH)]
    with jax.enable_x64(dtype == np.float64):
        drawn = [(lo.astype(dtype), hi.astype(dtype)) for lo, hi in drawn]
        result = compiled(case, dtype)(*values_of(drawn))
    worst, measured = 0, 0
    for which in range(BATCH):
        point = case.exact(*[exact.fractions(lo[which]) for lo, _ in drawn])
        for gap in gaps(part(result, which), point):
            worst, measured = max(worst, gap), measured + 1
    assert measured, "nothing was defined"
    assert worst <= allowed, worst


def points_of(x):
    """Boxes of one point, 0 for a subnormal one: a rule is given that as a wide box."""
    x = np.where(np.abs(x) < np.finfo(x.dtype).tiny, 0, x).astype(x.dtype)
    return x, x


def gaps(result, exact_result):
    """How far each finite endpoint is from a result that binary32 can hold, in ulps.

    64 smallest normal numbers are allowed for results that may be flushed.
    """
    columns = exact_result if isinstance(exact_result, tuple | list) else [exact_result]
    for (lo, hi), values in zip(leaves(result), columns, strict=True):
        values = np.asarray(values, object)
        flushed = 64 * np.finfo(lo.dtype).tiny
        for index in np.ndindex(values.shape):
            value = values[index]
            if value is None or not in_range(value):
                continue
            yield exact.ulps_off(lo[index], value, allowance=flushed)
            yield exact.ulps_off(hi[index], value, allowance=flushed)


def in_range(value):
    return abs(exact.ball(value)) < 3.3e38


def test_every_rule_has_a_case():
    claimed = {rule for case in CASES for rule in case.rules}
    wanted = set()
    for name in tl.Interval.rules.names():
        wanted |= {f"{name}/{kind}" for kind in kinds(name)} or {name}
    wanted -= RULES_OF_OTHERS
    plain = {rule if "/" in rule else f"{rule}/float" for rule in claimed} | claimed
    assert wanted - plain <= NOT_RUN
    assert not {rule for rule in NOT_RUN if rule in plain}


# Whole functions that only a graph with recognised patterns holds (`domains/affine`).
RULES_OF_OTHERS = {
    f"call:{n}/float"
    for n in ("elu", "leaky_relu", "logsumexp", "softmax", "softmax_of_gaps")
}
RULES_OF_OTHERS |= {
    f"call:{n}/float"
    for n in ("gelu_erf", "gelu_tanh", "rounded_shift", "table", "quotient")
}

# The same rule as `reshape` and its like, for primitives that do nothing to one
# machine's arrays or that this JAX does not have.
NOT_RUN = {
    *("copy_p", "device_put", "empty2", "expand_dims", "sharding_constraint"),
    "reshard",
    *("add_any/integer", "stop_gradient"),
}
