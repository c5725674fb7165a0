"""What the graph of a generated theorem means, in exact fractions (of smooth functions,
to 60 digits), from the text.

Written from proofs/Graph.v: it reads the Coq file back, so that the writer's printing
is tested too.
"""

import re
from fractions import Fraction
from typing import Any

import mpmath

CURVES = {
    "ExpCurve": mpmath.exp,
    "LogisticCurve": lambda x: 1 / (1 + mpmath.exp(-x)),
    "TanhCurve": mpmath.tanh,
}


class Reader:
    """A recursive reader of the terms that `torchlean_jax.coq` writes."""

    def __init__(self, text: str):
        self.words = re.findall(r"\{\||\|\}|:=|%\w+|-?\w+|[\[\]();,]", text)
        self.at = 0

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self, expected: str | None = None) -> str:
        word = self.words[self.at]
        assert expected in (None, word), (
            expected,
            self.words[self.at - 3 : self.at + 5],
        )
        self.at += 1
        return word

    def application(self):
        """One word applied to atoms: ("full", -3, [...]), or the atom alone."""
        parts = [self.atom()]
        while self.peek() not in ("", ";", "]", ")", ",", "|}", ":="):
            parts.append(self.atom())
        return parts[0] if len(parts) == 1 else tuple(parts)

    def atom(self):
        word = self.take()
        if word == "[":
            found = self._listed(";", "]")
        elif word == "(":
            found = self._listed(",", ")")
            found = found[0] if len(found) == 1 else ("pair", *found)
        elif word == "{|":
            found = {}
            while self.peek() != "|}":
                name = self.take()
                self.take(":=")
                found[name] = self.application()
                if self.peek() == ";":
                    self.take()
            self.take("|}")
        else:
            found = int(word) if re.fullmatch(r"-?\d+", word) else word
        if self.peek().startswith("%"):
            self.take()
        return found

    def _listed(self, between: str, end: str) -> list:
        found = []
        while self.peek() != end:
            found.append(self.application())
            if self.peek() == between:
                self.take()
        self.take(end)
        return found


def definition(text: str, name: str) -> Any:
    body = re.search(rf"^Definition {name} : \w+ := (.*)\.$", text, re.M)
    assert body is not None, name
    return Reader(body[1]).application()


def integer(m) -> Fraction:
    """A literal of Coq's integers, or a machine integer taken for one."""
    return Fraction(m[1] if isinstance(m, tuple) else m)


def numbers(block) -> list[Fraction]:
    _, exp, values = block
    return [integer(m) * Fraction(2) ** exp for m in values]


def padded(x: list, y: list):
    n = max(len(x), len(y))
    zero = [Fraction(0)]
    yield from zip(x + zero * (n - len(x)), y + zero * (n - len(y)), strict=True)


def apply(matrix, x: list) -> list:
    if matrix == "Same":
        return x
    kind, *rest = matrix
    if kind == "Times":
        return [a * b for a, b in zip(numbers(rest[0]), x, strict=False)]
    exp, rows = rest
    unit, found = Fraction(2) ** exp, []
    for row in rows:
        if kind == "gaps":
            full = []
            for zeros, weight in zip(row[::2], row[1::2], strict=True):
                full += [0] * zeros + [weight]
            row = full
        found.append(unit * sum(a * b for a, b in zip(row, x, strict=False)))
    return found


def affine(term, env: list[list]) -> list:
    total = numbers(term["bias"])
    for _, back, matrix in term["terms"]:
        moved = apply(matrix, env[-1 - back])
        total = [a + b for a, b in padded(total, moved)]
    return total


def evaluate(text: str, inputs: list[list]) -> list[list]:
    """All values of `network`, the last node's at the end."""
    env = [list(x) for x in inputs]
    names = reversed(definition(text, "network"))
    for name in names:
        kind, *parts = definition(text, name)
        if kind == "Curve":
            env.append(_curve(parts, env))
            continue
        values = [affine(part, env) for part in parts]
        if kind == "Max":
            values = [[max(a, b) for a, b in padded(*values)]]
        env.append(values[0])
    return env


def _curve(parts: list, env: list[list]) -> list:
    name, size, operand = parts
    x = affine(operand, env)
    x += [Fraction(0)] * (size - len(x))
    with mpmath.workdps(60):
        ys = [CURVES[name](mpmath.mpf(v.numerator) / v.denominator) for v in x[:size]]
        return [Fraction(int(mpmath.ldexp(y, 256)), 2**256) for y in ys]


def margin(prop, env: list[list]) -> Fraction:
    """The least row that `All` demands, the greatest that `Any` offers."""
    kind, body = prop
    if kind == "Row":
        _, exp, m = body["constant"]
        total = integer(m) * Fraction(2) ** exp
        for block, values in zip(body["coefficients"], reversed(env), strict=False):
            pairs = zip(numbers(block), values, strict=False)
            total += sum(a * b for a, b in pairs)
        return total
    return {"All": min, "Any": max}[kind](margin(part, env) for part in body)
