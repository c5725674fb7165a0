"""Rules for functions of one element of each operand: the union of their sets.

Some known numbers decide the result whatever the others are: 0 in a product, False in a
conjunction, the predicate of a choice, a mask in an exponential. There the set is empty
or that of what was chosen. Sets of the others are unions: `x - x` counts as depending
on x.
"""

import functools

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.dependence import _facts
from torchlean_jax.domains.dependence._domain import table
from torchlean_jax.domains.dependence._value import (
    Elements,
    SetArray,
    placeholder,
    replaced,
)

UNIONS = (
    *("exp exp2 expm1 log log1p log2 logistic tanh sqrt rsqrt cbrt erf erfc".split()),
    *("erf_inv asin acos atan asinh acosh atanh sinh floor ceil round sign".split()),
    *("abs neg square integer_pow sin cos tan cosh one_minus_square".split()),
    *("polynomial lgamma digamma polygamma is_finite nextafter real imag".split()),
    *("conj complex atan2 not reduce_precision add add_any sub mul div rem".split()),
    *("pow max min clamp and or xor shift_right_logical eq ne lt le gt ge".split()),
    *("shift_right_arithmetic shift_left lt_to le_to convert_element_type".split()),
    *("igamma igammac zeta population_count clz bessel_i0e bessel_i1e".split()),
)


def _rule(domain, operation, *operands):
    out = _facts.outline(operation, operands)
    words = union(domain, operands, out.shape)
    known, value = np.zeros(out.shape, bool), np.zeros(out.shape, _plain(out.dtype))
    computed = _facts.elementwise(operation, operands)
    if computed is not None:
        known, value = known | computed[0], np.where(computed[0], computed[1], value)
    law = _LAWS.get(operation.name)
    if law is not None:
        decided, to = law(domain, operation, *operands)
        decided = decided & ~known
        known, value = known | decided, np.where(decided, to, value).astype(value.dtype)
    low, words = _lows(domain, operation.name, operands, out, words, known)
    return result(domain, words, known, value, low, out.dtype)


table.define_each(UNIONS, _rule)


def _plain(dtype):
    return dtype if isinstance(dtype, np.dtype) else np.uint32


def result(domain, words, known, value, low, dtype) -> SetArray:
    """A value from its parts; what is known depends on nothing."""
    if known.any():
        words = np.where(known[..., None], np.uint32(0), words)
        low = np.where(known, domain.is_mask(value), low)
    else:
        value = placeholder(known.shape, dtype)
    return SetArray(words, known, value, low, dtype)


def union(domain, operands, shape) -> np.ndarray:
    words = [w for w in map(_facts.words_of, operands) if w is not None]
    if not words:
        return domain.no_words(shape)
    total = functools.reduce(np.bitwise_or, words)
    return np.broadcast_to(total, (*shape, total.shape[-1]))


def _is_float(x):
    return jnp.issubdtype(x.dtype, jnp.floating)


_NOWHERE = np.False_, 0


def _product(domain, operation, a, b):
    (known_a, a), (known_b, b) = map(_facts.known_of, (a, b))
    zero = (known_a & (a == 0) & ~known_b) | (known_b & (b == 0) & ~known_a)
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        return zero, 0
    return _if_finite(domain, zero, 0)


def _quotient(domain, operation, a, b):
    (known_a, a), (known_b, _) = map(_facts.known_of, (a, b))
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        return _NOWHERE  # 0 / 0 of integers is -1
    return _if_finite(domain, known_a & (a == 0) & ~known_b, 0)


def _sum(domain, operation, a, b):
    """An infinity takes what is finite with it."""
    (known_a, a), (known_b, b) = map(_facts.known_of, (a, b))
    if not jnp.issubdtype(a.dtype, jnp.floating):
        return _NOWHERE
    sign = -1 if operation.name == "sub" else 1
    left, right = known_a & np.isinf(a) & ~known_b, known_b & np.isinf(b) & ~known_a
    return _if_finite(domain, left | right, np.where(left, a, sign * b))


def _if_finite(domain, where, value):
    if not domain.finite or not where.any():
        return _NOWHERE
    domain.assume_finite()
    return where, value


