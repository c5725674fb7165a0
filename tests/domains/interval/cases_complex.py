"""Containment cases for complex numbers, given and read part by part."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.domains.interval.cases import Case, Float
from tests.domains.interval.exact import ball, elementwise


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
    complex_case(
        "same_mul", "same:mul/complex", lambda x: x * x, lambda x: c_mul(x, x), 1
    ),
    complex_case(
        "cube",
        "integer_pow/complex",
        lambda x: lax.integer_pow(x, 3),
        lambda x: c_mul(x, c_mul(x, x)),
        1,
    ),
    complex_case(
        "inverse",
        "integer_pow/complex",
        lambda x: lax.integer_pow(x, -1),
        lambda x: c_div((Fraction(1), Fraction(0)), x),
        1,
    ),
    complex_case("abs", "abs/complex", lax.abs, c_abs, 1),
    complex_case("exp", "exp/complex", lax.exp, c_exp, 1),
    complex_case(
        "cast",
        "convert_element_type/complex",
        lambda x: lax.convert_element_type(x, jnp.complex64),
        lambda x: x,
        1,
    ),
    complex_case(
        "where",
        "select_n",
        lambda x, y: jnp.where(x.real < y.real, x, y),
        lambda x, y: x if x[0] < y[0] else y,
        2,
    ),
    Case(
        "complex_eq",
        ("eq/complex",),
        pairwise(lax.eq),
        elementwise(lambda a, b, c, d: a == c and b == d),
        (Float((8,), reach=1.0),) * 4,
    ),
    Case(
        "complex_ne",
        ("ne/complex",),
        pairwise(lax.ne),
        elementwise(lambda a, b, c, d: a != c or b != d),
        (Float((8,), reach=1.0),) * 4,
    ),
    Case(
        "complex_sum",
        ("reduce_sum/complex",),
        pairwise(lambda z: z.sum(1)),
        sum_of(np.sum, 1),
        (GRID, GRID),
    ),
    Case(
        "complex_cumsum",
        ("cumsum/complex",),
        pairwise(lambda z: lax.cumsum(z, 1)),
        sum_of(np.add.accumulate, 1),
        (GRID, GRID),
    ),
    Case(
        "complex_dot",
        ("dot_general/complex",),
        pairwise(lambda x, y: x @ y.T),
        lambda a, b, c, d: [a @ c.T - b @ d.T, a @ d.T + b @ c.T],
        (GRID,) * 4,
    ),
    Case(
        "complex_add_any",
        ("add_any/complex",),
        pairwise(lambda x, y: jax.vjp(lambda x: (x * y, x), x)[1]((x, y))[0]),
        exactly(lambda x, y: c_add(c_mul(x, y), y)),
        (PART,) * 4,
    ),
    Case(
        "complex_scatter_add",
        ("scatter-add",),
        pairwise(lambda x, u: x.at[jnp.array([1, 1, 0])].add(u)),
        lambda a, b, c, d: [
            np.stack([x[0] + u[2], x[1] + u[0] + u[1], x[2]])
            for x, u in ((a, c), (b, d))
        ],
        (GRID,) * 4,
    ),
    Case(
        "complex_from_real",
        ("convert_element_type/float",),
        lambda x: (x.astype(jnp.result_type(x, 1j)) * 1j).imag,
        elementwise(lambda x: x),
        (PART,),
    ),
]


CASES = [*COMPLEX]
