"""Agreement of two programs at random points of finite fields."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from torchlean_jax.domains._errors import MissingRuleError, UndecidedError
from torchlean_jax.domains.finite_field import FieldArray, FiniteField
from torchlean_jax.domains.finite_field._value import UNDEFINED, kinds_of
from torchlean_jax.equivalence._pair import Pair
from torchlean_jax.interpreters import _jaxpr
from torchlean_jax.interpreters._eager import is_float
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.interpreters._missing import require_rules

# Layer on layer of exponentials that are written differently: one more walk for each.
_MOST_CUTS = 12
# A point at which something was divided by a residue 0 is replaced by another.
_SPARE_POINTS = 4
# More points are taken until the probability of error is at most this.
CERTAIN = 1e-6


@dataclass
class Agreement:
    """What residues say: equal (with the bound on the probability that it is an error),
    or only that the programs differ as expressions.

    agrees: per output leaf, boolean arrays of the elements found equal at every point;
    undefined: of those that were no number in both programs at every point.
    is_rational: whether the programs are nothing but rational functions, which differ
    wherever residues do.
    """

    agrees: list = field(default_factory=list)
    undefined: list = field(default_factory=list)
    points: int = 0
    error_probability: float = 1.0
    degree: float = 0.0
    primes: tuple = ()
    has_finite_mask: bool = False
    cuts: int = 0
    is_rational: bool = True
    problem: str = ""
    seed: int = 0

    @property
    def holds(self) -> bool:
        return not self.problem and all(
            (a | u).all() for a, u in zip(self.agrees, self.undefined, strict=True)
        )

    @property
    def somewhere(self) -> bool:
        return any(a.any() for a in self.agrees) or not sum(a.size for a in self.agrees)


def agreement(at: Callable[..., "Point"], points: int, seed: int) -> Agreement:
    """Two programs at `points` random points where every element is defined.

    at(seed, cut): both of them at one point.
    """
    found = Agreement(seed=seed)
    try:
        for attempt in range(points + _SPARE_POINTS):
            point, cuts = _point(at, seed + attempt)
            if point.is_accident and attempt < _SPARE_POINTS:
                continue
            found = _with_point(found, point, cuts)
            complete = not any(u.any() for u in found.undefined)
            enough = found.points >= points + (0 if complete else 1)
            certain = found.error_probability <= CERTAIN
            if (enough and certain) or not found.holds:
                break
    except (UndecidedError, MissingRuleError) as error:
        return replace(found, problem=str(error).strip())
    return found


def _with_point(found, point, cuts):
    agrees, undefined = zip(*point.compared, strict=True)
    if found.points:
        before = zip(found.agrees, found.undefined, strict=True)
        now = zip(agrees, undefined, strict=True)
        # no number at one point and equal at the other: equal where both are defined
        agrees = [
            (a & (b | v)) | (b & u) for (a, u), (b, v) in zip(before, now, strict=True)
        ]
        undefined = [u & v for u, v in zip(found.undefined, undefined, strict=True)]
    return replace(
        found,
        agrees=list(agrees),
        undefined=list(undefined),
        points=found.points + 1,
        error_probability=found.error_probability * point.error_probability,
        degree=max(found.degree, point.degree),
        primes=(*found.primes, *point.field.moduli),
        has_finite_mask=found.has_finite_mask or point.field.has_finite_mask,
        cuts=max(found.cuts, cuts),
        is_rational=found.is_rational and point.is_rational,
    )


def _point(at, seed):
    """One random point; where exponentials are nested and something differs, with more
    and more of the values that both programs have taken as variables."""
    point = at(seed, None)
    cut = np.zeros(0, np.uint64)
    for number in range(_MOST_CUTS):
        if point.holds or not point.field.has_nested_exponential:
            return point, number
        first, second = point.names()
        more = np.union1d(cut, np.intersect1d(first, second))
        if more.size == cut.size:
            return point, number
        cut = more
        point = at(seed, cut)
    return point, _MOST_CUTS


class Point:
    """Two programs at one random point."""

    def __init__(self, field, outputs, seen):
        self.field, self.outputs, self.seen = field, outputs, seen

    @staticmethod
    def of(pair: Pair, seed: int, cut) -> "Point":
        orders = [fourier_order(t.jaxpr) for t in pair.traces]
        number_system = FiniteField(seed, order=math.lcm(*orders), cut=cut)
        leaves = [
            number_system.variables(x.shape, x.dtype) if is_float(x) else x
            for x in pair.leaves
        ]
        outputs, seen = [], []
        for traced, name in zip(pair.traces, pair.names, strict=True):
            abstract = [number_system.is_value(x) for x in leaves]
            require_rules(traced.jaxpr, abstract, number_system, what=f"`{name}`")
            consts = [
                number_system.lift(c) if is_float(c) else c for c in traced.consts
            ]
            values: list[FieldArray] = []

            def observe(path, eqn, operands, results, values=values):
                values += [
                    x
                    for x in results
                    if isinstance(x, FieldArray) and not all(x.levels)
                ]

            outputs.append(walk(traced.jaxpr, consts, leaves, number_system, observe))
            seen.append(values)
        return Point(number_system, outputs, seen)

    def names(self):
        """The names of the values that one level does not hold, for each program."""
        return [
            np.unique(np.concatenate([self.field.name(x).ravel() for x in values]))
            if values
            else np.zeros(0, np.uint64)
            for values in self.seen
        ]

    @property
    def compared(self):
        return [_compared(self.field, a, b) for a, b in zip(*self.outputs, strict=True)]

    @property
    def holds(self):
        return all((agrees | unknown).all() for agrees, unknown in self.compared)

    @property
    def is_accident(self):
        """Whether something is no number in one program only, perhaps by chance."""
        return any(
            ((kinds_of(a) == UNDEFINED) != (kinds_of(b) == UNDEFINED)).any()
            for a, b in zip(*self.outputs, strict=True)
            if isinstance(a, FieldArray) and isinstance(b, FieldArray)
        )

    @property
    def is_rational(self) -> bool:
        """Whether nothing but rational functions of the inputs was met, all of them
        with values: no exponential, no uninterpreted function, no mask."""
        outputs = [x for xs in self.outputs for x in xs if isinstance(x, FieldArray)]
        pure = self.field.is_rational and not self.field.has_finite_mask
        return pure and all(all(x.levels) and x.kinds is None for x in outputs)

    @property
    def degree(self) -> float:
        """Of the numerator of the difference, the largest among the outputs."""
        differences = [
            x.degree + y.degree
            for x, y in zip(*self.outputs, strict=True)
            if isinstance(x, FieldArray) and isinstance(y, FieldArray)
        ]
        return max([d.numerator for d in differences], default=0.0)

    @property
    def error_probability(self) -> float:
        """Schwartz and Zippel for both towers of primes at once, and the same for every
        pair of arguments of uninterpreted functions."""
        least = float(min(self.field.moduli))
        vanishes = min(1.0, max(self.degree, 1.0) / least)
        meets = min(1.0, 2 * self.field.degree / self.field.least_name)
        collide = self.field.arguments**2 / 2 * meets**2
        return min(1.0, vanishes**2 + collide)


def _compared(number_system, a, b):
    """(elements found equal, elements that are no number in both)."""
    if not (isinstance(a, FieldArray) or isinstance(b, FieldArray)):
        same = np.asarray(a) == np.asarray(b)
        return same, np.zeros(same.shape, bool)
    a, b = number_system.lift(a), number_system.lift(b)
    kinds = kinds_of(a), kinds_of(b)
    unknown = (kinds[0] == UNDEFINED) & (kinds[1] == UNDEFINED)
    equal = (a.residues[::2] == b.residues[::2]).all(0)
    equal_above = (a.residues[1::2] == b.residues[1::2]).all(0)
    if a.is_complex:
        equal, equal_above = equal.all(0), np.zeros(a.shape, bool)
    # either level holds the real expression, or a generalisation of it
    same = (equal | equal_above) & (kinds[0] == kinds[1])
    return same & ~unknown, unknown


def fourier_order(jaxpr) -> int:
    """A multiple of 4 and of the length of every Fourier transform."""
    order = 4
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "fft":
            order = int(np.lcm.reduce([order, *eqn.params["fft_lengths"]]))
        for sub in _jaxpr.subjaxprs(eqn):
            order = int(np.lcm(order, fourier_order(_jaxpr.open_jaxpr(sub)[0])))
    return order
