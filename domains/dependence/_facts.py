"""What is computed from known numbers, and which of it may be called known.

A result is known if every run has it: integers, comparisons, numbers that are moved or
chosen, sums and products that are exact in binary floating point. What rounds is left
a constant that nobody has computed: `exp(1)` has other bits on other machines, and the
reals have yet another number.
"""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.dependence._value import Elements, SetArray

# The result is one of the operands, its sign or size, or a truth about them.
_EXACT = frozenset(
    (
        *("neg", "abs", "sign", "floor", "ceil", "round", "max", "min", "clamp"),
        *("select_n", "is_finite", "eq", "ne", "lt", "le", "gt", "ge", "lt_to"),
        *("le_to", "real", "imag", "conj", "complex"),
        *("reduce_max", "reduce_min", "cummax", "cummin", "argmax", "argmin"),
        *("reduce_window_max", "reduce_window_min", "sort", "top_k"),
    )
)
# Of whole numbers a whole number, without rounding while the format holds it.
_WHOLE = frozenset(("add", "add_any", "sub", "mul", "square", "integer_pow"))


def known_of(x):
    """(where `x` is known, its numbers there), for a concrete array too."""
    if isinstance(x, SetArray):
        return x.known, x.value
    value = np.asarray(x)
    return np.broadcast_to(np.True_, value.shape), value


def words_of(x):
    """The sets of `x`; None for a concrete array, which depends on nothing."""
    return x.words if isinstance(x, SetArray) else None


def outline(operation, operands):
    """The shape and dtype of the result: one, or a list where there are several."""
    shapes = [
        x
        if not isinstance(x, SetArray)
        else jax.ShapeDtypeStruct(x.shape, jax.dtypes.canonicalize_dtype(x.dtype))
        if isinstance(x.dtype, np.dtype)
        else jax.ShapeDtypeStruct(x.shape, x.dtype)
        for x in operands
    ]
    return jax.eval_shape(operation, *shapes)


def evaluate(operation, *arrays) -> Elements:
    with jax.ensure_compile_time_eval():
        return np.asarray(operation(*arrays))


def elementwise(operation, operands):
    """(where the result is known, its numbers there), or None where nowhere."""
    facts = [known_of(x) for x in operands]
    known = np.True_
    for where, _ in facts:
        known = known & where
    if not known.any():
        return None
    values = [value for _, value in facts]
    result = evaluate(operation, *values)
    return known & is_certain(operation.name, values, result), result


def is_certain(name: str, values, result: Elements) -> Elements:
    """Where the reals and every run have just this result of known numbers."""
    floats = [v for v in (*values, result) if _is_float(v)]
    if not floats:
        return np.broadcast_to(np.True_, result.shape)
    if any(np.issubdtype(v.dtype, np.complexfloating) for v in floats):
        return np.broadcast_to(np.False_, result.shape)
    normal = np.True_
    for v in floats:  # a machine may read a subnormal number as 0
        normal = normal & ~_is_subnormal(v)
    return np.broadcast_to(normal & _is_exact(name, values, result), result.shape)


def _is_exact(name, values, result):
    if name in _EXACT:
        return np.True_
    if name in ("convert_element_type", "reduce_precision"):
        return _same_number(values[0], result)
    special = np.True_
    for v in (*values, result):
        special = special & _is_special(v)
    if name in ("add", "add_any", "sub"):
        a, b = values
        alone = (a == 0) | (b == 0) | np.isinf(a) | np.isinf(b)
        return special | alone | all_whole(values, result)
    if name == "mul":
        a, b = values
        return _is_special(a) | _is_special(b) | all_whole(values, result)
    if name == "div":
        a, b = values
        return (a == 0) | (np.abs(b) == 1) | np.isinf(a) | special
    return special | (all_whole(values, result) if name in _WHOLE else np.False_)


def all_whole(values, result):
    """Where all are whole numbers of a size that the format of the result counts."""
    limit = 2.0 ** jnp.finfo(result.dtype).nmant
    whole = np.True_
    for v in (*values, result):
        wide = v.astype(np.float64)
        with np.errstate(invalid="ignore"):
            whole = whole & (np.abs(wide) <= limit) & (np.floor(wide) == wide)
    return whole


def _is_special(v):
    """0, 1, -1, the infinities and NaN: what functions map to each other exactly."""
    size = np.abs(v.astype(np.float64))
    return (size == 0) | (size == 1) | np.isinf(size) | np.isnan(size)


def _is_subnormal(v):
    size = np.abs(v.astype(np.float64))
    return (size > 0) & (size < float(jnp.finfo(v.dtype).smallest_normal))


def _same_number(before, after):
    """Whether a cast kept the number; one of a float to an integer only truncates."""
    if _is_float(before) and not _is_float(after):
        limits = (False, True) if after.dtype == bool else _limits(after.dtype)
        wide = before.astype(np.float64)
        inside = (wide > limits[0] - 1.0) & (wide < limits[1] + 1.0)
        return inside | (after.dtype == bool)
    if not _is_float(before):  # past 2**53 a float64 no longer tells
        size = np.abs(before.astype(np.float64))
        return (size <= 2.0**53) & (after.astype(np.float64) == before)
    a, b = before.astype(np.float64), after.astype(np.float64)
    return (a == b) | (np.isnan(a) & np.isnan(b))


def _limits(dtype):
    kind = jnp.iinfo(dtype)
    return float(kind.min), float(kind.max)


def _is_float(v):
    return jnp.issubdtype(v.dtype, jnp.inexact)
