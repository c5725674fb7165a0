"""Rules for sums, products, quotients and whole powers, and for what is infinite.

A quotient by a residue that happens to be 0 is no number, and the evaluation is
repeated at another point.
"""

from dataclasses import replace

import numpy as np

from torchlean_jax.domains.finite_field._primes import inverse_mod
from torchlean_jax.domains.finite_field._value import (
    CONSTANT,
    MINUS_INFINITY,
    NUMBER,
    PLUS_INFINITY,
    UNDEFINED,
    FieldArray,
    kinds_of,
    levels_of,
    rules,
)


def each_modulus(field, function, *residues: np.ndarray) -> np.ndarray:
    """`function(*rows, m)` for each modulus; residues are uint64[4, ...]."""
    rows = zip(*residues, strict=True)
    return np.stack(
        [function(*row, m) for row, m in zip(rows, field.moduli, strict=True)]
    )


def add_mod(x, y, m):
    return (x + y) % np.uint64(m)


def multiply_mod(x, y, m):
    return x * y % np.uint64(m)


def negate_mod(x, m):
    return (np.uint64(m) - x) % np.uint64(m)


def result(residues, *xs, kinds=None, degree=CONSTANT, held=None, positive=False):
    """A value made of operands, of the dtype of the first. positive: that sums and
    products of nonnegative numbers are so goes for this operation too."""
    return FieldArray(
        residues,
        xs[0].dtype,
        kinds,
        levels_of(*xs),
        degree,
        held,
        positive and all(x.nonnegative for x in xs),
    )


def folded(x, y, function, undo):
    """`function` of two constants as binary64, if it is exact: else None.

    x + y = s is exact if s - x = y and s - y = x (Knuth 1969); a product of numbers of
    24 bits always is, and a quotient if it is short and times y gives x.
    """
    if x.held is None or y.held is None:
        return None
    with np.errstate(all="ignore"):
        value = function(x.held, y.held)
        exact = np.isfinite(value) & undo(value, x.held, y.held)
    return value if exact.all() else None


def is_short(x):
    """Whether numbers have at most 24 bits, so that products are exact in binary64."""
    return x == x.astype(np.float32)


def _undone_sum(s, x, y):
    return (s - x == y) & (s - y == x)


def _undone_product(s, x, y):
    # no subnormals: their products lose bits
    return is_short(x) & is_short(y) & ((s == 0) == ((x == 0) | (y == 0)))


def _undone_quotient(s, x, y):
    return is_short(s) & is_short(y) & (y != 0) & (s * y == x)


@rules.define("add", "add_any")
def add(field, x, y):
    x, y = alike(field, x, y)
    residues = each_modulus(field, add_mod, x.residues, y.residues)
    kinds = _kinds_of_sum(x, y)
    return result(
        residues,
        x,
        y,
        kinds=kinds,
        degree=x.degree + y.degree,
        held=folded(x, y, np.add, _undone_sum),
        positive=True,
    )


def _kinds_of_sum(x, y):
    if x.kinds is None and y.kinds is None:
        return None
    a, b = np.broadcast_arrays(kinds_of(x), kinds_of(y))
    either = np.where(a == NUMBER, b, a)
    return np.where((a != NUMBER) & (b != NUMBER) & (a != b), UNDEFINED, either)


@rules.define("neg")
def negate(field, x):
    residues = each_modulus(field, negate_mod, x.residues)
    kinds = None if x.kinds is None else _OPPOSITE[x.kinds]
    held = None if x.held is None else -x.held
    return FieldArray(residues, x.dtype, kinds, x.levels, x.degree, held)


_OPPOSITE = np.array([NUMBER, PLUS_INFINITY, MINUS_INFINITY, UNDEFINED], np.uint8)


@rules.define("sub")
def subtract(field, x, y):
    return add(field, x, negate(field, y))


@rules.define("mul")
def multiply(field, x, y):
    x, y = alike(field, x, y)
    residues = each_modulus(field, multiply_mod, x.residues, y.residues)
    degree = x.degree.times(y.degree)
    return result(
        residues,
        x,
        y,
        kinds=_kinds_of_product(x, y),
        degree=degree,
        held=folded(x, y, np.multiply, _undone_product),
        positive=True,
    )


