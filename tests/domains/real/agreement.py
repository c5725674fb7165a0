"""Whether results are balls around the exact numbers, with the digits they promise.

No code of ours is used here beyond reading the balls of a result. An exact number is
an mpmath number of `ORACLE_DIGITS` digits, a Fraction, an Arb ball, a bool or an int,
+-inf, or None where the function has no value.
"""

from fractions import Fraction

import flint
import jax
import mpmath
import numpy as np

import torchlean_jax as tl

DIGITS = 30
ORACLE_DIGITS = 60
DOMAIN = tl.Real(digits=DIGITS)


def run(f, *inputs):
    return tl.interpret(f, domain=DOMAIN)(*inputs)


def leaves(result):
    """The elements of each leaf as an object array, real and imaginary parts apart."""
    for leaf in jax.tree.leaves(result, is_leaf=tl.Real.is_value):
        if not tl.Real.is_value(leaf):
            yield np.asarray(leaf).astype(object)
        elif leaf.is_complex:
            yield from (leaf.real.balls, leaf.imag.balls)
        else:
            yield leaf.balls


def disagreements(result, exact_result):
    """Every element of `result` that is not what `exact_result` says."""
    found = []
    columns = exact_result if isinstance(exact_result, tuple | list) else [exact_result]
    for balls, values in zip(leaves(result), columns, strict=True):
        values = np.asarray(values, object)
        assert balls.shape == values.shape, (balls.shape, values.shape)
        for index in np.ndindex(values.shape):
            why = disagreement(balls[index], values[index])
            if why:
                found.append(f"{index}: {why}")
    return found


def disagreement(ball, value) -> str | None:
    if not isinstance(ball, flint.arb):
        return None if value is not None and ball == value else f"{ball}, not {value}"
    if value is None:
        return None if is_nan(ball) else f"{ball.str(20)}, not undefined"
    if isinstance(value, float) and abs(value) == float("inf"):
        return None if ball == flint.arb(value) else f"{ball.str(20)}, not {value}"
    with flint.ctx.workprec(2000):
        center, slack = bracket(value)
        if not abs(ball.mid() - center) <= ball.rad() + slack:
            return f"{ball.str(40)} does not hold {center.str(40)}"
        small = abs(ball) < flint.arb(10) ** (-2 * DIGITS)
        if not (small or ball.rad() <= abs(center) * flint.arb(10) ** -DIGITS):
            return f"{ball.str(40)} has fewer than {DIGITS} digits"
    return None


def is_nan(ball):
    return ball.is_nan() and ball.rad() == 0


def bracket(value):
    """(center, how far the exact number may be from it)."""
    if isinstance(value, flint.arb):
        return value.mid(), value.rad()
    if isinstance(value, mpmath.mpf):
        man, exp = int(value.man), int(value.exp)
        sign = -1 if value < 0 and man > 0 else 1
        center = flint.arb(sign * man) * flint.arb(2) ** exp
        return center, abs(center) * flint.arb(10) ** -ORACLE_DIGITS
    value = Fraction(value)
    return flint.arb(flint.fmpq(value.numerator, value.denominator)), flint.arb(0)


def mp_elementwise(function):
    """`function` of mpmath numbers at each element of float arrays.

    Computed with 60 digits more than are relied on, for what mpmath loses on the way.
    """

    def apply(*arrays):
        arrays = np.broadcast_arrays(*map(np.asarray, arrays))
        out = np.empty(arrays[0].shape, object)
        with mpmath.workdps(2 * ORACLE_DIGITS):
            for index in np.ndindex(out.shape):
                out[index] = function(*[to_mp(a[index]) for a in arrays])
        return out

    return apply


def to_mp(x):
    if isinstance(x, complex | np.complexfloating):
        return mpmath.mpc(float(x.real), float(x.imag))
    return mpmath.mpf(float(x))
