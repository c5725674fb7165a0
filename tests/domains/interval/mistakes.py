"""A mistake for each family of rules: the one that its kind of rule invites.

`SUBTLE` maps the name of a mistake to (case that must notice it, rule, mutant); a
mutant takes the sound rule and returns the broken one.
"""

import jax
import jax.numpy as jnp

import torchlean_jax as tl

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


@mistake("integer_add", "add/integer")
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
