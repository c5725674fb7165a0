"""The containment check notices rules that are broken on purpose.

Every rule loses an endpoint, and every family gets the mistake that its kind of rule
invites.
"""

import contextlib
import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.interval.cases import violations
from tests.domains.interval.test_containment import (
    CASES,
    exact_points,
    part,
    values_of,
)
from torchlean_jax.domains import interval as package
from torchlean_jax.domains._registry import Rule
from torchlean_jax.domains.interval import _functions as functions
from torchlean_jax.domains.interval import _kinds
from torchlean_jax.interpreters import _control, _forward

BY_NAME = {case.name: case for case in CASES}
BOXES = 6


@contextlib.contextmanager
def broken(rule, mutant):
    """The table of rules with `mutant(sound)` in place of the function of `rule`."""
    name, _, kind = rule.partition("/")
    kinds = _kinds._BY_KIND.get(name)
    if kinds:
        kind = kind or "float"
        sound = kinds[kind]
        kinds[kind] = mutant(sound)
    else:
        sound = tl.Interval.rules._rules[name]
        tl.Interval.rules._rules[name] = Rule(
            mutant(sound.function), sound.on_operation
        )
    try:
        yield
    finally:
        if kinds:
            kinds[kind] = sound
        else:
            tl.Interval.rules._rules[name] = sound


@contextlib.contextmanager
def replaced(name, value, modules=None):
    """`name` replaced by `value` in every module of the package that has it."""
    names = [
        m.name for m in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    ]
    modules = modules or [importlib.import_module(n) for n in names]
    held = [(m, getattr(m, name)) for m in modules if hasattr(m, name)]
    assert held, name
    for module, _ in held:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, sound in held:
            setattr(module, name, sound)


