"""Networks of hat functions within eps of a function given as a program.

    N(x) = sum over nodes k of values[k] hat(scale x + shift - k),
    hat(s) = max(0, 1 + min(0, s_1 .. s_d) - max(0, s_1 .. s_d)).

In t = scale x + shift the nodes are the integer points 0 .. n - 1 along each axis, and
N is affine on each simplex {1 >= t_p1 - k_p1 >= .. >= t_pd - k_pd >= 0} of a unit cell
(Kuhn's triangulation), with values[k] at its corners: hats are 1 at their own node, 0
at the others, affine there, and sum to 1. With l_i the barycentric coordinates of x
between the corners v_i, by Taylor's theorem around x

    |f(x) - sum l_i f(v_i)|  <=  1/2 sum l_i |(v_i - x)^T H_i (v_i - x)|
                             <=  1/8 sum_ab sup |H_ab| h_a h_b,

H_i a mean of Hessians of f over the cell, h its sides: the mean of (v_i - x)_a^2 is the
variance of a number that lies within h_a, at most h_a^2 / 4, and mixed ones follow by
Cauchy and Schwarz. Of the series of f over the cell the part of degree 2 has H_aa / 2
and H_ab, a < b, for its coefficients c: the bound is the sum of |c_m| h^m over all
monomials m of degree 2, divided by 4. What N is off at the corners is added; it is
decided there, and hats that sum to 1 carry it over.

Source: Waldron 1998 (SIAM J. Numer. Anal. 35), for the error; He, Li, Xu and Zheng 2020
(arXiv:1807.03973), section 3, for the hats.
"""

import itertools
import math
from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._fixed import exact, fixed
from torchlean_check._loops import Box, all_grades, parts
from torchlean_check._programs import Program, digest, read_program, values
from torchlean_check._ranges import read_ranges, told
from torchlean_check._rationals import rational
from torchlean_check._schema import checked_shape, fail, fields

MAX_SIZE, MAX_NODES = 3, 100_000


def curvature(f: Program, cell: Box) -> Fraction:
    """How far f is from its linear interpolants on the cell, at most."""
    grades = all_grades(f.inputs, 2)
    series = parts(f, grades, [fixed(*x) for x in cell], 3)
    total = Fraction(0)
    for c, monomial in zip(series[2][0], grades.monomials[2], strict=True):
        reach = exact(max(-c[0], c[1]))
        for (a, b), power in zip(cell, monomial, strict=True):
            reach *= (b - a) ** power
        total += reach
    return total / 4


def off_at(f: Program, point: list[Fraction], value: Fraction) -> Fraction:
    """|f - value| at a point, at most."""
    (found,) = values(f, [fixed(x) for x in point])
    return max(exact(found[1]) - value, value - exact(found[0]))


def require_near(f: Program, nodes: list[list[Fraction]], at, eps: Fraction):
    """(distance of the interpolant, of the values at nodes); NotProved above eps."""
    far, close = Fraction(0), Fraction(0)
    for k, point in enumerate(itertools.product(*nodes)):
        close = max(close, off_at(f, list(point), at[k]))
        _require(close, eps, "the value at the node", [(x, x) for x in point])
    for cell in itertools.product(*map(itertools.pairwise, nodes)):
        far = max(far, curvature(f, list(cell)))
        _require(far + close, eps, "the network on the cell", list(cell))
    return far, close


def _require(found: Fraction, eps: Fraction, what: str, cell: Box):
    if found > eps:
        lo, hi = ([float(x[end]) for x in cell] for end in (0, 1))
        raise NotProved(
            f"{what} from {lo} to {hi} may be {told(found)} off, more than {told(eps)}"
        )


def _nodes(scale: Fraction, shift: Fraction, count: int) -> list[Fraction]:
    return [(k - shift) / scale for k in range(count)]


def check_interpolant(document: dict) -> str:
    """The claim of a document, in words; NotProved if it does not follow."""
    document = fields(document, "interpolant", format=str, version=int, function=dict,
                      box=dict, scale=[str], shift=[str], shape=[int], values=[str],
                      eps=str)  # fmt: skip
    shape = checked_shape(document["shape"], "shape")
    size, count = len(shape), math.prod(shape)
    if document["version"] != 1 or not 1 <= size <= MAX_SIZE:
        fail("shape", f"1 to {MAX_SIZE} axes, and version 1")
    if min(shape) < 2 or count > MAX_NODES or len(document["values"]) != count:
        fail("values", f"one for each of 2 or more nodes an axis, at most {MAX_NODES}")
    f = read_program(document["function"], "function", size, 1)
    box = read_ranges(document["box"], "box", size)
    eps = rational(document["eps"], "eps")
    at = [rational(v, f"values[{k}]") for k, v in enumerate(document["values"])]
    nodes = []
    for k, (lo, hi) in enumerate(box):
        if not len(document["scale"]) == len(document["shift"]) == size:
            fail("scale", f"scale and shift need {size} numbers each")
        scale, shift = (rational(document[n][k], n) for n in ("scale", "shift"))
        if scale <= 0:
            fail("scale", "must be positive")
        nodes.append(_nodes(scale, shift, shape[k]))
        if not nodes[k][0] <= lo <= hi <= nodes[k][-1]:
            fail("box", "must lie between the first and the last node of each axis")
    far, close = require_near(f, nodes, at, eps)
    ends = [[float(x[end]) for x in box] for end in (0, 1)]
    return (
        f"|f(x) - N(x)| <= {eps} for every real x from {ends[0]} to {ends[1]}, f the "
        f"program of the file ({digest(document['function'])[:12]}) and N the network "
        f"of hats on its {count} nodes, in real arithmetic: the interpolant is at most "
        f"{told(far)} off, its values at the nodes {told(close)}. Assumed: nothing "
        "further."
    )
