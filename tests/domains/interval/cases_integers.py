"""Containment cases for undecided integers and booleans, and for casts."""

import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.interval.cases import Bool, Case, Float, Int
from tests.domains.interval.exact import elementwise

LOWEST, HIGHEST = -(2**31), 2**31 - 1
SMALL, ANY = Int(), Int(extremes=True)


def wrapped(x):
    """What 32-bit arithmetic keeps of a whole number."""
    return (int(x) - LOWEST) % 2**32 + LOWEST


def whole(f):
    return elementwise(lambda *x: wrapped(f(*x)))


def divided(x, y):
    return x if y == 0 else int(Fraction(x, y))  # any number would do for y = 0


def left_over(x, y):
    return 0 if y == 0 else x - divided(x, y) * y


def integers(name, rule, f, g, arity=2):
    """A case whose first operand comes near both ends of int32, where results wrap."""
    inputs = (ANY, SMALL)[:arity]
    return Case(f"integer_{name}", (f"{rule}/integer",), f, whole(g), inputs)


INTEGERS = [
    integers("add", "add", lax.add, lambda x, y: x + y),
    integers("sub", "sub", lax.sub, lambda x, y: x - y),
    integers("mul", "mul", lax.mul, lambda x, y: x * y),
    integers("div", "div", lax.div, divided),
    integers("rem", "rem", lax.rem, left_over),
    Case(
        "integer_rem_of_small",
        ("rem/integer",),
        lax.rem,
        whole(left_over),
        (SMALL, ANY),
    ),
    integers("neg", "neg", lax.neg, lambda x: -x, 1),
    integers("abs", "abs", lax.abs, abs, 1),
    integers("square", "square", lax.square, lambda x: x * x, 1),
    integers("same_mul", "same:mul", lambda x: x * x, lambda x: x * x, 1),
    integers("same_sub", "same:sub", lambda x: x - x, lambda x: 0, 1),
    integers(
        "power", "integer_pow", lambda x: lax.integer_pow(x, 3), lambda x: x**3, 1
    ),
    Case(
        "integer_eq",
        ("eq/integer",),
        lax.eq,
        elementwise(lambda x, y: x == y),
        (SMALL, SMALL),
    ),
    Case(
        "integer_ne",
        ("ne/integer",),
        lax.ne,
        elementwise(lambda x, y: x != y),
        (SMALL, SMALL),
    ),
    Case(
        "integer_where",
        ("select_n",),
        lambda x, y: jnp.where(x < y, x, y + 1),
        elementwise(lambda x, y: x if x < y else y + 1),
        (SMALL, SMALL),
    ),
    Case("integer_max", ("max",), lax.max, elementwise(max), (SMALL, ANY)),
]

ROWS = Int((3, 4))


