"""A case of an unsafe set: a box of inputs, and what of the outputs is unsafe there.

Its box and its spec are those of `tl.verify`, in floating-point numbers on the safe
side of the exact ones. How a formula falls into cases is in `_cases`.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any as Anything

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import spec as specs
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import narrowed_ends
from torchlean_jax.vnnlib._formula import Atom


@dataclass(frozen=True, eq=False)
class Case:
    """Part of an unsafe set: inputs in a box (and perhaps in half-spaces), and outputs
    that satisfy every inequality of at least one group.

    lo, hi: the corners of the box, one exact rational for each input. (Whether a corner
        itself belongs to the set, `Query.holds` knows.)
    constraints: further inequalities that inputs of the set satisfy.
    unsafe: groups of inequalities on outputs, perhaps with inputs in them.
    outputs: how many there are.
    """

    lo: tuple[Fraction, ...]
    hi: tuple[Fraction, ...]
    constraints: tuple[Atom, ...]
    unsafe: tuple[tuple[Atom, ...], ...]
    outputs: int

    @property
    def A(self) -> np.ndarray:
        """The rows of `constraints`, A x <= b, as exact rationals."""
        rows = np.full((len(self.constraints), len(self.lo)), Fraction(0), object)
        for row, atom in zip(rows, self.constraints, strict=True):
            for variable, coefficient in atom.terms:
                row[variable] = coefficient
        return rows

    @property
    def b(self) -> np.ndarray:
        bounds = np.empty(len(self.constraints), object)
        bounds[:] = [atom.bound for atom in self.constraints]
        return bounds

    def box(self, shape: Sequence[int] = (-1,), dtype: Anything = "float32"):
        """The smallest box of floats around the exact one, in the shape given."""
        return self.boxes([(tuple(shape), dtype)])[0]

    def boxes(
        self, inputs: Sequence[tuple[Sequence[int], Anything]]
    ) -> tuple[Interval, ...]:
        """The same as one box for each (shape, dtype) of a network's inputs."""
        lo, hi = doubles(self.lo, up=False), doubles(self.hi, up=True)
        found, start = [], 0
        for shape, dtype in inputs:
            count = len(lo) if -1 in shape else math.prod(shape)
            part = slice(start, start + count)
            start += count
            ends = narrowed_ends(lo[part], hi[part], jnp.dtype(dtype))
            if not all(np.isfinite(end).all() for end in ends):
                raise InputError(f"the box reaches beyond the numbers of {dtype}")
            found.append(Interval(*(end.reshape(tuple(shape)) for end in ends)))
        if start != len(lo):
            raise InputError(f"{len(lo)} inputs in the file, {start} in the network")
        return tuple(found)

    @functools.cached_property
    def needs_inputs(self) -> bool:
        """Whether the spec speaks of the inputs as well (see `model`)."""
        inside = any(v >= 0 for group in self.unsafe for a in group for v, _ in a.terms)
        return inside or bool(self.constraints)

    def spec(self) -> specs.Spec:
        """What every output of `model` has to satisfy for the case to be safe.

        Proved on the box, it shows that no point of the case exists. Numbers that are
        no floats are rounded to the safe side, by less than an ulp: a refutation has to
        be checked against the exact case (`holds_at`).
        """
        groups = [(*group, *self.constraints) for group in self.unsafe]
        if any(not group for group in groups):
            raise InputError(
                "the file says nothing about outputs: every input is a counterexample"
            )
        single = [group[0] for group in groups if len(group) == 1]
        parts: list[specs.Spec] = [self._linear(single)] if single else []
        for group in groups:
            if len(group) > 1:
                rows = (*group, *_consequences(group, self.constraints))
                parts.append(specs.any_of(*(self._linear([atom]) for atom in rows)))
        return parts[0] if len(parts) == 1 else specs.all_of(*parts)

    def _linear(self, atoms) -> specs.Spec:
        """The inequalities turned around, as rows C @ y - d > 0."""
        width = self.outputs + (len(self.lo) if self.needs_inputs else 0)
        rows, offsets = np.zeros((len(atoms), self.copies, width)), []
        for row, atom in zip(rows, atoms, strict=True):
            factor, parts = _scaled([c for _, c in atom.terms])
            for (variable, _), column in zip(atom.terms, parts, strict=True):
                place = -1 - variable if variable < 0 else self.outputs + variable
                row[: len(column), place] = column
            offsets.append(atom.bound * factor)
        return specs.linear(rows.reshape(len(atoms), -1), doubles(offsets, up=True))

    @functools.cached_property
    def copies(self) -> int:
        """How often `model` returns its values: a coefficient of more than 53 bits is
        the exact sum of several float64 numbers, one for each copy."""
        atoms = [*itertools.chain(*self.unsafe), *self.constraints]
        for group in self.unsafe:
            atoms += _consequences((*group, *self.constraints), self.constraints)
        columns = [p for a in atoms for p in _scaled([c for _, c in a.terms])[1]]
        return max(map(len, columns), default=1)

    def model(self, f: Anything) -> Anything:
        """`f`, returning what the spec speaks of.

        That is its outputs; where the spec needs the inputs, these come after them; and
        where coefficients have more than 53 bits, all of it several times.
        """
        if not self.needs_inputs and self.copies == 1:
            return f
        repeated = self.copies

        def extended(*inputs):
            outputs = jax.tree.leaves(f(*inputs))
            return (*outputs, *(inputs if self.needs_inputs else ())) * repeated

        return extended

    def holds_at(self, inputs: Sequence[Fraction], outputs: Sequence[Fraction]) -> bool:
        """Whether exact inputs and outputs are in this part of the unsafe set."""
        inside = all(
            low <= x <= high
            for low, x, high in zip(self.lo, inputs, self.hi, strict=True)
        )
        return (
            inside
            and all(atom.holds(inputs, outputs) for atom in self.constraints)
            and any(all(a.holds(inputs, outputs) for a in g) for g in self.unsafe)
        )