def _power(domain, operation, a, b):
    """To the power of 0 everything is 1, a NaN too."""
    known, b = _facts.known_of(b)
    return known & (b == 0), 1


def _and(domain, operation, a, b):
    return _absorbed(a, b, 0)


def _or(domain, operation, a, b):
    ones = True if a.dtype == bool else -1
    return _absorbed(a, b, np.asarray(ones).astype(a.dtype))


def _absorbed(a, b, absorbing):
    (known_a, a), (known_b, b) = map(_facts.known_of, (a, b))
    return (known_a & (a == absorbing)) | (known_b & (b == absorbing)), absorbing


def _of_mask(to):
    """A function that is constant, in floating point, on all masks."""

    def law(domain, operation, x):
        if not isinstance(x, SetArray) or not _is_float(x):
            return _NOWHERE
        return x.low & ~x.known, to

    return law


_LAWS = {
    "mul": _product,
    "div": _quotient,
    "add": _sum,
    "add_any": _sum,
    "sub": _sum,
    "pow": _power,
    "and": _and,
    "or": _or,
    "exp": _of_mask(0),
    "exp2": _of_mask(0),
    "logistic": _of_mask(0),
    "expm1": _of_mask(-1),
    "tanh": _of_mask(-1),
    "erf": _of_mask(-1),
}


def low_of(domain, x) -> Elements:
    return x.low if isinstance(x, SetArray) else domain.is_mask(np.asarray(x))


def _lows(domain, name, operands, out, words, known):
    """(which results are masks, the sets without those that a maximum discards)."""
    nowhere = np.broadcast_to(np.False_, out.shape)
    if name not in _KEEPS_MASKS or not domain.finite or not _is_float(out):
        return nowhere, words
    a, *rest = [low_of(domain, x) for x in operands]
    if name == "max":
        return a & rest[0], _larger(domain, operands, a, rest[0], words)
    if name == "min":
        low = a | rest[0]
    elif name in ("add", "add_any"):
        low = (a & ~_undoes(domain, operands[1])) | (
            rest[0] & ~_undoes(domain, operands[0])
        )
    elif name == "sub":
        low = a & ~rest[0] & ~_is_minus_infinity(operands[1])
    elif name in ("mul", "div"):
        low = a & _is_moderate(operands[1])
        if name == "mul":
            low = low | (rest[0] & _is_moderate(operands[0]))
    else:
        low = a
    low = low & ~known
    if low.any():
        domain.assume_masked()
    return low, words


_KEEPS_MASKS = frozenset(
    (
        *("add", "add_any", "sub", "mul", "div", "max", "min"),
        *("convert_element_type", "reduce_precision"),
    )
)


def _larger(domain, operands, a, b, words):
    """The sets of a maximum: a mask beside anything else is not the larger."""
    x, y = (domain.lift(operand) for operand in operands)
    kept = np.where((b & ~a)[..., None], x.words, words)
    kept = np.where((a & ~b)[..., None], y.words, kept)
    if (kept != words).any():
        domain.assume_masked()
    return kept


def _undoes(domain, x):
    """A number that may bring a mask up again."""
    known, value = _facts.known_of(x)
    return known & (value > -domain.mask / 2)


def _is_minus_infinity(x):
    known, value = _facts.known_of(x)
    return known & (value == -np.inf)


def _is_moderate(x):
    """A factor or divisor that leaves a mask a mask."""
    known, value = _facts.known_of(x)
    return known & (value >= 1e-3) & (value <= 1e3)


@table.define_op("select_n")
def _select(domain, operation, which, *cases):
    """Where the predicate is known, one case; elsewhere any, as the predicate says."""
    shape = np.shape(cases[0]) if not isinstance(cases[0], SetArray) else cases[0].shape
    lifted = [domain.lift(case) for case in cases]
    decided, index = _facts.known_of(which)
    decided, index = (np.broadcast_to(a, shape) for a in (decided, index))
    deciders = _facts.words_of(which)
    if deciders is None:
        deciders = domain.no_words(())
    value = lifted[0] if decided.all() else domain.one_of(lifted, deciders)
    for number, case in enumerate(lifted):
        value = replaced(value, decided & (index.astype(int) == number), case)
    return value
