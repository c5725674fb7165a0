"""From a formula to the cases whose union it describes.

A disjunction splits the set into cases only where it speaks of inputs; disjunctions of
outputs stay inside one case.
"""

import itertools
import math
from fractions import Fraction

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.vnnlib._case import Case, doubles
from torchlean_jax.vnnlib._formula import TRUE, All, Any, Atom, Formula

MOST_CASES = 2**16


def cases_of(
    formula: Formula, inputs: int, outputs: int
) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """(the cases whose union is the set, what is known to be empty and why).

    Raises FileFormatError if an input is unbounded in a case that is not empty.
    """
    merged: dict[tuple[Atom, ...], list[Formula]] = {}
    for atoms, rest in _alternatives(formula):
        merged.setdefault(tuple(dict.fromkeys(atoms)), []).append(rest)
    cases, empty = [], []
    for number, (atoms, rests) in enumerate(merged.items()):
        unsafe = _groups(rests[0] if len(rests) == 1 else Any(tuple(rests)))
        try:
            lo, hi, constraints = _region(atoms, inputs)
            if not unsafe:
                raise _EmptyError("no output is unsafe there")
        except _EmptyError as why:
            empty.append(f"case {number + 1} is empty: {why}")
            continue
        cases.append(
            Case(
                _bounded(lo, "lower"),
                _bounded(hi, "upper"),
                constraints,
                unsafe,
                outputs,
            )
        )
    return tuple(cases), tuple(empty)


class _EmptyError(Exception):
    """No input satisfies the inequalities of a case."""


def _bounded(ends, side) -> tuple[Fraction, ...]:
    missing = [f"X_{i}" for i, end in enumerate(ends) if end is None]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise FileFormatError(
            f"inputs without a {side} bound: {', '.join(missing[:3])}{more}"
        )
    return tuple(ends)


def _region(atoms, inputs):
    """(lo, hi, further constraints); raises _EmptyError if no input satisfies all."""
    lo: list[Fraction | None] = [None] * inputs
    hi: list[Fraction | None] = [None] * inputs
    strict: set[tuple[int, bool]] = set()  # (input, whether its upper end is left out)
    constraints = []
    for atom in atoms:
        if not atom.terms:
            if atom.bound < 0 or (atom.strict and atom.bound == 0):
                raise _EmptyError("it asserts what is false of all numbers")
            continue
        if len(atom.terms) > 1:
            constraints.append(atom)
            continue
        ((variable, coefficient),) = atom.terms
        end, above = atom.bound / coefficient, coefficient > 0
        ends = hi if above else lo
        old = ends[variable]
        if old is None or (end < old if above else end > old):
            ends[variable] = end
            strict.discard((variable, above))
        if atom.strict and ends[variable] == end:
            strict.add((variable, above))
    for i, (low, high) in enumerate(zip(lo, hi, strict=True)):
        if low is None or high is None:
            continue
        is_open = (i, True) in strict or (i, False) in strict
        if low > high or (low == high and is_open):
            (least,), (most,) = doubles([low], up=False), doubles([high], up=True)
            raise _EmptyError(f"X_{i} is at least {least} and at most {most}")
    for atom in constraints:
        if _never(atom, lo, hi):
            raise _EmptyError(
                "a linear constraint on the inputs holds nowhere in the box"
            )
    return lo, hi, tuple(constraints)


def _never(atom, lo, hi) -> bool:
    """Whether even the least value of an inequality on the box is too large."""
    least = Fraction(0)
    for variable, coefficient in atom.terms:
        end = (lo if coefficient > 0 else hi)[variable]
        if end is None:
            return False
        least += coefficient * end
    return least > atom.bound or (atom.strict and least == atom.bound)


def _speaks_of_inputs(formula: Formula) -> bool:
    """Whether it has an inequality on inputs alone."""
    if isinstance(formula, Atom):
        return not formula.reads_outputs
    return any(map(_speaks_of_inputs, formula.parts))


def _alternatives(formula: Formula) -> list[tuple[list[Atom], Formula]]:
    """The formula as a disjunction of (inequalities on inputs) and (a formula that has
    no inequality on inputs alone)."""
    if isinstance(formula, Atom):
        return [([], formula)] if formula.reads_outputs else [([formula], TRUE)]
    if not _speaks_of_inputs(formula):
        return [([], formula)]
    parts = [_alternatives(part) for part in formula.parts]
    if isinstance(formula, Any):
        return list(itertools.chain(*parts))
    if math.prod(map(len, parts)) > MOST_CASES:
        raise FileFormatError(f"more than {MOST_CASES} cases")
    # what has no alternatives is shared: 1568 bounds in a row are one list
    shared: list[Atom] = []
    rest: list[Formula] = []
    for part in parts:
        if len(part) == 1:
            shared += part[0][0]
            rest += [] if part[0][1] == TRUE else [part[0][1]]
    found = []
    for choice in itertools.product(*(part for part in parts if len(part) != 1)):
        atoms = [*shared, *itertools.chain(*(inside for inside, _ in choice))]
        others = [outside for _, outside in choice if outside != TRUE]
        formulas = (*rest, *others)
        found.append((atoms, formulas[0] if len(formulas) == 1 else All(formulas)))
    return found


def _groups(formula: Formula) -> tuple[tuple[Atom, ...], ...]:
    """The formula as a disjunction of conjunctions."""
    if isinstance(formula, Atom):
        return ((formula,),)
    parts = [_groups(part) for part in formula.parts]
    if isinstance(formula, Any):
        groups = itertools.chain(*parts)
    else:
        if math.prod(map(len, parts)) > MOST_CASES:
            raise FileFormatError(f"more than {MOST_CASES} groups of inequalities")
        groups = (tuple(itertools.chain(*g)) for g in itertools.product(*parts))
    return tuple(dict.fromkeys(tuple(dict.fromkeys(group)) for group in groups))
