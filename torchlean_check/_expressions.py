"""Expressions such as "u*(1-u)", evaluated over intervals.

    sum    := product (("+" | "-") product)*
    product := factor (("*" | "/") factor)*
    factor := "-" factor | atom ("^" digits)?
    atom   := number | name | name "(" sum ")" | "(" sum ")"

Names of values come with the caller. A number is a binary64, as in the files. What
programs read differently is refused: -u^2 has to be (-u)^2 or -(u^2), and u^0 to be 1.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from torchlean_check._fixed import (
    FUNCTIONS,
    PI,
    Fixed,
    fixed,
    minus,
    over,
    plus,
    power,
    times,
)
from torchlean_check._schema import fail

Meaning = Callable[[dict[str, Fixed]], Fixed]
MAX_TOKENS, MAX_DEPTH, MAX_POWER = 200, 20, 64
_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]*)?)|([A-Za-zπ_]+)|([-+*/^()]))")
_OPERATIONS = {"+": plus, "-": minus, "*": times, "/": over}


def parse(text: str, names: tuple[str, ...], where: str) -> Meaning:
    """What an expression means, given enclosures of the values it names."""
    found = _Reader(_tokens(text, where), names, where)
    meaning = found.chain("+-")
    if found.tokens:
        fail(where, f"unexpected {found.tokens[0]!r}")
    return meaning


def _tokens(text: str, where: str) -> list[str]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            fail(where, f"unexpected {text[at:].strip()[0]!r}")
        tokens.append(match[0].strip())
        at = match.end()
        depth = tokens.count("(") - tokens.count(")")
        if len(tokens) > MAX_TOKENS or depth > MAX_DEPTH:
            fail(where, f"more than {MAX_TOKENS} words or {MAX_DEPTH} parentheses")
    return tokens


class _Reader:
    def __init__(self, tokens, names, where):
        self.tokens, self.names, self.where = tokens, names, where
        self.powered = False  # whether the factor just read ends in a power

    def next(self) -> str:
        if not self.tokens:
            fail(self.where, "ends too early")
        return self.tokens.pop(0)

    def expect(self, token: str) -> None:
        found = self.next()
        if found != token:
            fail(self.where, f"{token!r} expected, not {found!r}")

    def chain(self, operators: str) -> Meaning:
        part = self.factor if operators == "*/" else lambda: self.chain("*/")
        meaning = part()
        while self.tokens and self.tokens[0] in operators:
            operation, left, right = _OPERATIONS[self.next()], meaning, part()
            meaning = _joined(operation, left, right)
        return meaning

    def factor(self) -> Meaning:
        if self.tokens[:1] == ["-"]:
            self.next()
            inner = self.factor()
            if self.powered:
                fail(self.where, "-a^n is ambiguous: write (-a)^n or -(a^n)")
            return lambda env: minus((0, 0), inner(env))
        base = self.atom()
        self.powered = self.tokens[:1] == ["^"]
        if not self.powered:
            return base
        self.next()
        digits = self.next()
        if not digits.isdigit() or not 1 <= int(digits) <= MAX_POWER:
            fail(self.where, f"a power must be in 1 .. {MAX_POWER}")
        n = int(digits)
        return lambda env: power(base(env), n)

    def atom(self) -> Meaning:
        token = self.next()
        if token == "(":
            inner = self.chain("+-")
            self.expect(")")
            return inner
        if token[0].isdigit():
            held = fixed(Fraction(float(token)))
            return lambda env: held
        if token in self.names:
            return lambda env: env[token]
        if token in ("pi", "π"):
            return lambda env: PI
        if token in ("sin", "cos", "exp", "log"):
            self.expect("(")
            inner = self.chain("+-")
            self.expect(")")
            return lambda env: FUNCTIONS[token](inner(env))
        fail(self.where, f"unknown {token!r}; there are {', '.join(self.names)}")


def _joined(operation, left: Meaning, right: Meaning) -> Meaning:
    return lambda env: operation(left(env), right(env))
