"""A jaxpr that is run once, by NumPy.

The error bound of a kernel is a program of thousands of elementwise operations on a few
numbers. XLA compiles it in ten to sixty seconds and runs it in a millisecond; NumPy
takes some microseconds for each operation. What NumPy has no counterpart for runs in
JAX: one operation at a time, a loop as a whole. NumPy rounds as IEEE-754 says, without
fused or flushed results, which is one of the executions that enclosures allow for.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.interpreters import _control, _jaxpr


def run_once(f, *args):
    """f(*args), which has to be traceable; arrays come out as NumPy's."""
    closed, shape = jax.make_jaxpr(f, return_shape=True)(*args)
    jaxpr, consts = _jaxpr.open_jaxpr(closed)
    leaves = [np.asarray(x) for x in jax.tree.leaves(args)]
    with np.errstate(all="ignore"):
        outputs = walk(jaxpr, [np.asarray(c) for c in consts], leaves)
    return jax.tree.unflatten(jax.tree.structure(shape), outputs)


def walk(jaxpr, consts, args):
    env = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(var):
        known = _jaxpr.is_literal(var)
        return np.asarray(_jaxpr.literal_value(var)) if known else env[var]

    for eqn in jaxpr.eqns:
        outputs = apply(eqn, [read(v) for v in eqn.invars])
        for var, value in zip(eqn.outvars, outputs, strict=True):
            env[var] = value
    return [read(v) for v in jaxpr.outvars]


def apply(eqn, operands):
    name = eqn.primitive.name
    if name in _control.CALLS:
        inner, consts = _jaxpr.open_jaxpr(eqn.params[_control.CALLS[name]])
        return walk(inner, [np.asarray(c) for c in consts], operands)
    aval = eqn.outvars[0].aval
    if _has_counterpart(eqn, operands):
        if name in _SAME:
            return [np.asarray(_SAME[name](*operands), aval.dtype)]
        if name in _WITH_PARAMETERS:
            value = _WITH_PARAMETERS[name](eqn.params, *operands)
            return [np.asarray(value, aval.dtype)]
    outputs = _jaxpr.operation(eqn)(*map(jnp.asarray, operands))
    outputs = outputs if eqn.primitive.multiple_results else [outputs]
    return [np.asarray(y) for y in outputs]


def _converted(params, x):
    return x.astype(params["new_dtype"])


def _shifted_right(params, x, by):
    """With zeros from the left, as of unsigned numbers."""
    unsigned = f"u{x.dtype.itemsize}"
    return np.right_shift(x.view(unsigned), by.view(unsigned)).view(x.dtype)


def _selected(params, which, *cases):
    if which.dtype == np.bool_:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases, mode="clip")


def _broadcast(params, x, *dynamic):
    shape = [1] * len(params["shape"])
    for axis, size in zip(params["broadcast_dimensions"], x.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(x.reshape(shape), params["shape"])


def _reshaped(params, x):
    """Axes may be read in another order, as in a convolution under `vmap`."""
    order = params["dimensions"]
    return (x if order is None else x.transpose(order)).reshape(params["new_sizes"])


def _sliced(params, x):
    strides = params["strides"] or (1,) * x.ndim
    bounds = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return x[tuple(slice(*each) for each in bounds)]


def _reduced(ufunc):
    return lambda params, x: ufunc.reduce(x, axis=tuple(params["axes"]))


# Elementwise on operands of one dtype, with results that IEEE-754 or integers define.
_SAME = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "neg": np.negative,
    "abs": np.abs,
    "square": np.square,
    "floor": np.floor,
    "ceil": np.ceil,
    "sqrt": np.sqrt,
    "is_finite": np.isfinite,
    "not": np.invert,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shift_left": np.left_shift,
    "shift_right_arithmetic": np.right_shift,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_WITH_PARAMETERS = {
    "convert_element_type": _converted,
    "bitcast_convert_type": lambda params, x: x.view(params["new_dtype"]),
    "shift_right_logical": _shifted_right,
    "round": lambda params, x: np.rint(x),
    "select_n": _selected,
    "clamp": lambda params, low, x, high: np.minimum(np.maximum(x, low), high),
    "broadcast_in_dim": _broadcast,
    "reshape": _reshaped,
    "squeeze": lambda params, x: np.squeeze(x, tuple(params["dimensions"])),
    "transpose": lambda params, x: np.transpose(x, params["permutation"]),
    "concatenate": lambda params, *xs: np.concatenate(xs, params["dimension"]),
    "slice": _sliced,
    "copy": lambda params, x: x,
    "reduce_sum": _reduced(np.add),
    "reduce_max": _reduced(np.maximum),
    "reduce_min": _reduced(np.minimum),
    "reduce_and": _reduced(np.logical_and),
    "reduce_or": _reduced(np.logical_or),
}


def _has_counterpart(eqn, operands) -> bool:
    """Whether NumPy does what the primitive does, on these dtypes."""
    name = eqn.primitive.name
    if any(x.dtype.kind not in "fiub" or _is_narrow(x.dtype) for x in operands):
        return False
    if name == "div":  # of integers, JAX truncates
        return operands[0].dtype.kind == "f"
    if name == "convert_element_type":
        new = np.dtype(eqn.params["new_dtype"])
        into_integer = operands[0].dtype.kind == "f" and new.kind != "f"
        return not into_integer and not _is_narrow(new)
    if name == "bitcast_convert_type":
        return np.dtype(eqn.params["new_dtype"]).itemsize == operands[0].dtype.itemsize
    if name == "shift_right_arithmetic":  # of unsigned numbers, with the upper bit
        return operands[0].dtype.kind == "i"
    if name == "round":
        return eqn.params["rounding_method"] == lax.RoundingMethod.TO_NEAREST_EVEN
    if name in ("reduce_and", "reduce_or"):
        return operands[0].dtype == np.bool_
    return True


def _is_narrow(dtype) -> bool:
    return dtype.kind not in "fiub" or (dtype.kind == "f" and dtype.itemsize < 4)