HUGE_ROWS = Int((3, 4), HIGHEST // 3, HIGHEST)


WRAPPED = np.vectorize(wrapped, otypes=[object])


def window_sums(x):
    return WRAPPED(
        np.array(
            [[x[i : i + 2, j : j + 2].sum() for j in range(3)] for i in range(2)],
            object,
        )
    )


INTEGER_ARRAYS = [
    case
    for suffix, rows in (("", ROWS), ("_huge", HUGE_ROWS))
    for case in [
        Case(
            "integer_sum" + suffix,
            ("reduce_sum/integer",),
            lambda x: jnp.sum(x, 1, dtype=jnp.int32),
            lambda x: WRAPPED(x.sum(1)),
            (rows,),
        ),
        Case(
            "integer_cumsum" + suffix,
            ("cumsum/integer",),
            lambda x: lax.cumsum(x, 1),
            lambda x: WRAPPED(np.add.accumulate(x, 1)),
            (rows,),
        ),
        Case(
            "integer_window_sum" + suffix,
            ("reduce_window_sum/integer",),
            lambda x: lax.reduce_window(x, 0, lax.add, (2, 2), (1, 1), "VALID"),
            window_sums,
            (rows,),
        ),
        Case(
            "integer_prod" + suffix,
            ("reduce_prod/integer",),
            lambda x: jnp.prod(x, 1, dtype=jnp.int32),
            lambda x: WRAPPED(x.prod(1)),
            (rows,),
        ),
        Case(
            "integer_cumprod" + suffix,
            ("cumprod/integer",),
            lambda x: lax.cumprod(x, 1),
            lambda x: WRAPPED(np.multiply.accumulate(x, 1)),
            (rows,),
        ),
        Case(
            "integer_dot" + suffix,
            ("dot_general/integer",),
            lax.dot,
            lambda x, y: WRAPPED(x @ y),
            (rows, Int((4, 2))),
        ),
        Case(
            "integer_scatter_add" + suffix,
            ("scatter-add",),
            lambda x, u: x.at[jnp.array([1, 1])].add(u),
            lambda x, u: WRAPPED(np.stack([x[0], x[1] + u[0] + u[1], x[2]])),
            (rows, Int((2, 4))),
        ),
        Case(
            "integer_scatter_sub" + suffix,
            ("scatter-sub",),
            lambda x, u: x.at[jnp.array([1, 1])].subtract(u),
            lambda x, u: WRAPPED(np.stack([x[0], x[1] - u[0] - u[1], x[2]])),
            (rows, Int((2, 4))),
        ),
    ]
]


def shifted(x, by, logical=False):
    if not 0 <= by < 32:
        return None
    return (x % 2**32 if logical else x) >> by


BITS = [
    Case(
        "bool_and",
        ("and",),
        jnp.logical_and,
        elementwise(lambda x, y: x and y),
        (Bool(), Bool()),
    ),
    Case(
        "bool_or",
        ("or",),
        jnp.logical_or,
        elementwise(lambda x, y: x or y),
        (Bool(), Bool()),
    ),
    Case(
        "bool_xor",
        ("xor",),
        jnp.logical_xor,
        elementwise(lambda x, y: x != y),
        (Bool(), Bool()),
    ),
    Case(
        "bool_not", ("not",), jnp.logical_not, elementwise(lambda x: not x), (Bool(),)
    ),
    Case(
        "any",
        ("reduce_or",),
        lambda x: jnp.any(x, 1),
        lambda x: x.any(1),
        (Bool((3, 4)),),
    ),
    Case(
        "all",
        ("reduce_and",),
        lambda x: jnp.all(x, 1),
        lambda x: x.all(1),
        (Bool((3, 4)),),
    ),
    Case(
        "parity",
        ("reduce_xor",),
        lambda x: lax.reduce_xor_p.bind(x, axes=(1,)),
        lambda x: np.array([sum(map(int, r)) % 2 == 1 for r in x], object),
        (Bool((3, 4)),),
    ),
    Case(
        "bool_scatter",
        ("scatter",),
        lambda x, u: x.at[jnp.array([1, 1])].set(u),
        lambda x, u: np.array([x[0], u[1], x[2]], object),
        (Bool((3,)), Bool((2,))),
    ),
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
    Case(
        "shift_right_arithmetic",
        ("shift_right_arithmetic",),
        lax.shift_right_arithmetic,
        elementwise(shifted),
        (SMALL, Int(least=0, most=4)),
    ),
    Case(
        "shift_right_logical",
        ("shift_right_logical",),
        lax.shift_right_logical,
        elementwise(lambda x, y: wrapped(shifted(x, y, logical=True))),
        (SMALL, Int(least=0, most=4)),
    ),
    Case(
        "shift_right_unsigned",
        ("shift_right_logical",),
        lambda x, y: lax.shift_right_logical(
            x.astype(jnp.uint32), y.astype(jnp.uint32)
        ),
        elementwise(shifted),
        (Int(least=0, most=90), Int(least=0, most=4)),
    ),
    Case(
        "shift_left",
        ("shift_left",),
        lax.shift_left,
        whole(lambda x, y: x << y),
        (SMALL, Int(least=0, most=4)),
    ),
]


def cast(name, kind, dtype, g, *inputs):
    return Case(
        name,
        (f"convert_element_type/{kind}",),
        lambda x: lax.convert_element_type(x, dtype),
        elementwise(g),
        inputs,
    )


def as_byte(x):
    return (int(x) + 128) % 256 - 128


CASTS = [
    cast("float_to_int", "float", jnp.int32, math.trunc, Float(reach=2e9)),
    cast("float_to_bool", "float", jnp.bool_, lambda x: x != 0, Float()),
    cast("float_to_half", "float", jnp.float16, lambda x: x, Float()),
    cast(
        "int_to_float", "integer", jnp.float32, Fraction, Int(least=2**24, most=2**25)
    ),
    cast("int_to_byte", "integer", jnp.int8, as_byte, Int(least=-140, most=140)),
    cast("int_to_bool", "integer", jnp.bool_, bool, SMALL),
    cast("bool_to_float", "integer", jnp.float32, Fraction, Bool()),
    cast("bool_to_int", "integer", jnp.int32, int, Bool()),
]


CASES = [*INTEGERS, *INTEGER_ARRAYS, *BITS, *CASTS]
