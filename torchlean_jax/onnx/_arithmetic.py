"""Sums, products, comparisons, logic and casts: element by element, with broadcasting.

Activation functions are in `_activations`.
"""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import (
    Node,
    UnsupportedError,
    define,
    is_floating,
    same_dtype,
)
from torchlean_jax.onnx._tensors import dtype_of_code

_ARITHMETIC = {"Add": "add", "Sub": "subtract", "Mul": "multiply"}
_COMPARISONS = {
    "Equal": "equal",
    "Greater": "greater",
    "Less": "less",
    "GreaterOrEqual": "greater_equal",
    "LessOrEqual": "less_equal",
}
_LOGIC = {"And": "logical_and", "Or": "logical_or", "Xor": "logical_xor"}


def broadcast(node: Node, *arrays):
    """Operands of one dtype that NumPy's rules bring to one shape.

    Before opset 7 the second operand was placed by the attributes broadcast and axis.
    """
    same_dtype(*arrays)
    if "broadcast" in node.attributes or (
        node.version < 7 and "axis" in node.attributes
    ):
        arrays = _placed(node, *arrays)
    node.ignore("consumed_inputs")  # a hint about memory, opset 1
    try:
        node.room(np.broadcast_shapes(*(np.shape(a) for a in arrays)))
    except ValueError as error:
        shapes = ", ".join(str(np.shape(a)) for a in arrays)
        raise FileFormatError(f"shapes do not broadcast: {shapes}") from error
    return arrays


def _placed(node, x, y):
    axis = node.integer("axis")
    if not node.integer("broadcast", 0):
        if np.shape(x) != np.shape(y):
            raise FileFormatError("operands of different shapes, without broadcast=1")
        return x, y
    rank, own = np.ndim(x), np.ndim(y)
    start = rank - own if axis is None else node.axis(axis, rank)
    if start < 0 or start + own > rank:
        raise FileFormatError("the second operand has more axes than the first")
    return x, y.reshape(*np.shape(y), *(1,) * (rank - own - start))


@define("Add Sub Mul", "1 6 7 13 14", foldable=True)
def _arithmetic(node, x, y):
    x, y = broadcast(node, x, y)
    return getattr(node.xp, _ARITHMETIC[node.op_type])(x, y)


@define("Div", "1 6 7 13 14", foldable=True)
def _div(node, x, y):
    """Between integers, towards zero."""
    x, y = broadcast(node, x, y)
    if is_floating(x):
        return node.xp.divide(x, y)
    if node.xp is np:
        if (y == 0).any():
            raise FileFormatError("an integer is divided by zero")
        return (np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))).astype(x.dtype)
    return lax.div(*jnp.broadcast_arrays(x, y))


@define("Mod", "10 13")
def _mod(node, x, y):
    x, y = broadcast(node, x, y)
    if node.integer("fmod", 0):
        return jnp.fmod(x, y)
    if is_floating(x):
        raise FileFormatError("Mod of floating-point numbers needs fmod=1")
    return jnp.mod(x, y)


@define("Pow", "1 7 12 13 15", fixed=[1], foldable=True)
def _pow(node, x, y):
    if node.version < 12:
        x, y = broadcast(node, x, y)
    if is_floating(y) and not jnp.can_cast(y.dtype, x.dtype):
        raise UnsupportedError(f"{x.dtype} to the power of {y.dtype}")
    if not is_floating(x) or node.xp is np:
        return node.xp.power(x, y.astype(x.dtype))
    if isinstance(y, np.ndarray) and y.size == 1:
        shape = np.broadcast_shapes(x.shape, y.shape)
        x, exponent = x.reshape((1,) * (len(shape) - x.ndim) + x.shape), y.item()
        # whole and half exponents have sharper bounds than x ** y in general
        if exponent == 0.5:
            return jnp.sqrt(x)
        if float(exponent).is_integer() and abs(exponent) < 128:
            return lax.integer_pow(x, int(exponent))
    return jnp.power(x, y.astype(x.dtype))


@define(
    "Equal Greater Less GreaterOrEqual LessOrEqual",
    {
        "Equal": "1 7 11 13 19",
        "Greater": "1 7 9 13",
        "Less": "1 7 9 13",
        "GreaterOrEqual": "12 16",
        "LessOrEqual": "12 16",
    },
    foldable=True,
)
def _compare(node, x, y):
    x, y = broadcast(node, x, y)
    return getattr(node.xp, _COMPARISONS[node.op_type])(x, y)


