"""Which equations are linear in their abstract operands, and what their transposition
costs.

`jax.linear_transpose` of the primitive itself does the algebra. This file knows which
equations qualify, how many rounded terms a transposed coefficient sums, and what
transposition drops: the constant part of an affine equation (a pad value, a
concatenated constant).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import div
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.domains.interval._exact import exact_cast, is_float, working_dtype
from torchlean_jax.interpreters import _convolution

# Every coefficient of one operand element goes to one result element, with weight 1 or
# -1: transposition moves numbers and rounds nothing.
_MOVES = frozenset(
    "reshape transpose squeeze expand_dims concatenate slice rev pad split "
    "stack unstack neg add sub add_any reduce_sum select_n "
    "dynamic_slice dynamic_update_slice".split()
)
# Weights 0 and 1, but an operand element reaches several results.
_FANS_OUT = frozenset(
    "broadcast_in_dim tile cumsum reduce_window_sum gather scatter-add".split()
)
# Linear in one operand while the others are concrete.
_BILINEAR = frozenset(
    "mul div dot_general conv_general_dilated ragged_dot_general".split()
)
# Identities over the reals, which transposition would refuse or round.
IDENTITIES = frozenset(
    "convert_element_type copy stop_gradient device_put optimization_barrier "
    "sharding_constraint reshard name".split()
)
# May add a constant: evaluated at zero. (`gather` through its fill value.)
_AFFINE = frozenset(
    "concatenate pad add sub add_any select_n gather stack dynamic_update_slice "
    "scatter-add".split()
)
_MEETING = _FANS_OUT | frozenset(
    "dot_general conv_general_dilated ragged_dot_general reduce_sum".split()
)
# First operand that must be a concrete integer.
_FIRST_INDEX = {"gather": 1, "dynamic_slice": 1, "dynamic_update_slice": 2}


def is_linear(equation, values, abstract) -> bool:
    """Whether `equation` is an affine function of its operands in `abstract`
    (numbers)."""
    name, inputs = equation.name, equation.inputs
    moving = [i for i in inputs if i in abstract]
    if not all(is_float(values[i]) for i in moving):
        return False
    if name in IDENTITIES:
        return all(
            jnp.issubdtype(v.aval.dtype, jnp.floating) for v in equation.eqn.outvars
        )
    if name == "div":
        return inputs[1] not in abstract
    if name in _BILINEAR:
        return len(moving) == 1
    if name == "select_n":
        return not isinstance(values[inputs[0]], Interval)
    if name == "scatter-add":
        return not isinstance(values[inputs[1]], Interval)
    if name in _FIRST_INDEX:
        return not any(
            isinstance(values[i], Interval) for i in inputs[_FIRST_INDEX[name] :]
        )
    return name in _MOVES or name in _FANS_OUT


def is_bilinear(equation) -> bool:
    """Whether the equation multiplies its two operands (division is not: see
    relaxations)."""
    return equation.name in _BILINEAR and equation.name != "div"


def is_affine(equation) -> bool:
    """Whether the equation may have a constant part."""
    return equation.name in _AFFINE


def is_exact(equation) -> bool:
    """Whether transposition rounds nothing."""
    return equation.name in _MOVES or _only_reshapes(equation)


def meets(equation) -> bool:
    """Whether a result may combine several elements of one operand, or share one with
    another result."""
    return equation.name in _MEETING and not _only_reshapes(equation)


def keeps_order(equation) -> bool:
    """Whether an element of the result is the operand's element of the same number."""
    name, params = equation.name, equation.operation.params
    if name == "reshape":
        return params.get("dimensions") is None
    return name == "squeeze" or _only_reshapes(equation)


def _only_reshapes(equation) -> bool:
    """Whether it is a broadcast that repeats nothing, as `x[None]` is."""
    if equation.name != "broadcast_in_dim":
        return False
    (result,) = equation.eqn.outvars
    return _product(result.aval.shape) == _product(equation.eqn.invars[0].aval.shape)


def linear_map(equation, fixed, dtype=None):
    """The equation as a function of the operands that are None in `fixed`, in working
    precision or in that of `dtype`."""
    dtype = dtype or working_dtype()
    operation = equation.operation
    if equation.name == "div":
        operation = lax.mul
    elif "preferred_element_type" in operation.all_params:
        operation = operation.replace(
            preferred_element_type=dtype, precision=lax.Precision.HIGHEST
        )

    def function(*moving):
        moving = iter(moving)
        return operation(*[next(moving) if value is None else value for value in fixed])

    return function


def fixed_operands(equation, values, abstract):
    """(midpoint of each concrete operand and None for abstract ones, radii or None).

    A divisor is replaced by its reciprocal, which is rarely a floating-point number.
    """
    dtype = working_dtype()
    middles, radii = [], []
    for i in equation.inputs:
        value, radius = values[i], None
        if equation.name == "div" and i not in abstract:
            value = _reciprocal(value)
        if i in abstract:
            value = None
        elif isinstance(value, Interval):
            value, radius = (
                midpoint_radius(value) if is_float(value) else (value.lo, None)
            )
        elif is_float(jnp.asarray(value)):
            value = exact_cast(value, dtype)
        middles.append(value)
        radii.append(radius)
    return middles, radii


def _reciprocal(value) -> Interval:
    value = Interval.lift(value)
    one = jnp.ones_like(value.lo)
    return div(Interval(one, one), value)


def transpose_rows(equation, fixed, shapes, rows):
    """Coefficients of each operand, for rows of coefficients of each result.

    fixed: as for `linear_map`. shapes: of the operands that are None there. rows: one
    array [R, *shape] per result. Returns one [R, *shape] per operand.
    """
    if _convolves_in_loops(equation, fixed, rows):
        params = equation.operation.params
        return [_convolution.transpose(params, shapes[0], fixed[1], rows[0])]
    dtype = rows[0].dtype
    function = linear_map(equation, fixed, dtype)
    primal = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    results = jax.eval_shape(function, *primal)
    transpose = jax.linear_transpose(function, *primal)
    if isinstance(results, (tuple, list)):
        kind = type(results)
        return jax.vmap(lambda *row: transpose(kind(row)))(*rows)
    return jax.vmap(transpose)(rows[0])


def _convolves_in_loops(equation, fixed, rows) -> bool:
    """Whether the backend would run a transposed convolution as plain loops."""
    return (
        equation.name == "conv_general_dilated"
        and fixed[0] is None
        and rows[0].dtype == jnp.float64
        and jax.default_backend() == "cpu"
        and _convolution.is_plain(equation.operation.params)
    )


def fan_out(equation, position: int, shapes) -> int:
    """How many results one element of the operand at `position` reaches, at most."""
    name, params = equation.name, equation.operation.params
    if name in _MOVES or name in ("mul", "div"):
        return 1
    if name == "dot_general":
        contracting, batch = params["dimension_numbers"]
        used = {*contracting[1 - position], *batch[1 - position]}
        return _product(n for d, n in enumerate(shapes[1 - position]) if d not in used)
    if name == "conv_general_dilated" and position == 0:
        return _product(shapes[1])
    if name == "cumsum":
        return shapes[0][params["axis"]]
    if name == "reduce_window_sum":
        return _product(params["window_dimensions"])
    results = sum(_product(v.aval.shape) for v in equation.eqn.outvars)
    if name in ("broadcast_in_dim", "tile"):
        return max(results // max(_product(shapes[0]), 1), 1)
    return max(results, 1)


def _product(numbers) -> int:
    return int(np.prod(list(numbers), dtype=np.int64))
