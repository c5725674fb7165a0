"""Rules for comparisons, for what is made of booleans, and for casts.

A comparison that is decided gives ordinary booleans; an open one (1 - s(x - y)) / 2
with the uninterpreted sign s. Comparisons with an infinity, of equal numbers and of
constants are decided.
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
from torchlean_jax.domains.finite_field._order import finite, sign
from torchlean_jax.domains.finite_field._uninterpreted import (
    uninterpreted,
)
from torchlean_jax.domains.finite_field._value import (
    NUMBER,
    UNDEFINED,
    VARIABLE,
    FieldArray,
    kinds_of,
    moved,
    rules,
)


def _compared(field, x, y, decided):
    """The truth of a comparison as 0, 1 or, where it is open, (1 - s(x - y)) / 2.

    decided(a, b): the truth for arrays of floats, which hold the infinities, and 0 for
    all other elements.
    """
    if x.held is not None and y.held is not None:
        return decided(x.held, y.held)
    x, y = alike(field, x, y)
    if x.is_complex:
        raise UndecidedError("a comparison of complex numbers")
    a, b = _infinities(x), _infinities(y)
    gap = subtract(field, finite(x), finite(y))
    same = (gap.residues == 0).all(0) | (field.name(x) == field.name(y))
    same &= kinds_of(x) == kinds_of(y)
    known = same | (a != 0) | (b != 0)
    truth = decided(np.where(same, 0.0, a), np.where(same, 0.0, b))
    if known.all():
        return truth
    return gap, known, truth


def _infinities(x):
    """0 for numbers; a NaN for what is no number here is not decided as one."""
    if (kinds_of(x) == UNDEFINED).any():
        raise UndecidedError("a comparison with what may be no number (x/0, inf - inf)")
    return np.array([0.0, -np.inf, np.inf])[kinds_of(x)]


def _less(field, x, y, strict):
    if strict and x.nonnegative and y.held is not None and (y.held <= 0).all():
        return np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    compared = _compared(field, x, y, np.less if strict else np.less_equal)
    if not isinstance(compared, tuple):
        return compared
    gap, known, truth = compared
    spread = subtract(field, constant(field, 1.0, gap), sign(field, gap))
    share = multiply(field, spread, constant(field, 0.5, gap))
    return _flag(field, share, known, truth)


def _flag(field, share, known, truth):
    residues = np.where(known, truth.astype(np.uint64), share.residues)
    return FieldArray(residues, np.dtype(bool), degree=VARIABLE)


rules.define("lt", "lt_to")(lambda field, x, y: _less(field, x, y, True))
rules.define("le", "le_to")(lambda field, x, y: _less(field, x, y, False))
rules.define("gt")(lambda field, x, y: _less(field, y, x, True))
rules.define("ge")(lambda field, x, y: _less(field, y, x, False))


@rules.define("eq")
def equal(field, x, y):
    """A comparison of numbers that differ at a random point is still an open one: they
    may meet somewhere."""
    compared = _compared(field, x, y, np.equal)
    if not isinstance(compared, tuple):
        return compared
    gap, known, truth = compared
    opposite = negate(field, gap)
    both = field.fresh("eq", np.minimum(field.name(gap), field.name(opposite)))
    field.note_arguments(gap)
    return _flag(field, FieldArray(both, gap.dtype), known, truth)


@rules.define("ne")
def _unequal(field, x, y):
    return inverted_flag(field, equal(field, x, y))


@rules.define("same:eq", "same:le", "same:ge")
def _same(field, x, _):
    return _is_number(x)


@rules.define("same:ne")
def _differs(field, x, _):
    return ~_is_number(x)


@rules.define("same:lt", "same:gt")
def _never(field, x, _):
    return np.zeros(x.shape, bool)


@rules.define("is_finite")
def _is_finite(field, x):
    return _is_number(x) & (kinds_of(x) == NUMBER)


def _is_number(x):
    if (kinds_of(x) == UNDEFINED).any():
        raise UndecidedError("whether x/0 or inf - inf is a number")
    return np.ones(x.shape, bool)


def inverted_flag(field, x):
    if not isinstance(x, FieldArray):
        return ~x
    one = field.lift(np.ones(x.shape, bool))
    return subtract(field, one, x)


rules.define("not")(inverted_flag)


@rules.define("and")
def both(field, x, y):
    _only_flags(x, y)
    return multiply(field, x, y)


@rules.define("or")
def _or(field, x, y):
    return inverted_flag(
        field, both(field, inverted_flag(field, x), inverted_flag(field, y))
    )


@rules.define("xor")
def _xor(field, x, y):
    _only_flags(x, y)
    product = multiply(field, x, y)
    return subtract(field, add(field, x, y), add(field, product, product))


def _only_flags(*xs):
    if any(x.dtype != np.bool_ for x in xs):
        raise UndecidedError("the bits of an integer that depends on the inputs")


@rules.define_op("select_n")
def _select(field, operation, which, *cases):
    values = [field.lift(x) for x in cases]
    which = _broadcast_flag(which, values[0].shape)
    if not isinstance(which, FieldArray):
        return _chosen(np.asarray(which).astype(int), values)
    if len(values) != 2 or which.dtype != np.bool_:
        raise UndecidedError("which of several cases is taken depends on the inputs")
    no, yes = values
    gap = subtract(field, finite(yes), finite(no))
    value = add(field, finite(no), multiply(field, which, gap))
    a, b = kinds_of(no), kinds_of(yes)
    kinds = np.where(a == b, a, UNDEFINED)
    for truth, kind in ((0, a), (1, b)):
        kinds = np.where((which.residues == truth).all(0), kind, kinds)
    kinds = kinds.astype(np.uint8)
    value = replace(value, kinds=kinds if kinds.any() else None)
    return value.named(yes.dtype)


def _broadcast_flag(which, shape):
    if isinstance(which, FieldArray):
        return which.moved(lambda a: np.broadcast_to(a, shape))
    return which


def _chosen(which, values):
    """The predicate is known; a case that is not chosen may be anything."""

    def choose(*arrays):
        chosen = np.array(arrays[0])
        for number, array in enumerate(arrays[1:], 1):
            mask = np.broadcast_to(which == number, chosen.shape)
            chosen[mask] = array[mask]
        return chosen

    return moved(choose, *values)


@rules.define("convert_element_type")
def _convert(field, x, *, new_dtype):
    target = np.dtype(new_dtype)
    if x.is_complex or np.issubdtype(target, np.complexfloating):
        from torchlean_jax.domains.finite_field._complex import converted

        return converted(x, target)
    if target == np.bool_ and x.dtype != np.bool_:
        return inverted_flag(field, equal(field, x, constant(field, 0.0, x)))
    whole = np.issubdtype(target, np.integer)
    if not whole or x.dtype == np.bool_ or np.issubdtype(x.dtype, np.integer):
        return x.named(target)
    if x.held is not None and np.isfinite(x.held).all():
        return np.trunc(x.held).astype(target)
    return uninterpreted(field, "trunc", x, dtype=target)
