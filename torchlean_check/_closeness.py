"""How far a piecewise polynomial is from a function given as a program, at most.

On a cell with middle m, for |t| <= r, by Taylor's theorem with c_k the coefficients of
f at m, C those of degree D over the cell, and q_k the polynomial's at m, exactly,

    |f(m + t) - p(m + t)|  <=  sum_{k < D} |c_k - q_k| r^k + |C| r^D
                               + sum_{k >= D} |q_k| r^k.

Cells are cut, the widest first, until that is at most the distance that is asked about,
or until f is seen to be farther off at a middle, which refutes the claim. Where f is as
far off as that and no farther, it stays open.
"""

from collections import deque
from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._fixed import Fixed, exact, fixed, minus
from torchlean_check._loops import all_grades, parts
from torchlean_check._polynomials import shifted
from torchlean_check._programs import Program
from torchlean_check._ranges import told

DEGREE, MAX_CELLS = 4, 20_000
NARROWEST = Fraction(1, 1 << 40)


def require_close(pieces, f: Program, most: Fraction) -> None:
    """NotProved unless |f - p| <= most on every (start, end, p in x - start)."""
    waiting = deque((a, b, a, p) for a, b, p in pieces)
    seen = 0
    while waiting:
        lo, hi, start, p = waiting.popleft()
        middle, seen = (lo + hi) / 2, seen + 1
        own = [fixed(q) for q in shifted(p, middle - start)]
        own += [(0, 0)] * (DEGREE - len(own))
        at = parts(f, all_grades(1, DEGREE), [fixed(middle)], DEGREE)
        off = [minus(part[0][0], q) for part, q in zip(at, own, strict=False)]
        if _least(off[0]) > most:
            raise NotProved(
                f"the function at {float(middle)} is {told(_least(off[0]))} or more "
                f"from it, beyond {told(most)}"
            )
        wide, r = _wide(f, lo, hi), (hi - lo) / 2
        if wide is not None:
            off += [wide, *own[DEGREE:]]
            degrees = [*range(DEGREE + 1), *range(DEGREE, len(own))]
            if sum(_most(c) * r**k for c, k in zip(off, degrees, strict=True)) <= most:
                continue
        if seen + len(waiting) > MAX_CELLS or r < NARROWEST:
            raise NotProved(
                f"not decided, after {seen} cells, whether the function is within "
                f"{told(most)} from {float(lo)} to {float(hi)}"
            )
        waiting += [(lo, middle, start, p), (middle, hi, start, p)]


def _wide(f: Program, lo: Fraction, hi: Fraction) -> Fixed | None:
    """The coefficients of degree D over the cell, if they are known to exist."""
    try:
        return parts(f, all_grades(1, DEGREE), [fixed(lo, hi)], DEGREE + 1)[-1][0][0]
    except NotProved:
        return None


def _most(x: Fixed) -> Fraction:
    return exact(max(-x[0], x[1]))


def _least(x: Fixed) -> Fraction:
    return exact(max(x[0], -x[1], 0))
