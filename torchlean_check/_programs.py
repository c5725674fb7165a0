"""Functions of a few numbers as programs, and their power series with interval parts.

A program is a list of steps; a number k names input k, or step k - inputs after them.

    ["linear", "c", [["a", k], ...]]   c + the sum of a times the value of k
    ["product", i, k], ["quotient", i, k]
    ["exp", k], and log, tanh, sigmoid, sin, cos

Series are truncated polynomials. Their parts are homogeneous, one for each degree, with
a coefficient for every monomial of a grade. For u = g(z), with E the operator that
multiplies each part by its degree, E u = g'(z) E z, and g'(z) is another program of u
and z: so part n of u needs parts below n of that (Griewank and Walther 2008, section
13.2). Coefficients are `_fixed` intervals, hence hold those of every series whose own
lie in the intervals given.
"""

import hashlib
from fractions import Fraction
from typing import NamedTuple

from torchlean_check._container import canonical_json
from torchlean_check._errors import NotProved
from torchlean_check._fixed import (
    FUNCTIONS,
    LARGEST,
    ONE,
    Fixed,
    P,
    fixed,
    over,
    plus,
    power,
    times,
)
from torchlean_check._grades import Grades
from torchlean_check._rationals import rational
from torchlean_check._schema import checked, fail, fields

MAX_STEPS, MAX_TERMS = 4000, 40_000
NOTHING: Fixed = (0, 0)
Part = list[Fixed]  # a coefficient for each monomial of one degree
# Values that are exact, which an enclosure is not: equilibria need them.
_EXACT = {
    "exp": (0, ONE),
    "log": (ONE, 0),
    "tanh": (0, 0),
    "sigmoid": (0, ONE >> 1),
    "sin": (0, 0),
    "cos": (0, ONE),
}


class Step(NamedTuple):
    """kind: linear, product, quotient or a function. terms: (coefficient, number)."""

    kind: str
    numbers: tuple[int, ...]
    constant: Fixed = NOTHING
    terms: tuple[tuple[Fixed, int], ...] = ()
    slope: int = -1


class Program:
    """Steps as they are computed, the slopes of functions among them."""

    def __init__(self, inputs: int):
        self.inputs, self.steps, self.outputs = inputs, [], []

    def add(self, kind, numbers=(), constant=Fraction(0), terms=()) -> int:
        exact = tuple((fixed(c), k) for c, k in terms)
        self.steps.append(Step(kind, tuple(numbers), fixed(constant), exact))
        return self.inputs + len(self.steps) - 1

    def curve(self, kind: str, z: int) -> int:
        """A function of z; the steps of its slope, which may follow it, too."""
        u, one = self.add(kind, (z,)), Fraction(1)
        if kind == "exp":
            slope = u
        elif kind == "log":
            slope = self.add("quotient", (self.add("linear", (), one), z))
        elif kind in ("tanh", "sigmoid"):
            square = self.add("product", (u, u))
            if kind == "tanh":
                slope = self.add("linear", (), one, [(-one, square)])
            else:
                slope = self.add("linear", (), terms=[(one, u), (-one, square)])
        else:
            other = self.add("cos" if kind == "sin" else "sin", (z,))
            turned = u if kind == "sin" else other  # the sine
            back = self.add("linear", (), terms=[(-one, turned)])
            slope, again = (other, back) if kind == "sin" else (back, u)
            self._give(other, again)
        self._give(u, slope)
        return u

    def _give(self, u: int, slope: int) -> None:
        k = u - self.inputs
        self.steps[k] = self.steps[k]._replace(slope=slope)


def read_program(
    entry, where: str, inputs: int, outputs: int, *, among: int | None = None
) -> Program:
    """{"steps": [...], "outputs": [...]}, with so many inputs and outputs.

    among: of how many inputs they are the first, in the program that is made.
    """
    entry = fields(entry, where, steps=list, outputs=[int])
    if len(entry["steps"]) > MAX_STEPS or len(entry["outputs"]) != outputs:
        fail(where, f"at most {MAX_STEPS} steps, and {outputs} outputs")
    program = Program(inputs if among is None else among)
    named, count = list(range(inputs)), 0
    for k, step in enumerate(entry["steps"]):
        at = f"{where}.steps[{k}]"
        kind = step[0] if type(step) is list and step else None
        if kind == "linear":
            _, c, terms = checked(step, (str, str, list), at)
            count += len(terms)
            if count > MAX_TERMS:
                fail(at, f"more than {MAX_TERMS} terms")
            pairs = [checked(term, (str, int), at) for term in terms]
            held = [(rational(a, at), _known(named, i, at)) for a, i in pairs]
            named.append(program.add("linear", (), rational(c, at), held))
        elif kind in ("product", "quotient"):
            _, *both = checked(step, (str, int, int), at)
            named.append(program.add(kind, [_known(named, i, at) for i in both]))
        elif type(kind) is str and kind in _EXACT:
            _, i = checked(step, (str, int), at)
            named.append(program.curve(kind, _known(named, i, at)))
        else:
            fail(at, f"must be linear, product, quotient or of {', '.join(_EXACT)}")
    program.outputs = [_known(named, i, f"{where}.outputs") for i in entry["outputs"]]
    return program


