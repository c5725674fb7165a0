"""Containment cases for undecided integers and booleans, casts, and complex numbers."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.interval.cases import Bool, Case, Float, Int
from tests.domains.interval.exact import ball, elementwise

LOWEST, HIGHEST = -(2**31), 2**31 - 1
SMALL, LARGE = Int(), Int(least=HIGHEST - 20, most=HIGHEST)
LOW = Int(least=LOWEST, most=LOWEST + 20)


def wrapped(x):
    """What 32-bit arithmetic keeps of a whole number."""
    return (int(x) - LOWEST) % 2**32 + LOWEST


def whole(f):
    return elementwise(lambda *x: wrapped(f(*x)))


def divided(x, y):
    return x if y == 0 else int(Fraction(x, y))  # any number would do for y = 0


def left_over(x, y):
    return 0 if y == 0 else x - divided(x, y) * y


def ints(name, rule, f, g, *pairs):
    pairs = pairs or ((SMALL, SMALL),)
    return [
        Case(f"{name}_{n}", (f"{rule}/integer",), f, whole(g), pair)
        for n, pair in enumerate(pairs)
    ]


EVERYWHERE = ((SMALL, SMALL), (LARGE, SMALL), (LOW, SMALL))
ALONE = ((SMALL,), (LARGE,), (LOW,))
INTEGERS = [
    *ints("integer_add", "add", lax.add, lambda x, y: x + y, *EVERYWHERE),
    *ints("integer_sub", "sub", lax.sub, lambda x, y: x - y, *EVERYWHERE),
    *ints("integer_mul", "mul", lax.mul, lambda x, y: x * y, *EVERYWHERE),
    *ints("integer_div", "div", lax.div, divided, *EVERYWHERE),
    *ints("integer_rem", "rem", lax.rem, left_over, *EVERYWHERE, (SMALL, LOW)),
    *ints("integer_neg", "neg", lax.neg, lambda x: -x, *ALONE),
    *ints("integer_abs", "abs", lax.abs, abs, *ALONE),
    *ints("integer_square", "square", lax.square, lambda x: x * x, *ALONE),
    *ints("integer_same_mul", "same:mul", lambda x: x * x, lambda x: x * x, *ALONE),
    *ints("integer_same_sub", "same:sub", lambda x: x - x, lambda x: 0, *ALONE),
    *ints("integer_power", "integer_pow", lambda x: lax.integer_pow(x, 3),
          lambda x: x**3, *ALONE),
    Case("integer_eq", ("eq/integer",), lax.eq, elementwise(lambda x, y: x == y),
         (SMALL, SMALL)),
    Case("integer_ne", ("ne/integer",), lax.ne, elementwise(lambda x, y: x != y),
         (SMALL, SMALL)),
    Case("integer_where", ("select_n",), lambda x, y: jnp.where(x < y, x, y + 1),
         elementwise(lambda x, y: x if x < y else y + 1), (SMALL, SMALL)),
    Case("integer_max", ("max",), lax.max, elementwise(max), (SMALL, LARGE)),
]  # fmt: skip

ROWS = Int((3, 4))
HUGE_ROWS = Int((3, 4), HIGHEST // 3, HIGHEST)
WRAPPED = np.vectorize(wrapped, otypes=[object])


def window_sums(x):
    return WRAPPED(np.array([[x[i : i + 2, j : j + 2].sum() for j in range(3)]
                             for i in range(2)], object))  # fmt: skip


INTEGER_ARRAYS = [
    case
    for suffix, rows in (("", ROWS), ("_huge", HUGE_ROWS))
    for case in [
        Case("integer_sum" + suffix, ("reduce_sum/integer",), lambda x: jnp.sum(x, 1, dtype=jnp.int32),
             lambda x: WRAPPED(x.sum(1)), (rows,)),
        Case("integer_cumsum" + suffix, ("cumsum/integer",), lambda x: lax.cumsum(x, 1),
             lambda x: WRAPPED(np.add.accumulate(x, 1)), (rows,)),
        Case("integer_window_sum" + suffix, ("reduce_window_sum/integer",),
             lambda x: lax.reduce_window(x, 0, lax.add, (2, 2), (1, 1), "VALID"),
             window_sums, (rows,)),
        Case("integer_prod" + suffix, ("reduce_prod/integer",), lambda x: jnp.prod(x, 1, dtype=jnp.int32),
             lambda x: WRAPPED(x.prod(1)), (rows,)),
        Case("integer_cumprod" + suffix, ("cumprod/integer",), lambda x: lax.cumprod(x, 1),
             lambda x: WRAPPED(np.multiply.accumulate(x, 1)), (rows,)),
        Case("integer_dot" + suffix, ("dot_general/integer",),
             lambda x, y: lax.dot(x, y), lambda x, y: WRAPPED(x @ y), (rows, Int((4, 2)))),
        Case("integer_scatter_add" + suffix, ("scatter-add",),
             lambda x, u: x.at[jnp.array([1, 1])].add(u),
             lambda x, u: WRAPPED(np.stack([x[0], x[1] + u[0] + u[1], x[2]])),
             (rows, Int((2, 4)))),
        Case("integer_scatter_sub" + suffix, ("scatter-sub",),
             lambda x, u: x.at[jnp.array([1, 1])].subtract(u),
             lambda x, u: WRAPPED(np.stack([x[0], x[1] - u[0] - u[1], x[2]])),
             (rows, Int((2, 4)))),
    ]
]  # fmt: skip


def shifted(x, by, logical=False):
    if not 0 <= by < 32:
        return None
    return (x % 2**32 if logical else x) >> by


BITS = [
    Case("bool_and", ("and",), jnp.logical_and, elementwise(lambda x, y: x and y),
         (Bool(), Bool())),
    Case("bool_or", ("or",), jnp.logical_or, elementwise(lambda x, y: x or y),
         (Bool(), Bool())),
    Case("bool_xor", ("xor",), jnp.logical_xor, elementwise(lambda x, y: x != y),
         (Bool(), Bool())),
    Case("bool_not", ("not",), jnp.logical_not, elementwise(lambda x: not x), (Bool(),)),
    Case("any", ("reduce_or",), lambda x: jnp.any(x, 1), lambda x: x.any(1), (Bool((3, 4)),)),
    Case("all", ("reduce_and",), lambda x: jnp.all(x, 1), lambda x: x.all(1),
         (Bool((3, 4)),)),
    Case("parity", ("reduce_xor",),
         lambda x: lax.reduce_xor_p.bind(x, axes=(1,)),
         lambda x: np.array([sum(map(int, r)) % 2 == 1 for r in x], object), (Bool((3, 4)),)),
    Case("bool_scatter", ("scatter",), lambda x, u: x.at[jnp.array([1, 1])].set(u),
         lambda x, u: np.array([x[0], u[1], x[2]], object), (Bool((3,)), Bool((2,)))),
    *(
        Case(f"integer_{name}_{n}", (name,), f, elementwise(g), (pair, pair))
        for name, f, g in [
            ("and", lax.bitwise_and, lambda x, y: x & y),
            ("or", lax.bitwise_or, lambda x, y: x | y),
            ("xor", lax.bitwise_xor, lambda x, y: x ^ y),
        ]
        for n, pair in enumerate([SMALL, Int(least=0, most=9)])
    ),
    Case("integer_not", ("not",), lax.bitwise_not, elementwise(lambda x: ~x), (SMALL,)),
    Case("shift_right_arithmetic", ("shift_right_arithmetic",),
         lambda x, y: lax.shift_right_arithmetic(x, y), elementwise(shifted),
         (SMALL, Int(least=0, most=4))),
    Case("shift_right_logical", ("shift_right_logical",),
         lambda x, y: lax.shift_right_logical(x, y),
         elementwise(lambda x, y: wrapped(shifted(x, y, logical=True))),
         (SMALL, Int(least=0, most=4))),
    Case("shift_right_unsigned", ("shift_right_logical",),
         lambda x, y: lax.shift_right_logical(x.astype(jnp.uint32), y.astype(jnp.uint32)),
         elementwise(shifted), (Int(least=0, most=90), Int(least=0, most=4))),
    Case("shift_left", ("shift_left",), lax.shift_left, whole(lambda x, y: x << y),
         (SMALL, Int(least=0, most=4))),
]  # fmt: skip


def cast(name, kind, dtype, g, *inputs):
    return Case(name, (f"convert_element_type/{kind}",),
                lambda x: lax.convert_element_type(x, dtype), elementwise(g), inputs)  # fmt: skip


def as_byte(x):
    return (int(x) + 128) % 256 - 128


CASTS = [
    cast("float_to_int", "float", jnp.int32, math.trunc, Float(reach=2e9)),
    cast("float_to_bool", "float", jnp.bool_, lambda x: x != 0, Float()),
    cast("float_to_half", "float", jnp.float16, lambda x: x, Float()),
    cast("int_to_float", "integer", jnp.float32, Fraction, Int(least=2**24, most=2**25)),
    cast("int_to_byte", "integer", jnp.int8, as_byte, Int(least=-140, most=140)),
    cast("int_to_bool", "integer", jnp.bool_, bool, SMALL),
    cast("bool_to_float", "integer", jnp.float32, Fraction, Bool()),
    cast("bool_to_int", "integer", jnp.int32, int, Bool()),
]


def pairwise(f):
    """A function of complex numbers on (re, im) pairs."""

    def on_parts(*parts):
        numbers = [
            lax.complex(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)
        ]
        out = f(*numbers)
        return (out.real, out.imag) if jnp.iscomplexobj(out) else out

    return on_parts


def exactly(f):
    """The same on object arrays, `f` mapping (re, im) pairs to a pair or a number."""

    def on_parts(*parts):
        out = elementwise(lambda *p: Pair(f(*zip(p[::2], p[1::2], strict=True))))(
            *parts
        )
        if isinstance(out.flat[0].value, tuple):
            return [elementwise(lambda p, k=k: p.value[k])(out) for k in (0, 1)]
        return elementwise(lambda p: p.value)(out)

    return on_parts


class Pair:
    """Keeps numpy from unpacking a tuple."""

    def __init__(self, value):
        self.value = value


def c_add(x, y):
    return x[0] + y[0], x[1] + y[1]


def c_sub(x, y):
    return x[0] - y[0], x[1] - y[1]


def c_mul(x, y):
    return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]


def c_div(x, y):
    size = y[0] ** 2 + y[1] ** 2
    if size == 0:
        return None, None
    re, im = c_mul(x, (y[0], -y[1]))
    return re / size, im / size


def c_abs(x):
    return ball(x[0] ** 2 + x[1] ** 2).sqrt()


def c_exp(x):
    size, turn = ball(x[0]).exp(), ball(x[1])
    return size * turn.cos(), size * turn.sin()


PART = Float((8,), reach=20.0)


def complex_case(name, rule, f, g, arity):
    return Case(
        f"complex_{name}", (rule,), pairwise(f), exactly(g), (PART,) * (2 * arity)
    )


def sum_of(combine, axis):
    """A reduction over (re, im) pairs of matrices, part by part."""
    return lambda re, im: [combine(re, axis), combine(im, axis)]


GRID = Float((3, 4), reach=20.0)
COMPLEX = [
    complex_case("add", "add/complex", lax.add, c_add, 2),
    complex_case("sub", "sub/complex", lax.sub, c_sub, 2),
    complex_case("mul", "mul/complex", lax.mul, c_mul, 2),
    complex_case("div", "div/complex", lax.div, c_div, 2),
    complex_case("neg", "neg/complex", lax.neg, lambda x: (-x[0], -x[1]), 1),
    complex_case("conj", "conj", lax.conj, lambda x: (x[0], -x[1]), 1),
    complex_case("square", "square/complex", lax.square, lambda x: c_mul(x, x), 1),
    complex_case("same_mul", "same:mul/complex", lambda x: x * x, lambda x: c_mul(x, x), 1),
    complex_case("cube", "integer_pow/complex", lambda x: lax.integer_pow(x, 3),
                 lambda x: c_mul(x, c_mul(x, x)), 1),
    complex_case("inverse", "integer_pow/complex", lambda x: lax.integer_pow(x, -1),
                 lambda x: c_div((Fraction(1), Fraction(0)), x), 1),
    complex_case("abs", "abs/complex", lax.abs, c_abs, 1),
    complex_case("exp", "exp/complex", lax.exp, c_exp, 1),
    complex_case("cast", "convert_element_type/complex",
                 lambda x: lax.convert_element_type(x, jnp.complex64), lambda x: x, 1),
    complex_case("where", "select_n",
                 lambda x, y: jnp.where(x.real < y.real, x, y),
                 lambda x, y: x if x[0] < y[0] else y, 2),
    Case("complex_eq", ("eq/complex",), pairwise(lax.eq),
         elementwise(lambda a, b, c, d: a == c and b == d), (Float((8,), reach=1.0),) * 4),
    Case("complex_ne", ("ne/complex",), pairwise(lax.ne),
         elementwise(lambda a, b, c, d: a != c or b != d), (Float((8,), reach=1.0),) * 4),
    Case("complex_sum", ("reduce_sum/complex",), pairwise(lambda z: z.sum(1)),
         sum_of(np.sum, 1), (GRID, GRID)),
    Case("complex_cumsum", ("cumsum/complex",), pairwise(lambda z: lax.cumsum(z, 1)),
         sum_of(np.add.accumulate, 1), (GRID, GRID)),
    Case("complex_dot", ("dot_general/complex",), pairwise(lambda x, y: x @ y.T),
         lambda a, b, c, d: [a @ c.T - b @ d.T, a @ d.T + b @ c.T], (GRID,) * 4),
    Case("complex_add_any", ("add_any/complex",),
         pairwise(lambda x, y: jax.vjp(lambda x: (x * y, x), x)[1]((x, y))[0]),
         exactly(lambda x, y: c_add(c_mul(x, y), y)), (PART,) * 4),
    Case("complex_scatter_add", ("scatter-add",),
         pairwise(lambda x, u: x.at[jnp.array([1, 1, 0])].add(u)),
         lambda a, b, c, d: [np.stack([x[0] + u[2], x[1] + u[0] + u[1], x[2]])
                             for x, u in ((a, c), (b, d))], (GRID,) * 4),
    Case("complex_from_real", ("convert_element_type/float",),
         lambda x: (x.astype(jnp.result_type(x, 1j)) * 1j).imag,
         elementwise(lambda x: x), (PART,)),
]  # fmt: skip

CASES = [*INTEGERS, *INTEGER_ARRAYS, *BITS, *CASTS, *COMPLEX]