@define("And Or Xor", "1 7", foldable=True)
def _logic(node, x, y):
    x, y = broadcast(node, x, y)
    return getattr(node.xp, _LOGIC[node.op_type])(x, y)


@define("Not", "1", foldable=True)
def _not(node, x):
    return node.xp.logical_not(x)


@define("Where", "9 16", foldable=True)
def _where(node, condition, x, y):
    same_dtype(x, y)
    node.room(np.broadcast_shapes(*(np.shape(a) for a in (condition, x, y))))
    return node.xp.where(condition, x, y)


@define("Min Max", "1 6 8 12 13", foldable=True)
def _extreme(node, *xs):
    xs = broadcast(node, *xs)
    pick = node.xp.minimum if node.op_type == "Min" else node.xp.maximum
    return functools.reduce(pick, xs)


@define("Sum Mean", "1 6 8 13")
def _total(node, *xs):
    total = functools.reduce(operator.add, broadcast(node, *xs))
    return total / len(xs) if node.op_type == "Mean" and len(xs) > 1 else total


_UNARY = {
    "Neg": (lambda xp: xp.negative, "1 6 13"),
    "Abs": (lambda xp: xp.abs, "1 6 13"),
    "Sign": (lambda xp: xp.sign, "9 13"),
    "Floor": (lambda xp: xp.floor, "1 6 13"),
    "Ceil": (lambda xp: xp.ceil, "1 6 13"),
    "Round": (lambda xp: xp.round, "11 22"),
    "Sqrt": (lambda xp: xp.sqrt, "1 6 13"),
    "Exp": (lambda xp: xp.exp, "1 6 13"),
    "Log": (lambda xp: xp.log, "1 6 13"),
    "Reciprocal": (lambda xp: lambda x: 1 / x, "1 6 13"),
    "IsNaN": (lambda xp: xp.isnan, "9 13 20"),
}


@define(
    " ".join(_UNARY),
    {name: versions for name, (_, versions) in _UNARY.items()},
    foldable=True,
)
def _unary(node, x):
    node.ignore("consumed_inputs")
    return _UNARY[node.op_type][0](node.xp)(x)


_FUNCTIONS = {
    "Erf": (jax.lax.erf, "9 13"),
    "Sin": (jnp.sin, "7 22"),
    "Cos": (jnp.cos, "7 22"),
    "Tan": (jnp.tan, "7 22"),
    "Asin": (jnp.arcsin, "7 22"),
    "Acos": (jnp.arccos, "7 22"),
    "Atan": (jnp.arctan, "7 22"),
    "Sinh": (jnp.sinh, "9 22"),
    "Cosh": (jnp.cosh, "9 22"),
    "Asinh": (jnp.arcsinh, "9 22"),
    "Acosh": (jnp.arccosh, "9 22"),
    "Atanh": (jnp.arctanh, "9 22"),
}


@define(" ".join(_FUNCTIONS), {n: versions for n, (_, versions) in _FUNCTIONS.items()})
def _function(node, x):
    return _FUNCTIONS[node.op_type][0](x)


@define("IsInf", "10 20")
def _is_inf(node, x):
    found = jnp.zeros(x.shape, bool)
    if node.integer("detect_positive", 1):
        found |= x == jnp.inf
    if node.integer("detect_negative", 1):
        found |= x == -jnp.inf
    return found


@define("Cast", "1 6 9 13 19 21 23 24 25", foldable=True)
def _cast(node, x):
    node.ignore("saturate", "round_mode")  # of 8-bit floats, which are refused
    to = node.attribute("to", None, (int, str))
    return cast(node, x, dtype_of_code(to))


@define("CastLike", "15 19 21 23 24 25")
def _cast_like(node, x, target):
    node.ignore("saturate", "round_mode")
    return cast(node, x, np.dtype(target.dtype))


def cast(node, x, dtype):
    if x.dtype == dtype:
        return x
    if dtype.kind == "b":
        return x != 0
    if node.xp is np:
        return x.astype(dtype)
    narrowed = jax.dtypes.canonicalize_dtype(dtype)
    harmless = not jnp.issubdtype(dtype, jnp.floating) and np.can_cast(
        x.dtype, narrowed
    )
    if narrowed != dtype and not harmless:
        raise UnsupportedError(f"a cast to {dtype} needs 64-bit types (jax.enable_x64)")
    return x.astype(narrowed)
