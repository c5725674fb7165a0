"""What a VNN-LIB 1.0 file says, by direct evaluation: the oracle of the reader.

Shares nothing with the reader: its own way to split the text, its own recursion, and
numbers as `Fraction` reads them.
"""

import itertools
from fractions import Fraction


def expressions(text):
    """The file as nested tuples of words."""
    lines = [line.partition(";")[0] for line in text.splitlines()]
    words = " ".join(lines).replace("(", " ( ").replace(")", " ) ").split()
    return _many(iter(words))


def _many(words):
    found = []
    for word in words:
        if word == ")":
            break
        found.append(_many(words) if word == "(" else word)
    return tuple(found)


def value(term, point):
    """The value of a term at a point: a dict from X_i and Y_j to exact numbers."""
    if isinstance(term, str):
        return point[term] if term in point else Fraction(term)
    head, *rest = term
    numbers = [value(part, point) for part in rest]
    if head == "+":
        return sum(numbers, Fraction(0))
    if head == "-":
        return -numbers[0] if len(numbers) == 1 else numbers[0] - sum(numbers[1:])
    if head == "*":
        product = Fraction(1)
        for number in numbers:
            product *= number
        return product
    assert head == "/"
    return numbers[0] / numbers[1]


HOLDS = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
}


def truth(formula, point):
    if formula in ("true", "false"):
        return formula == "true"
    head, *rest = formula
    if head in HOLDS:
        numbers = [value(part, point) for part in rest]
        return all(HOLDS[head](*pair) for pair in itertools.pairwise(numbers))
    parts = [truth(part, point) for part in rest]
    if head == "=>":
        return parts[-1] or not all(parts[:-1])
    return {"and": all, "or": any, "not": lambda p: not p[0]}[head](parts)


def satisfied(text, inputs, outputs):
    """Whether a point satisfies every assertion of the file."""
    point = {f"X_{i}": x for i, x in enumerate(inputs)}
    point |= {f"Y_{j}": y for j, y in enumerate(outputs)}
    asserted = [e[1] for e in expressions(text) if e[0] == "assert"]
    return all(truth(formula, point) for formula in asserted)
