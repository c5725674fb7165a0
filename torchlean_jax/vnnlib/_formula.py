"""Linear formulas over inputs and outputs, in exact numbers.

A formula is an `Atom`, or `All` or `Any` of formulas. An input X_i is the variable i,
an output Y_j the variable -1 - j. Negation is gone: it is pushed to the atoms.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torchlean_jax.domains._errors import FileFormatError


@dataclass(frozen=True)
class Atom:
    """sum of coefficient * variable <= bound, or < where `strict`.

    terms: (variable, coefficient) in the order of variables, no coefficient zero.
    """

    terms: tuple[tuple[int, Fraction], ...]
    bound: Fraction
    strict: bool = False

    @property
    def reads_outputs(self) -> bool:
        return any(variable < 0 for variable, _ in self.terms)

    def holds(self, inputs: Sequence[Fraction], outputs: Sequence[Fraction]) -> bool:
        total = sum(
            (c * (inputs[v] if v >= 0 else outputs[-1 - v]) for v, c in self.terms),
            Fraction(0),
        )
        return total < self.bound if self.strict else total <= self.bound

    def negated(self) -> "Atom":
        terms = tuple((v, -c) for v, c in self.terms)
        return Atom(terms, -self.bound, not self.strict)


@dataclass(frozen=True)
class All:
    parts: tuple["Formula", ...]


@dataclass(frozen=True)
class Any:
    parts: tuple["Formula", ...]


Formula = Atom | All | Any
TRUE, FALSE = All(()), Any(())


def holds(formula: Formula, inputs, outputs) -> bool:
    """Whether a formula is true of exact inputs and outputs."""
    if isinstance(formula, Atom):
        return formula.holds(inputs, outputs)
    quantifier = all if isinstance(formula, All) else any
    return quantifier(holds(part, inputs, outputs) for part in formula.parts)


def negated(formula: Formula) -> Formula:
    if isinstance(formula, Atom):
        return formula.negated()
    parts = tuple(map(negated, formula.parts))
    return Any(parts) if isinstance(formula, All) else All(parts)


Linear = tuple[Mapping[int, Fraction], Fraction]  # coefficients, constant


def compare(operator: str, left: Linear, right: Linear) -> Formula:
    """`left operator right` for one of <= >= < > = ==."""
    if operator in (">=", ">"):
        left, right = right, left
    (a, c), (b, d) = left, right
    if not b and len(a) == 1:  # by far the most frequent: one variable and a number
        atom = Atom(tuple(a.items()), d - c, operator in ("<", ">"))
        atom = atom if 0 not in a.values() else Atom((), atom.bound, atom.strict)
    else:
        total = dict(a)
        for variable, coefficient in b.items():
            total[variable] = total.get(variable, 0) - coefficient
        terms = tuple(sorted((v, k) for v, k in total.items() if k))
        atom = Atom(terms, d - c, operator in ("<", ">"))
    if operator in ("=", "=="):
        back = Atom(tuple((v, -k) for v, k in atom.terms), -atom.bound)
        return All((atom, back))
    return atom


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d{1,6}))?")
_LONGEST = 2000  # characters; and 10 to this power is beyond every double


def number(text: str) -> Fraction | None:
    """The number that a decimal stands for, exactly; None if it is none."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    if len(text) > _LONGEST or abs(int(found[1] or 0)) > _LONGEST:
        raise FileFormatError(f"a number beyond all use: {text[:40]}")
    return Fraction(text)


def added(parts: Iterable[Linear]) -> Linear:
    total: dict[int, Fraction] = {}
    constant = Fraction(0)
    for coefficients, c in parts:
        constant += c
        for variable, k in coefficients.items():
            total[variable] = total.get(variable, Fraction(0)) + k
    return total, constant


def scaled(factor: Fraction, linear: Linear) -> Linear:
    coefficients, c = linear
    return {v: factor * k for v, k in coefficients.items()}, factor * c


def product(parts: Sequence[Linear]) -> Linear:
    """Raises FileFormatError if more than one factor has a variable in it."""
    result: Linear = {}, Fraction(1)
    for part in parts:
        if any(result[0].values()) and any(part[0].values()):
            raise FileFormatError("a product of two variables is not linear")
        if any(part[0].values()):
            result = scaled(result[1], part)
        else:
            result = scaled(part[1], result)
    return result