def _kinds_of_product(x, y):
    """An infinity times a constant keeps or turns its sign; times anything else, whose
    sign is not known, it is undefined here."""
    if x.kinds is None and y.kinds is None:
        return None
    kinds = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.uint8)
    for a, b in ((x, y), (y, x)):
        wild = np.broadcast_to(kinds_of(a), kinds.shape)
        sign = np.zeros(b.shape) if b.held is None else np.sign(b.held)
        turned = np.where(sign > 0, wild, _OPPOSITE[wild])
        turned = np.where(sign == 0, UNDEFINED, turned)
        kinds = np.where((wild != NUMBER) & (kinds != UNDEFINED), turned, kinds)
    return kinds.astype(np.uint8)


def invert(field, x: FieldArray) -> FieldArray:
    """1/x: 0 of an infinity, no number of 0."""
    infinite = kinds_of(x) != NUMBER
    zero = (x.residues == 0).any(0)
    zero = zero.any(0) if x.is_complex else zero
    safe = np.where(x.residues == 0, np.uint64(1), x.residues)
    residues = each_modulus(field, inverse_mod, safe)
    kinds = None
    if zero.any() or infinite.any():
        undefined = (zero & ~infinite) | (kinds_of(x) == UNDEFINED)
        kinds = np.where(undefined, UNDEFINED, NUMBER).astype(np.uint8)
        residues = np.where(infinite, np.uint64(0), residues)
    degree = x.degree.inverted(field.distinct(x))
    return result(residues, x, kinds=kinds, degree=degree, positive=True)


@rules.define("div")
def divide(field, x, y):
    x, y = alike(field, x, y)
    inverse = invert(field, y)
    value = multiply(field, x, inverse)
    if x.kinds is not None and y.held is not None:  # -inf / 8 is -inf
        signed = replace(inverse, held=np.sign(y.held))
        value = replace(value, kinds=_kinds_of_product(x, signed))
    return replace(value, held=folded(x, y, np.divide, _undone_quotient))


@rules.define("square")
def square(field, x):
    return replace(multiply(field, x, x), nonnegative=not x.is_complex)


@rules.define("same:mul")
def _times_itself(field, x, _):
    return square(field, x)


@rules.define("integer_pow")
def whole_power(field, x, *, y):
    if y < 0:
        return whole_power(field, invert(field, x), y=-y)
    if y == 0:
        return constant(field, 1.0, x)
    power = x
    for bit in bin(y)[3:]:
        power = multiply(field, power, power)
        if bit == "1":
            power = multiply(field, power, x)
    real = not x.is_complex
    return replace(
        power,
        degree=x.degree.powered(y),
        nonnegative=x.nonnegative or (y % 2 == 0 and real),
    )


@rules.define("one_minus_square")
def _one_minus_square(field, x):
    return subtract(field, constant(field, 1.0, x), square(field, x))


@rules.define("polynomial")
def _polynomial(field, x, *coefficients, unroll=None):
    *rest, value = coefficients
    for coefficient in reversed(rest):
        value = add(field, multiply(field, value, x), coefficient)
    return value


def constant(field, number, like: FieldArray) -> FieldArray:
    """`number` in every element of an array shaped and named like `like`."""
    return field.lift(np.full(like.shape, number, like.dtype))


def alike(field, x: FieldArray, y: FieldArray):
    """Both of one shape (JAX lets a scalar stand beside an array), and both complex
    where one is."""
    if x.shape != y.shape:
        shape = np.broadcast_shapes(x.shape, y.shape)
        x, y = (v.moved(lambda a: np.broadcast_to(a, shape)) for v in (x, y))
    return of_one_kind(x, y)


def of_one_kind(x: FieldArray, y: FieldArray):
    """Both complex where one is."""
    if x.is_complex == y.is_complex:
        return x, y
    return as_complex(x), as_complex(y)


def as_complex(x: FieldArray) -> FieldArray:
    """A real number is its own conjugate."""
    if x.is_complex:
        return x
    dtype = np.complex128 if x.dtype == np.float64 else np.complex64
    both = np.stack([x.residues, x.residues], 1)
    return FieldArray(both, np.dtype(dtype), x.kinds, x.levels, x.degree, None)
