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
    with np.errstate(all="ignore"):
        outputs = Steps(jaxpr, consts)(jax.tree.leaves(args))
    return jax.tree.unflatten(jax.tree.structure(shape), outputs)


class Steps:
    """A jaxpr as calls on numbered slots; `steps(args)` has the values of its outputs.

    Calls are inlined. What depends on constants alone is computed here, what is
    computed twice is computed once, and what no output depends on never.
    """

    def __init__(self, jaxpr, consts):
        self.slots: list = []
        self.steps: list = []
        self._done: dict = {}
        self.inputs = [self._slot(_FREE) for _ in jaxpr.invars]
        self.outputs = self._add(jaxpr, consts, self.inputs)
        self.steps = self._needed()
        del self._done

    def __call__(self, args) -> list:
        slots = self.slots.copy()
        for slot, value in zip(self.inputs, args, strict=True):
            slots[slot] = np.asarray(value)
        for function, operands, results in self.steps:
            values = function(*[slots[k] for k in operands])
            for k, value in zip(results, values, strict=True):
                slots[k] = value
        return [np.asarray(slots[k]) for k in self.outputs]

    def _slot(self, value) -> int:
        self.slots.append(value)
        return len(self.slots) - 1

    def _add(self, jaxpr, consts, inputs) -> list[int]:
        """The slots of the outputs of `jaxpr` on these slots."""
        env = {
            var: self._slot(np.asarray(c))
            for var, c in zip(jaxpr.constvars, consts, strict=True)
        }
        env.update(zip(jaxpr.invars, inputs, strict=True))

        def read(var):
            known = _jaxpr.is_literal(var)
            return self._slot(_jaxpr.literal_value(var)) if known else env[var]

        for eqn in jaxpr.eqns:
            results = self._step(eqn, [read(v) for v in eqn.invars])
            env.update(zip(eqn.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def _step(self, eqn, operands) -> list[int]:
        name = eqn.primitive.name
        if name in _control.CALLS:
            inner, consts = _jaxpr.open_jaxpr(eqn.params[_control.CALLS[name]])
            return self._add(inner, consts, operands)
        known = [self.slots[k] for k in operands]
        if not any(x is _FREE for x in known):
            return [self._slot(value) for value in function_of(eqn)(*known)]
        key = self._key(eqn, operands)
        if key is not None and key in self._done:
            return self._done[key]
        results = [self._slot(_FREE) for _ in eqn.outvars]
        self.steps.append((function_of(eqn), operands, results))
        if key is not None:
            self._done[key] = results
        return results

    def _key(self, eqn, operands):
        """The same where results are the same; None if that is not known."""
        params = tuple((k, type(x), x) for k, x in sorted(eqn.params.items()))
        try:
            hash(params)
        except TypeError:
            return None
        parts = [self._identity(k) for k in operands]
        return eqn.primitive, params, *parts

    def _identity(self, slot):
        """The slot, or of a constant number its bits: literals have a slot each."""
        value = self.slots[slot]
        if value is _FREE or value.size != 1:
            return slot
        return value.dtype, value.shape, value.tobytes()

    def _needed(self) -> list:
        wanted, kept = set(self.outputs), []
        for step in reversed(self.steps):
            if not wanted.isdisjoint(step[2]):
                wanted.update(step[1])
                kept.append(step)
        return kept[::-1]


# In the slot of a value that is not known before the arguments are.
_FREE = object()


def function_of(eqn):
    """What the equation does to NumPy's arrays, as a function that returns a list."""
    name = eqn.primitive.name
    if name in _control.CALLS:
        inner, consts = _jaxpr.open_jaxpr(eqn.params[_control.CALLS[name]])
        steps = Steps(inner, consts)
        return lambda *operands: steps(operands)
    if _has_counterpart(eqn):
        if name in _SAME:
            same, dtype = _SAME[name], eqn.outvars[0].aval.dtype
            return lambda *operands: (np.asarray(same(*operands), dtype),)
        if name in _WITH_PARAMETERS:
            rule, params = _WITH_PARAMETERS[name], eqn.params
            dtype = eqn.outvars[0].aval.dtype
            return lambda *xs: (np.asarray(rule(params, *xs), dtype),)
    operation = _jaxpr.operation(eqn)

    def apply(*operands):
        outputs = operation(*map(jnp.asarray, operands))
        outputs = outputs if eqn.primitive.multiple_results else [outputs]
        return [np.asarray(y) for y in outputs]

    return apply


def _converted(params, x):
    return x.astype(params["new_dtype"])


def _counted(params):
    """iota: counts along one axis."""
    shape, axis = params["shape"], params["dimension"]
    along = [1] * len(shape)
    along[axis] = shape[axis]
    return np.broadcast_to(np.arange(shape[axis]).reshape(along), shape)


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


def _extreme(ufunc, sign):
    """Of no elements, the extreme of the dtype, where NumPy raises."""

    def rule(params, x):
        if x.dtype.kind == "f":
            worst = -sign * np.inf
        elif x.dtype.kind == "b":
            worst = sign < 0
        else:
            limits = np.iinfo(x.dtype)
            worst = limits.min if sign > 0 else limits.max
        return ufunc.reduce(x, axis=tuple(params["axes"]), initial=worst)

    return rule


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
    "stack": lambda params, *xs: np.stack(xs, params.get("axis", 0)),
    "iota": _counted,
    "reduce_sum": _reduced(np.add),
    "reduce_max": _extreme(np.maximum, 1),
    "reduce_min": _extreme(np.minimum, -1),
    "reduce_and": _reduced(np.logical_and),
    "reduce_or": _reduced(np.logical_or),
}


# Moves elements, of whatever dtype.
_MOVES = frozenset(
    (
        "broadcast_in_dim",
        "reshape",
        "squeeze",
        "transpose",
        "concatenate",
        "slice",
        "copy",
        "stack",
        "select_n",
        "bitcast_convert_type",
    )
)


def _has_counterpart(eqn) -> bool:
    """Whether NumPy does what the primitive does, on these dtypes."""
    name = eqn.primitive.name
    dtypes = [var.aval.dtype for var in (*eqn.invars, *eqn.outvars)]
    if any(jnp.issubdtype(dtype, jax.dtypes.extended) for dtype in dtypes):
        return False
    dtypes = dtypes[: len(eqn.invars)]
    if name == "convert_element_type" and _is_wider(dtypes[0], eqn.params["new_dtype"]):
        return True
    narrow = any(dtype.kind not in "fiub" or _is_narrow(dtype) for dtype in dtypes)
    if narrow and name not in _MOVES:
        return False
    if name == "div":  # of integers, JAX truncates
        return dtypes[0].kind == "f"
    if name == "convert_element_type":
        new = np.dtype(eqn.params["new_dtype"])
        into_integer = dtypes[0].kind == "f" and new.kind != "f"
        return not into_integer and not _is_narrow(new)
    if name == "bitcast_convert_type":
        return np.dtype(eqn.params["new_dtype"]).itemsize == dtypes[0].itemsize
    if name == "shift_right_arithmetic":  # of unsigned numbers, with the upper bit
        return dtypes[0].kind == "i"
    if name == "round":
        return eqn.params["rounding_method"] == lax.RoundingMethod.TO_NEAREST_EVEN
    if name in ("reduce_and", "reduce_or"):
        return dtypes[0] == np.bool_
    return True


def _is_wider(dtype, new) -> bool:
    """Whether every float of the one is one of the other."""
    if not (jnp.issubdtype(dtype, jnp.floating) and jnp.issubdtype(new, jnp.floating)):
        return False
    return jnp.promote_types(dtype, new) == new


def _is_narrow(dtype) -> bool:
    return dtype.kind not in "fiub" or (dtype.kind == "f" and dtype.itemsize < 4)