def is_noticed(case, seeds=range(3)):
    """Whether some box of the first seeds shows a violation (all boxes in one call)."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        drawn = case.draw(seed, np.float32, BOXES)
        values = values_of(drawn)
        if case.batched:
            batch = jax.vmap(case.program())(*values)
            results = [part(batch, which) for which in range(BOXES)]
        else:
            results = [
                case.program()(*[x[which] for x in values]) for which in range(BOXES)
            ]
        for which, result in enumerate(results):
            if violations(result, exact_points(case, rng, drawn, which)):
                return True
    return False


def on_intervals(change):
    """A mutant that applies `change` to each interval that a rule returns."""

    def mutant(sound):
        def rule(*args, **params):
            return jax.tree.map(
                lambda x: change(x) if isinstance(x, tl.Interval) else x,
                sound(*args, **params),
                is_leaf=lambda x: isinstance(x, tl.Interval),
            )

        return rule

    return mutant


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


SUBTLE = {}


def mistake(case, rule):
    """Register a mutant of `rule` (given the sound rule) that `case` must notice."""

    def register(mutant):
        SUBTLE[mutant.__name__.strip("_")] = (case, rule, mutant)
        return mutant

    return register


@mistake("sub", "sub")
def _sub_forgets_to_swap(sound):
    return lambda x, y: tl.Interval(x.lo - y.lo, x.hi - y.hi)


@mistake("mul_small", "mul")
def _mul_tries_two_corners(sound):
    def rule(x, y):
        a, b = x.lo * y.lo, x.hi * y.hi
        return tl.Interval(jnp.minimum(a, b), jnp.maximum(a, b))

    return rule


@mistake("div_small", "div")
def _div_forgets_zero(sound):
    def rule(x, y):
        corners = jnp.stack([a / b for a in (x.lo, x.hi) for b in (y.lo, y.hi)])
        return tl.Interval(jnp.nanmin(corners, 0), jnp.nanmax(corners, 0))

    return rule


@mistake("rem_small", "rem")
def _rem_at_the_ends_only(sound):
    def rule(x, y):
        ends = [jax.lax.rem(a, y.lo) for a in (x.lo, x.hi)]
        return tl.Interval(jnp.minimum(*ends), jnp.maximum(*ends))

    return rule


@mistake("abs", "abs")
def _abs_at_the_ends_only(sound):
    def rule(x):
        ends = jnp.abs(x.lo), jnp.abs(x.hi)
        return tl.Interval(jnp.minimum(*ends), jnp.maximum(*ends))

    return rule


@mistake("same_mul", "same:mul")
def _square_at_the_ends_only(sound):
    return lambda x, _: tl.Interval(x.lo * x.lo, x.hi * x.hi)


@mistake("power_3", "integer_pow")
def _odd_power_as_an_even_one(sound):
    return lambda x, *, y: sound(x, y=y + 1)


@mistake("power_-1", "integer_pow")
def _inverse_power_without_a_pole(sound):
    return lambda x, *, y: tl.Interval(x.hi**y, x.lo**y)


@mistake("pow_signed", "pow")
def _power_of_the_magnitude(sound):
    return lambda x, y: sound(tl.Interval(jnp.abs(x.hi), jnp.abs(x.hi)), y)


def at_the_ends_only(f):
    def mutant(sound):
        def rule(x):
            lo, hi = f(x.lo), f(x.hi)
            least, most = jnp.minimum(lo, hi), jnp.maximum(lo, hi)
            slack = 1e-5 * (jnp.abs(least) + jnp.abs(most))
            return tl.Interval(least - slack, most + slack)

        return rule

    return mutant


for _name, _f in {
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tan": jnp.tan,
    "cosh": jnp.cosh,
}.items():
    SUBTLE[f"{_name}_at_the_ends_only"] = (_name, _name, at_the_ends_only(_f))
SUBTLE["silu_at_the_ends_only"] = ("silu", "call:silu", at_the_ends_only(jax.nn.silu))
SUBTLE["lgamma_at_the_ends_only"] = (
    "lgamma_positive",
    "lgamma",
    at_the_ends_only(jax.lax.lgamma),
)


@mistake("sqrt", "sqrt")
def _sqrt_clips_the_negative(sound):
    return lambda x: sound(jax.tree.map(lambda e: jnp.maximum(e, 0), x))


@mistake("atan2", "atan2")
def _atan2_at_two_corners(sound):
    def rule(y, x):
        ends = jnp.arctan2(y.lo, x.lo), jnp.arctan2(y.hi, x.hi)
        return tl.Interval(jnp.minimum(*ends), jnp.maximum(*ends))

    return rule


@mistake("lt", "lt")
def _lt_decided_by_the_lower_ends(sound):
    return lambda x, y: tl.Interval(x.lo < y.lo, x.lo < y.lo)


@mistake("eq", "eq")
def _eq_is_possible_only_of_points(sound):
    return lambda x, y: tl.Interval((x.lo == y.lo) & (x.hi == y.hi), x.lo == y.hi)


@mistake("where", "select_n")
def _select_passes_to_the_endpoints(sound):
    def rule(operation, which, *cases):
        flag = which.lo if isinstance(which, tl.Interval) else which
        cases = [tl.Interval.lift(c) for c in cases]
        pick = [
            operation(flag, *[getattr(c, side) for c in cases]) for side in ("lo", "hi")
        ]
        return tl.Interval(*pick)

    return rule


@mistake("bool_xor", "xor")
def _xor_as_if_increasing(sound):
    def rule(operation, x, y):
        x, y = map(tl.Interval.lift, (x, y))
        return tl.Interval(operation(x.lo, y.lo), operation(x.hi, y.hi))

    return rule


@mistake("integer_not", "not")
def _not_keeps_the_order(sound):
    return lambda x: tl.Interval(~x.lo, ~x.hi)


@mistake("float_to_int", "convert_element_type")
def _cast_rounds_down(sound):
    def rule(x, *, new_dtype):
        return tl.Interval(
            jnp.floor(x.lo).astype(new_dtype), jnp.floor(x.hi).astype(new_dtype)
        )

    return rule


@mistake("int_to_byte", "convert_element_type/integer")
def _cast_forgets_to_wrap(sound):
    def rule(x, *, new_dtype):
        kind = jnp.iinfo(new_dtype)
        ends = [jnp.clip(e, kind.min, kind.max).astype(new_dtype) for e in (x.lo, x.hi)]
        return tl.Interval(*ends)

    return rule


@mistake("integer_add_1", "add/integer")
def _integers_do_not_wrap(sound):
    kind = jnp.iinfo(jnp.int32)
    return lambda x, y: tl.Interval(
        jnp.maximum(x.lo + y.lo, kind.max - 30), jnp.full_like(x.lo, kind.max)
    )


@mistake("sort_carrying", "sort")
def _sort_carries_by_the_lower_keys(sound):
    def rule(operation, *operands):
        values = [tl.Interval.lift(x) for x in operands]
        order = jnp.argsort(values[0].lo, axis=1)
        carried = [
            tl.Interval(*(jnp.take_along_axis(e, order, 1) for e in (x.lo, x.hi)))
            for x in values[1:]
        ]
        return [sound(operation, *operands)[0], *carried]

    return rule


@mistake("argmax", "argmax")
def _argmax_of_each_endpoint(sound):
    def rule(operation, x):
        ends = operation(x.lo), operation(x.hi)
        return tl.Interval(jnp.minimum(*ends), jnp.maximum(*ends))

    return rule


@mistake("top_k", "top_k")
def _top_k_positions_by_the_upper_ends(sound):
    def rule(operation, x):
        places = operation(x.hi)[1]
        return [sound(operation, x)[0], tl.Interval(places, places)]

    return rule


@mistake("gather_undecided", "gather")
def _gather_reads_the_lowest_position(sound):
    def rule(operation, operand, indices):
        lowest = indices.lo if isinstance(indices, tl.Interval) else indices
        return sound(operation, operand, lowest)

    return rule


@mistake("dynamic_slice", "dynamic_slice")
def _slice_at_the_ends_only(sound):
    def rule(operation, operand, *starts):
        ends = [
            sound(
                operation, operand, *[getattr(tl.Interval.lift(s), e) for s in starts]
            )
            for e in ("lo", "hi")
        ]
        return tl.Interval.join(ends, [True, True])

    return rule


@mistake("dynamic_update_slice", "dynamic_update_slice")
def _update_at_the_lowest_position(sound):
    def rule(operation, operand, update, *starts):
        return sound(
            operation, operand, update, *[tl.Interval.lift(s).lo for s in starts]
        )

    return rule


@mistake("scatter_undecided", "scatter")
def _scatter_writes_at_the_lowest_position(sound):
    def rule(operation, operand, indices, updates):
        return sound(operation, operand, getattr(indices, "lo", indices), updates)

    return rule


@mistake("scatter-add_undecided", "scatter-add")
def _scatter_add_adds_for_certain(sound):
    def rule(operation, operand, indices, updates):
        return sound(operation, operand, getattr(indices, "lo", indices), updates)

    return rule


@mistake("scatter-mul", "scatter-mul")
def _scatter_mul_of_each_endpoint(sound):
    def rule(operation, operand, indices, updates):
        lo = operation(operand.lo, indices, updates.lo)
        return tl.Interval(lo, operation(operand.hi, indices, updates.hi))

    return rule


@mistake("max_pool_gradient", "select_and_scatter_add")
def _gradient_goes_to_the_largest_lower_end(sound):
    def rule(operation, source, operand):
        lo, source = tl.Interval.lift(operand).lo, tl.Interval.lift(source)
        return tl.Interval(operation(source.lo, lo), operation(source.hi, lo))

    return rule


@mistake("max_pool_tangent", "select_and_gather_add")
def _tangent_of_the_largest_lower_end(sound):
    def rule(operation, tangents, operand):
        lo = tl.Interval.lift(operand).lo
        return tl.Interval(operation(tangents.lo, lo), operation(tangents.hi, lo))

    return rule


@mistake("reduce_prod", "reduce_prod")
def _product_of_each_endpoint(sound):
    def rule(x, *, axes):
        ends = jnp.prod(x.lo, axes), jnp.prod(x.hi, axes)
        return tl.Interval(jnp.minimum(*ends), jnp.maximum(*ends))

    return rule


@mistake("dot_weights", "dot_general")
def _dot_of_each_endpoint(sound):
    def rule(operation, x, y):
        x, y = map(tl.Interval.lift, (x, y))
        ends = operation(x.lo, y.lo), operation(x.hi, y.hi)
        return tl.Interval(jnp.minimum(*ends), jnp.maximum(*ends))

    return rule


@mistake("conv", "conv_general_dilated")
def _conv_of_each_endpoint(sound):
    return _dot_of_each_endpoint(sound)


@mistake("fft", "fft")
def _fft_in_the_other_direction(sound):
    def rule(operation, x):
        return sound(operation.replace(fft_type=jax.lax.FftType.IFFT), x)

    return rule


@mistake("triangular_solve", "triangular_solve")
def _solve_of_each_endpoint(sound):
    def rule(a, b, *, left_side, lower, **params):
        ends = [
            jax.lax.linalg.triangular_solve(p, q, left_side=left_side, lower=lower)
            for p, q in ((a.lo, b.lo), (a.hi, b.hi))
        ]
        return tl.Interval(jnp.fmin(*ends), jnp.fmax(*ends))

    return rule


@mistake("complex_mul", "mul/complex")
def _complex_product_of_corners(sound):
    def rule(x, y):
        ends = x.lo * y.lo, x.hi * y.hi
        parts = [
            (jnp.minimum(*p), jnp.maximum(*p))
            for p in zip(*((z.real, z.imag) for z in ends), strict=True)
        ]
        return tl.Interval(*map(jax.lax.complex, *parts))

    return rule


@mistake("complex_abs", "abs/complex")
def _size_of_one_corner(sound):
    return lambda z: tl.Interval(*sorted_pair(jnp.abs(z.lo), jnp.abs(z.hi)))


def sorted_pair(a, b):
    return jnp.minimum(a, b), jnp.maximum(a, b)


@mistake("cumlogsumexp", "cumlogsumexp")
def _log_sum_exp_as_maximum(sound):
    def rule(operation, x):
        return tl.Interval(
            *(jax.lax.cummax(e, operation.params["axis"]) for e in (x.lo, x.hi))
        )

    return rule


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
    with replaced("_is_repeated", believes, [_forward]):
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
