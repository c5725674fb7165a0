"""Rules for what needs an order, of which residues have none.

|x| = x s(x) with an uninterpreted odd s, the sign. Maxima, minima and comparisons are
made of it, so that what follows from max(a, b) + min(a, b) = a + b, or from a shift of
both sides, is found equal. The maximum over an axis is another matter: `extreme`.
"""

from dataclasses import replace

import numpy as np

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains.finite_field._arithmetic import (
    add,
    alike,
    constant,
    multiply,
    negate,
    subtract,
)
from torchlean_jax.domains.finite_field._uninterpreted import (
    uninterpreted_odd,
)
from torchlean_jax.domains.finite_field._value import (
    MINUS_INFINITY,
    NUMBER,
    PLUS_INFINITY,
    Q_ROWS,
    UNDEFINED,
    VARIABLE,
    FieldArray,
    kinds_of,
    moved,
    rules,
)


@rules.define("sign")
def sign(field, x):
    if x.held is not None:
        return field.lift(np.sign(x.held).astype(np.float32)).named(x.dtype)
    return uninterpreted_odd(field, "sign", x)


@rules.define("abs")
def magnitude(field, x):
    if x.is_complex:
        raise UndecidedError("the modulus of a complex number is a root with a sign")
    if x.nonnegative:
        return x
    if x.held is not None:
        return field.lift(np.abs(x.held)).named(x.dtype)
    value = multiply(field, x, sign(field, finite(x)))
    kinds = np.where(kinds_of(x) == MINUS_INFINITY, PLUS_INFINITY, kinds_of(x))
    kinds = kinds if kinds.any() else None
    return replace(value, kinds=kinds, nonnegative=True)


def finite(x):
    return replace(x, kinds=None)


@rules.define("max")
def maximum(field, x, y):
    if (x.is_extreme or y.is_extreme) and _is_extreme(x) and _is_extreme(y):
        return _extreme_of(field, x, y)
    x, y = alike(field, x, y)
    if x.held is not None and y.held is not None:
        return field.lift(np.maximum(x.held, y.held)).named(x.dtype)
    half = constant(field, 0.5, x)
    a, b = finite(x), finite(y)
    spread = magnitude(field, subtract(field, a, b))
    value = multiply(field, half, add(field, add(field, a, b), spread))
    value = replace(value, nonnegative=x.nonnegative or y.nonnegative, held=None)
    return _beside_infinity(value, x, y, MINUS_INFINITY, PLUS_INFINITY)


def _is_extreme(x) -> bool:
    """A maximum over an axis, perhaps of nothing: where a running one starts."""
    return x.is_extreme or bool((kinds_of(x) == MINUS_INFINITY).all())


def _beside_infinity(value, x, y, neutral, absorbing):
    if x.kinds is None and y.kinds is None:
        return value
    a, b = kinds_of(x), kinds_of(y)
    residues = np.where(a == neutral, y.residues, value.residues)
    residues = np.where(b == neutral, x.residues, residues)
    kinds = np.where(a == neutral, b, np.where(b == neutral, a, NUMBER))
    kinds = np.where((a == absorbing) | (b == absorbing), absorbing, kinds)
    kinds = np.where((a == UNDEFINED) | (b == UNDEFINED), UNDEFINED, kinds)
    return replace(value, residues=residues, kinds=kinds if kinds.any() else None)


@rules.define("min")
def minimum(field, x, y):
    return negate(field, maximum(field, negate(field, x), negate(field, y)))


@rules.define("clamp")
def _clamp(field, least, x, most):
    return minimum(field, maximum(field, x, least), most)


def extreme(field, x: FieldArray, axes) -> FieldArray:
    """The maximum over axes: commutative, associative, and the element if all are one.

    A random permutation of pairs of residues carries the addition of pairs over to such
    an operation; an identity that holds for it follows from those two laws. Of several
    equal elements one counts.
    """
    if x.held is not None:
        most = x.held.max(tuple(axes), initial=-np.inf)
        return replace(field.lift(most).named(x.dtype), is_extreme=True)
    kept = [a for a in range(x.ndim) if a not in axes]
    shape = [x.shape[a] for a in kept]

    def first(a):
        return a.transpose([*axes, *kept]).reshape(-1, *shape)

    return _folded(field, x.moved(first))


def _extreme_of(field, *xs):
    return _folded(field, moved(lambda *a: np.stack(a), *alike(field, *xs)))


def _folded(field, x):
    """The maximum over the first axis."""
    kinds, names = kinds_of(x), field.name(x)
    if x.shape[0] == 1:
        return replace(x[0], is_extreme=True)
    field.note_arguments(x)
    pairs = field.permuted(field.canonical_pair(x))
    counted = (kinds == NUMBER) & ~_seen_before(names)
    total = np.where(counted, pairs, np.uint64(0))
    sums = np.stack(
        [
            row.sum(0) % np.uint64(m)
            for row, m in zip(total, field.moduli[::2], strict=True)
        ]
    )
    pair = field.permuted_back(sums)
    residues = np.empty((4, *x.shape[1:]), np.uint64)
    residues[::2] = pair
    value = FieldArray(residues, x.dtype, degree=VARIABLE, is_extreme=True)
    residues[1::2] = field.fresh("value", field.name(value), rows=Q_ROWS)
    only = counted.sum(0) == 1
    alone = np.take_along_axis(
        x.residues, counted.argmax(0)[None, None].repeat(4, 0), 1
    )[:, 0]
    residues = np.where(only, alone, residues)
    degree = VARIABLE.beside(x.degree) if only.any() else VARIABLE
    kinds = _kinds_of_extreme(kinds, counted)
    return replace(value, residues=residues, kinds=kinds, degree=degree)


def _seen_before(names):
    """Whether an element equals an earlier one along the first axis."""
    order = np.argsort(names, axis=0, kind="stable")
    ordered = np.take_along_axis(names, order, 0)
    repeated = np.zeros(names.shape, bool)
    repeated[1:] = ordered[1:] == ordered[:-1]
    result = np.empty_like(repeated)
    np.put_along_axis(result, order, repeated, 0)
    return result


def _kinds_of_extreme(kinds, counted):
    least = np.where(counted.any(0), NUMBER, MINUS_INFINITY)
    least = np.where((kinds == PLUS_INFINITY).any(0), PLUS_INFINITY, least)
    least = np.where((kinds == UNDEFINED).any(0), UNDEFINED, least).astype(np.uint8)
    return least if least.any() else None


rules.refuse(
    *("argmax", "argmin", "sort", "top_k", "select_and_scatter_add"),
    *("select_and_gather_add", "nextafter", "bitcast_convert_type"),
    because="residues have no order and no bits",
)
