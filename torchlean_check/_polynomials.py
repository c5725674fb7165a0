"""Polynomials over the rationals: lists of coefficients, constant first.

Whether one is negative somewhere on an interval is decided, not bounded: its sign can
change only at a root of odd multiplicity, and Sturm's theorem counts those.

Source: Sturm 1829; the square-free factors by Yun 1976.
"""

import itertools
from fractions import Fraction

Polynomial = list[Fraction]


def trimmed(p) -> Polynomial:
    p = list(p)
    while p and not p[-1]:
        p.pop()
    return p


def value(p: Polynomial, x: Fraction) -> Fraction:
    total = Fraction(0)
    for coefficient in reversed(p):
        total = total * x + coefficient
    return total


def derivative(p: Polynomial, order: int = 1) -> Polynomial:
    for _ in range(order):
        p = [k * c for k, c in enumerate(p)][1:]
    return p


def plus(p: Polynomial, q: Polynomial, factor: int | Fraction = 1) -> Polynomial:
    """p + factor q."""
    longest = max(len(p), len(q))
    p, q = (list(r) + [Fraction(0)] * (longest - len(r)) for r in (p, q))
    return trimmed(a + factor * b for a, b in zip(p, q, strict=True))


def shifted(p: Polynomial, by: Fraction) -> Polynomial:
    """x -> p(x + by)."""
    p = list(p)
    for start in range(len(p)):
        for k in range(len(p) - 2, start - 1, -1):
            p[k] += by * p[k + 1]
    return trimmed(p)


def divided(p: Polynomial, q: Polynomial) -> tuple[Polynomial, Polynomial]:
    """(quotient, remainder); q is not zero."""
    rest, quotient = list(p), [Fraction(0)] * max(len(p) - len(q) + 1, 0)
    for k in range(len(quotient) - 1, -1, -1):
        factor = quotient[k] = rest[k + len(q) - 1] / q[-1]
        for j, c in enumerate(q):
            rest[k + j] -= factor * c
    return trimmed(quotient), trimmed(rest[: len(q) - 1])


def common_factor(p: Polynomial, q: Polynomial) -> Polynomial:
    """The greatest common divisor, with leading coefficient 1."""
    while q:
        p, q = q, divided(p, q)[1]
    return [c / p[-1] for c in p]


def odd_part(p: Polynomial) -> Polynomial:
    """The product of the factors of odd multiplicity, each once."""
    result = [Fraction(1)]
    shared = common_factor(p, trimmed(derivative(p)))
    left, multiplicity = divided(p, shared)[0], 1  # every root once
    while len(left) > 1:
        more = common_factor(left, shared)  # those of a higher multiplicity
        if multiplicity % 2:
            own = divided(left, more)[0]
            result = product(result, own)
        left, shared = more, divided(shared, more)[0]
        multiplicity += 1
    return result


def product(p: Polynomial, q: Polynomial) -> Polynomial:
    if not p or not q:
        return []
    result = [Fraction(0)] * (len(p) + len(q) - 1)
    for j, a in enumerate(p):
        for k, b in enumerate(q):
            result[j + k] += a * b
    return result


def roots_between(p: Polynomial, a: Fraction, b: Fraction) -> int:
    """How many different roots a square-free p has in the open interval (a, b)."""
    for end in (a, b):
        if len(p) > 1 and not value(p, end):
            p = divided(p, [-end, Fraction(1)])[0]
    chain = [p, trimmed(derivative(p))]
    while chain[-1]:
        chain.append([-c for c in divided(chain[-2], chain[-1])[1]])
    return _changes(chain, a) - _changes(chain, b)


def _changes(chain, x):
    signs = [v > 0 for v in (value(p, x) for p in chain) if v]
    return sum(s != t for s, t in itertools.pairwise(signs))


def negative_somewhere(p: Polynomial, a: Fraction, b: Fraction) -> Fraction | None:
    """A point of [a, b] at which p < 0, or None if p >= 0 throughout.

    Exact, and complete: one of the two is always found.
    """
    p = trimmed(p)
    if not p:
        return None
    for end in (a, b):
        if value(p, end) < 0:
            return end
    odd = odd_part(p)
    if len(odd) > 1 and roots_between(odd, a, b):
        return _between(p, odd, a, b)
    # one sign inside: any point that is not a root shows it
    count = len(p) + 1
    inside = [a + (b - a) * Fraction(k, count + 1) for k in range(1, count + 1)]
    return next((x for x in inside if value(p, x) < 0), None)


def _between(p, odd, a, b):
    """Bisection around a change of sign, until an end or a middle is negative."""
    while True:
        middle = (a + b) / 2
        if value(p, middle) < 0:
            return middle
        if roots_between(odd, a, middle):
            b = middle
        elif roots_between(odd, middle, b):
            a = middle
        else:  # the one change of sign is at the middle itself: p < 0 on one side of it
            step = (b - a) / 4
            while True:
                for x in (middle - step, middle + step):
                    if value(p, x) < 0:
                        return x
                step /= 2