def _known(named: list[int], k: int, where: str) -> int:
    if not 0 <= k < len(named):
        fail(where, f"{k} names nothing before it")
    return named[k]


def digest(*entries) -> str:
    """Of programs as they stand in the file."""
    return hashlib.sha256(b"\n".join(map(canonical_json, entries))).hexdigest()


class Series:
    """The parts of all values of a program, degree by degree."""

    def __init__(self, program: Program, grades: Grades):
        self.program, self.grades, self.degree = program, grades, -1
        count = program.inputs + len(program.steps)
        self.parts: list[list[Part]] = [[] for _ in range(count)]

    def extend(self, inputs: list[Part]) -> list[Part]:
        """The next parts of the outputs, from those of the inputs."""
        self.degree += 1
        for k, part in enumerate(inputs):
            self.parts[k].append(part)
        for k, step in enumerate(self.program.steps, self.program.inputs):
            self.parts[k].append(self._next(step, k))
        return [self.parts[k][-1] for k in self.program.outputs]

    def _next(self, step: Step, k: int) -> Part:
        n = self.degree
        if step.kind == "linear":
            return self._linear(step)
        if not n:
            return [self._value(step)]
        if step.kind == "product":
            x, y = (self.parts[i] for i in step.numbers)
            return self._sum((x[i], i, y[n - i], n - i, 1) for i in range(n + 1))
        if step.kind == "quotient":
            x, y = (self.parts[i] for i in step.numbers)
            own = self.parts[k]
            rest = self._sum((y[i], i, own[n - i], n - i, -1) for i in range(1, n + 1))
            below = y[0][0]
            return [over(plus(a, b), below) for a, b in zip(x[n], rest, strict=True)]
        z, slope = self.parts[step.numbers[0]], self.parts[step.slope]
        total = self._sum((z[i], i, slope[n - i], n - i, i) for i in range(1, n + 1))
        return [(a // n, -(-b // n)) for a, b in total]

    def _linear(self, step: Step) -> Part:
        """Summed up in units of 2**-2P, and moved outward once."""
        size = self.grades.size(self.degree)
        lows, highs = [0] * size, [0] * size
        if not self.degree:
            lows[0], highs[0] = step.constant[0] << P, step.constant[1] << P
        for (low, high), i in step.terms:
            part = self.parts[i][-1]
            if low != high:
                ends = [_product((low, high), x) for x in part]
            elif low >= 0:
                ends = [(low * a, low * b) for a, b in part]
            else:
                ends = [(low * b, low * a) for a, b in part]
            for k, (a, b) in enumerate(ends):
                lows[k] += a
                highs[k] += b
        return [_outward(a, b) for a, b in zip(lows, highs, strict=True)]

    def _value(self, step: Step) -> Fixed:
        x, *rest = (self.parts[i][0][0] for i in step.numbers)
        if step.kind == "product":
            same = step.numbers[0] == step.numbers[1]
            return power(x, 2) if same else times(x, rest[0])
        if step.kind == "quotient":
            return over(x, rest[0])
        at, value = _EXACT[step.kind]
        if x == (at, at):
            return value, value
        found = FUNCTIONS[step.kind](x)
        if max(-found[0], found[1]) > LARGEST:
            raise NotProved("the numbers grow beyond 2**400")
        return found

    def _sum(self, terms) -> Part:
        """The sum of factor * x * y, for (x, its degree, y, its degree, factor)."""
        size = self.grades.size(self.degree)
        lows, highs = [0] * size, [0] * size
        for x, i, y, k, factor in terms:
            for p, q, r in self.grades.pairs(i, k):
                a, b = x[p], y[q]
                if a != NOTHING and b != NOTHING:
                    low, high = _product(a, b)
                    if factor < 0:
                        low, high = high, low
                    lows[r] += low * factor
                    highs[r] += high * factor
        return [_outward(a, b) for a, b in zip(lows, highs, strict=True)]


def _product(x: Fixed, y: Fixed) -> tuple[int, int]:
    """In units of 2**-2P."""
    (a, b), (c, d) = x, y
    if a >= 0 and c >= 0:
        return a * c, b * d
    ends = a * c, a * d, b * c, b * d
    return min(ends), max(ends)


def _outward(low: int, high: int) -> Fixed:
    if high > LARGEST << P or low < -LARGEST << P:
        raise NotProved("the numbers grow beyond 2**400")
    return low >> P, -(-high >> P)


def values(program: Program, inputs: list[Fixed]) -> list[Fixed]:
    """Enclosures of the outputs for all inputs of a box."""
    series = Series(program, Grades([[(0,) * program.inputs]]))
    return [part[0] for part in series.extend([[x] for x in inputs])]