def _consequences(group, constraints) -> list[Atom]:
    """Sums of an inequality and a constraint, which hold wherever both do.

    They change nothing about what is unsafe. But bounds look at one inequality at a
    time: on the unit square, x + y >= 1.5 is possible, and so is x + y <= 1; their sum
    0 >= 0.5 is not.
    """
    found = []
    for constraint in constraints:
        for atom in group:
            for share in (Fraction(1, 2), Fraction(1), Fraction(2)):
                if atom is constraint:
                    continue
                total = dict(atom.terms)
                for variable, c in constraint.terms:
                    total[variable] = total.get(variable, Fraction(0)) + share * c
                terms = tuple(sorted((v, c) for v, c in total.items() if c))
                bound = atom.bound + share * constraint.bound
                found.append(Atom(terms, bound, atom.strict or constraint.strict))
    return found


def _scaled(numbers: Sequence[Fraction]) -> tuple[Fraction, list[list[float]]]:
    """A positive factor, and each number times it as an exact sum of float64 numbers.

    A fraction such as 0.1 has no binary digits that end; an integer multiple does.
    """
    factor = Fraction(1)
    if any(n.denominator & (n.denominator - 1) for n in numbers):
        common = math.lcm(*(n.denominator for n in numbers))
        factor = Fraction(common, math.gcd(*(int(n * common) for n in numbers)))
    return factor, [_sum_of_floats(n * factor) for n in numbers]


def _sum_of_floats(exact: Fraction) -> list[float]:
    parts: list[float] = []
    while not parts or exact:
        try:
            near = float(exact)
        except OverflowError:
            near = math.inf
        if math.isinf(near) or (near == 0 and exact):
            raise InputError("a coefficient lies beyond the numbers of float64")
        parts.append(near)
        exact -= Fraction(near)
    return parts


def doubles(numbers: Sequence[Fraction], *, up: bool) -> np.ndarray:
    """The nearest float64 numbers that are not below (or above) the exact ones."""
    found = np.empty(len(numbers))
    end = math.inf if up else -math.inf
    for i, exact in enumerate(numbers):
        try:
            near = float(exact)
        except OverflowError:
            near = math.inf if exact > 0 else -math.inf
        if math.isinf(near):
            found[i] = near
            continue
        back = Fraction(near)
        missed = back < exact if up else back > exact
        found[i] = math.nextafter(near, end) if missed else near
    return found
