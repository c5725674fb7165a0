"""What an equation that is affine in some operands makes of their affine forms.

Forms hold both bounds as a middle and a spread, so that a linear map is applied twice:
once as it is, once with the magnitudes of its weights. What its rounding can come to is
added to the radius of the result.
"""

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._rounding import round_up
from torchlean_jax.interpreters import _linear
from torchlean_jax.interpreters._forms import Form, full_spread, shifted

# Their results are single elements of an operand, possibly negated.
MOVES = frozenset(
    "reshape transpose squeeze expand_dims concatenate slice rev pad split stack "
    "unstack neg select_n dynamic_slice dynamic_update_slice broadcast_in_dim tile "
    "gather".split()
)


def images(equation, operands, fixed, radii, at_zero) -> list[Form]:
    """The results of an equation that is affine in the operands that have forms.

    operands: a Form, or None where the operand is concrete. fixed, radii: as
    `_linear.fixed_operands` gives them. at_zero: the results at 0 as intervals, if they
    need not be 0.
    """
    fixed, radii = without_constants(equation, fixed, radii)
    run, reach = maps(equation, fixed)
    forms = [form for form in operands if form is not None]
    middles = results(jax.vmap(run)(*[form.middle for form in forms]))
    levels = results(run(*[form.level for form in forms]))
    radius = results(reach(*[form.radius for form in forms]))
    totals = results(reach(*[form.total for form in forms]))
    spreads = [None] * len(levels)
    if any(form.spread is not None for form in forms):
        spreads = results(jax.vmap(reach)(*map(full_spread, forms)))
    lost = None
    if equation.name not in MOVES:
        count = forms[0].middle.shape[0]
        totals, lost = lost_in(equation, forms, totals, reach, fixed, radii, count)
    found = []
    for k, parts in enumerate(
        zip(middles, levels, spreads, radius, totals, strict=True)
    ):
        form = Form(*parts)
        if at_zero is not None:
            form = shifted(form, at_zero[k])
        found.append(form if lost is None else form.widened(lost[k]))
    return found


def maps(equation, fixed):
    """The equation without its constant part, and with the magnitudes of its weights:
    functions of the operands that are None in `fixed`."""
    return _linear_map(equation, fixed), _magnitude_map(equation, fixed)


def without_constants(equation, fixed, radii):
    """The concrete operands of the linear part: an affine equation has them in its
    results at 0."""
    if not _linear.is_affine(equation):
        return fixed, radii
    return [_zero_if_float(x) for x in fixed], [None] * len(radii)


def lost_in(equation, forms, totals, reach, fixed, radii, count):
    """(totals, what rounding and the errors of concrete operands may come to) for forms
    in `count` coordinates."""
    kind = jnp.finfo(forms[0].level.dtype)
    most = _terms(equation, [x.aval.shape for x in equation.eqn.invars])
    tiny = 8 * (count + 2) * most * float(kind.smallest_normal)
    # flushed coefficients count as much as the weights they meet
    flushed = results(reach(*[jnp.full_like(form.level, tiny) for form in forms]))
    slack = 2 * gamma(most + 4, kind.dtype)
    totals = [round_up(t * (1 + slack), ulps=2) for t in totals]
    # and a weight that the hardware reads as 0, as much as what it meets
    unread = 2 * float(kind.smallest_normal) * sum(jnp.sum(f.total) for f in forms)
    lost = [
        round_up(t * slack + 2 * f + tiny + unread, ulps=4)
        for t, f in zip(totals, flushed, strict=True)
    ]
    for position, radius in enumerate(radii):
        if radius is not None:
            others = [*fixed[:position], radius, *fixed[position + 1 :]]
            more = _magnitude_map(equation, others)(*[form.total for form in forms])
            more = [round_up(m * (1 + slack) + tiny) for m in results(more)]
            lost = [round_up(a + b) for a, b in zip(lost, more, strict=True)]
    return totals, lost


def _terms(equation, shapes) -> int:
    """How many rounded terms a result sums, at most."""
    name, params = equation.name, equation.operation.params
    if name in ("add", "add_any", "sub", "mul", "div"):
        return 2
    if name == "reduce_sum":
        return _product(shapes[0][axis] for axis in params["axes"])
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        return _product(shapes[0][axis] for axis in contracted)
    if name == "conv_general_dilated":
        return _product(shapes[1])
    if name == "cumsum":
        return shapes[0][params["axis"]]
    if name == "reduce_window_sum":
        return _product(params["window_dimensions"])
    return max(_product(shape) for shape in shapes) + 1


def _magnitude_map(equation, fixed):
    """The equation with the magnitudes of its weights."""
    fixed = [
        x
        if x is None or not jnp.issubdtype(jnp.result_type(x), jnp.floating)
        else abs(x)
        for x in fixed
    ]
    if equation.name == "neg":
        return lambda x: x
    if equation.name == "sub":
        moving = [k for k, x in enumerate(fixed) if x is None]
        return lax.add if len(moving) == 2 else (lambda x: _stretched(equation, x))
    return _linear_map(equation, fixed)


def _stretched(equation, x):
    return jnp.broadcast_to(x, equation.eqn.outvars[0].aval.shape)


def _linear_map(equation, fixed):
    """The equation without its constant part: places that nothing fills are 0."""
    if "fill_value" not in equation.operation.all_params:
        return _linear.linear_map(equation, fixed)
    operation = equation.operation.replace(fill_value=0)

    def function(*moving):
        moving = iter(moving)
        return operation(*[next(moving) if x is None else x for x in fixed])

    return function


def _zero_if_float(x):
    if x is None or not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        return x
    return jnp.zeros_like(x)


def results(found):
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _product(numbers) -> int:
    total = 1
    for n in numbers:
        total *= int(n)
    return max(total, 1)
