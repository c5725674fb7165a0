"""Between which numbers each value of a graph lies, whatever the input.

One pair of exact Python numbers per value, from the limits of the integer dtypes, known
constants, and what clamps a float. It serves to see, before any box is given, which
integer equations can never wrap.
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains import _families

Pair = tuple[Any, Any]
ANYTHING = (-math.inf, math.inf)


def limits_of_dtype(dtype) -> Pair:
    if jnp.issubdtype(dtype, jnp.integer):
        kind = jnp.iinfo(dtype)
        return int(kind.min), int(kind.max)
    return ANYTHING


def limits_of_array(array: np.ndarray) -> Pair:
    """Of known numbers; a NaN among floats leaves nothing known."""
    if array.size == 0:
        return 0, 0
    least, most = array.min().item(), array.max().item()
    return ANYTHING if least != least else (least, most)


def result_limits(equation, limits, known) -> Pair | None:
    """The limits of the one result, as a number that does not wrap, or None.

    limits: of the operands, in order. known: their arrays, or None. Of floats only what
    rounds nothing is followed: limits are exact.
    """
    name = equation.name
    (result,) = equation.eqn.outvars
    if jnp.issubdtype(result.aval.dtype, jnp.floating) and name not in _EXACT:
        return None
    if name in _ELEMENTWISE:
        return _ELEMENTWISE[name](*limits)
    if name in _UNCHANGED or name in ("convert_element_type", "concatenate", "stack"):
        return min(lo for lo, _ in limits), max(hi for _, hi in limits)
    if name == "pad":
        return min(lo for lo, _ in limits), max(hi for _, hi in limits)
    if name in ("reduce_sum", "cumsum", "reduce_window_sum"):
        ((least, most),) = limits
        terms = _terms(equation)
        return terms * min(least, 0), terms * max(most, 0)
    if name == "gather" and known[0] is not None and known[0].ndim == 1:
        return _table_limits(known[0], limits[1])
    if name == "div":
        return _quotient_limits(*limits)
    if name == "sign":
        return tuple((end > 0) - (end < 0) for end in limits[0])
    if name == "select_n":
        cases = limits[1:]
        return min(lo for lo, _ in cases), max(hi for _, hi in cases)
    if name in ("dot_general", "conv_general_dilated"):
        return _product_limits(equation, limits, known)
    return None


def _table_limits(entries, indices):
    least, most = indices
    if least < 0 or most >= entries.size:
        return None
    return limits_of_array(entries[int(least) : int(most) + 1])


def _quotient_limits(x, y):
    """Towards 0, of numbers that are not divided by 0."""
    if y[0] <= 0 <= y[1] or not all(map(math.isfinite, (*x, *y))):
        return None
    ends = [abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) for a in x for b in y]
    return min(*ends, 0), max(*ends, 0)


def _corners(x, y):
    ends = [a * b for a in x for b in y]
    return min(ends), max(ends)


def _shift_right(x, by):
    if by[0] < 0 or by[1] > 31:
        return ANYTHING
    ends = [int(a) >> int(k) for a in x for k in by]
    return min(ends), max(ends)


def _and(x, y):
    """A bit pattern lies between 0 and any of the two that is never negative."""
    positive = [hi for lo, hi in (x, y) if lo >= 0]
    return (0, min(positive)) if positive else ANYTHING


def _absolute(x):
    ends = abs(x[0]), abs(x[1])
    return 0 if x[0] <= 0 <= x[1] else min(ends), max(ends)


def _rounded(x):
    """Over all ways of rounding."""
    return tuple(
        end if math.isinf(end) else f(end)
        for f, end in zip((math.floor, math.ceil), x, strict=True)
    )


_ELEMENTWISE = {
    "add": lambda x, y: (x[0] + y[0], x[1] + y[1]),
    "sub": lambda x, y: (x[0] - y[1], x[1] - y[0]),
    "neg": lambda x: (-x[1], -x[0]),
    "mul": _corners,
    "square": lambda x: _corners(_absolute(x), _absolute(x)),
    "abs": _absolute,
    "max": lambda x, y: (max(x[0], y[0]), max(x[1], y[1])),
    "min": lambda x, y: (min(x[0], y[0]), min(x[1], y[1])),
    "clamp": lambda a, x, b: (
        min(max(x[0], a[0]), b[0]),
        min(max(x[1], a[1]), b[1]),
    ),
    "shift_right_arithmetic": _shift_right,
    "and": _and,
    "round": _rounded,
    "floor": _rounded,
    "ceil": _rounded,
}
_EXACT = frozenset(
    (
        *_families.LAYOUT,
        *"neg abs max min clamp round floor ceil reduce_max reduce_min".split(),
    )
) - {"real", "imag"}
_UNCHANGED = frozenset(
    (
        *_families.LAYOUT,
        *"reduce_max reduce_min reduce_window_max reduce_window_min".split(),
    )
) - {"pad", "real", "imag"}


def _terms(equation) -> int:
    params, (aval,) = equation.operation.params, [v.aval for v in equation.eqn.invars]
    if equation.name == "reduce_sum":
        return math.prod(aval.shape[a] for a in params["axes"])
    if equation.name == "cumsum":
        return aval.shape[params["axis"]]
    return math.prod(params["window_dimensions"])


def _product_limits(equation, limits, known) -> Pair:
    """A known factor counts by the sums of its weights, else by their number."""
    axes = _summed_axes(equation)
    for one, other in ((0, 1), (1, 0)):
        weights = known[one]
        if weights is None or axes[one] is None:
            continue
        weights = weights.astype(object)
        positive = np.maximum(weights, 0).sum(axes[one]) + 0 * weights.sum(axes[one])
        negative = weights.sum(axes[one]) - positive
        least, most = limits[other]
        # an element on the border of a convolution meets only some of the weights
        least, most = min(least, 0), max(most, 0)
        lows, highs = (
            positive * least + negative * most,
            positive * most + negative * least,
        )
        return int(np.min(lows, initial=0)), int(np.max(highs, initial=0))
    shape = equation.eqn.invars[1].aval.shape
    terms = math.prod(shape[a] for a in axes[1])
    least, most = _corners(*limits)
    return terms * min(least, 0), terms * max(most, 0)


def _summed_axes(equation):
    """The axes of either factor along which products are summed, at most."""
    numbers = equation.operation.params["dimension_numbers"]
    if equation.name == "dot_general":
        return tuple(map(tuple, numbers[0]))
    out = numbers.rhs_spec[0]
    return None, tuple(d for d in range(len(numbers.rhs_spec)) if d != out)
