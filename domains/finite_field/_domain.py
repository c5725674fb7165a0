"""`FiniteField`: the domain, its primes, and the names it gives to values."""

import functools
import hashlib
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains._registry import BoundRules
from torchlean_jax.domains.finite_field._lift import dyadic_residues
from torchlean_jax.domains.finite_field._primes import Residues, Tower
from torchlean_jax.domains.finite_field._value import (
    MINUS_INFINITY,
    NUMBER,
    P_ROWS,
    PLUS_INFINITY,
    Q_ROWS,
    UNDEFINED,
    VARIABLE,
    FieldArray,
    moved,
    rules,
)

# Masks that are finite to stay clear of NaN: -0.7 * finfo.max, finfo.min, -1e30.
MASK = 1e30


class FiniteField:
    """Residues modulo large random primes: a program as a rational function.

    Two programs whose residues agree at a random point are the same function of the
    reals, except with a small probability: `tl.equivalent` is built on this. Numbers of
    a program are binary floats, which have exact residues mod any odd prime, so nothing
    is rounded. There are two towers of primes q | p - 1: exp takes sums mod q to
    products mod p, and log back; sin and cos are coordinates of exp(i x).

    Every other function is an *uninterpreted* one: a fixed random value for each
    argument. So are comparisons; a choice between two values by an undecided one is
    y + b (x - y) with a random b, in which only identities hold that hold for both
    values of b. |x| is x times an uninterpreted sign, from which max, min, relu and
    comparisons are made; the maximum over an axis is an uninterpreted commutative and
    associative operation.

    seed: of the primes and the uninterpreted functions. order: p - 1 = order q; a
    multiple of 4 and of the length of every Fourier transform. cut: names of values
    (`name`) that are taken as variables of their own at the level that does not hold
    them, so that exp may follow exp. cut_above: values whose degree is larger are taken
    as variables at both levels, so that degrees stay small; what holds then holds for
    any such values. Once `cuts_anew` is False, only values that were cut before are.

    Floats of magnitude 1e30 or more count as infinite, which masks mean by them. Runs
    outside jit on NumPy, where no program has to be compiled. Source: Schwartz 1980,
    Zippel 1979; the pair of primes: Wu et al., "Mirage: A Multi-Level Superoptimizer
    for Tensor Programs" (OSDI 2025).

    >>> import torchlean_jax as tl
    >>> field = tl.FiniteField(seed=1)
    >>> x = field.variables((), "float32")
    >>> square = tl.interpret(lambda x: (x + 1) ** 2, domain=field)(x)
    >>> expanded = tl.interpret(lambda x: x * x + 2 * x + 1, domain=field)(x)
    >>> bool((field.name(square) == field.name(expanded)).all())
    True
    """

    def __init__(self, seed: int = 0, *, order: int = 4, cut=None, cut_above=None):
        if order < 4 or order % 4:
            raise InputError(f"order is a multiple of 4, got {order}")
        self.random = np.random.default_rng(seed)
        towers = [Tower.random(self.random, order) for _ in range(2)]
        self.towers = towers
        self.moduli = [towers[0].p, towers[0].q, towers[1].p, towers[1].q]
        # the rules, as this choice of primes applies them
        self.rules: Any = BoundRules(rules, self)
        self.salt = self.random.integers(0, 2**64, 2, np.uint64)
        self.cut = cut
        self.cut_above, self.cuts_anew = cut_above, True
        self.cut_before: list[np.ndarray] = []
        # what the probability of error is counted from
        self.arguments, self.degree, self.least_name = 0, 1.0, towers[0].p
        self.has_nested_exponential = False
        self.has_finite_mask = False
        # whether no exponential and no uninterpreted function was met
        self.is_rational = True

    def variables(self, shape, dtype) -> FieldArray:
        """Independent uniform residues: a random point for an input of that shape."""
        dtype = jnp.dtype(dtype)
        axes = (2, *shape) if jnp.issubdtype(dtype, jnp.complexfloating) else shape
        drawn = [self.random.integers(0, m, axes, np.uint64) for m in self.moduli]
        return FieldArray(np.stack(drawn), dtype, degree=VARIABLE)

    @staticmethod
    def is_value(x) -> bool:
        return isinstance(x, FieldArray)

    def lift(self, x) -> FieldArray:
        """A concrete array as exactly the numbers it holds."""
        if isinstance(x, FieldArray):
            return x
        x = np.asarray(x)
        if jnp.issubdtype(x.dtype, jnp.complexfloating):
            return self._lift_complex(x)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            wide = x.astype(np.int64)
            residues = [np.mod(wide, m).astype(np.uint64) for m in self.moduli]
            held = x.astype(np.float64) if x.dtype != np.bool_ else None
            return FieldArray(
                np.stack(residues), x.dtype, held=held, nonnegative=bool((x >= 0).all())
            )
        floats = x.astype(np.float64)
        with np.errstate(invalid="ignore"):
            kinds = np.select(
                [np.isnan(floats), floats <= -MASK, floats >= MASK],
                [UNDEFINED, MINUS_INFINITY, PLUS_INFINITY],
                NUMBER,
            ).astype(np.uint8)
        finite = np.where(kinds == NUMBER, floats, 0.0)
        self.has_finite_mask |= bool((np.isfinite(floats) & (kinds != NUMBER)).any())
        residues = np.stack([dyadic_residues(finite, m) for m in self.moduli])
        return FieldArray(
            residues,
            x.dtype,
            kinds if kinds.any() else None,
            held=floats,
            nonnegative=bool((floats >= 0).all()),
        )

    def _lift_complex(self, x):
        parts = [self.lift(np.real(x)), self.lift(np.imag(x))]
        rule = self.rules.find("complex")
        assert rule is not None
        return rule.function(*parts).named(x.dtype)

    def join(self, values, possible) -> FieldArray:
        """The value whose flag is set: decisions are taken or refused here."""
        return next(v for v, flag in zip(values, possible, strict=True) if bool(flag))

    def unknown(self, shape, dtype) -> FieldArray:
        value = self.lift(np.zeros(shape, dtype))
        return replace(value, kinds=np.full(shape, UNDEFINED, np.uint8), held=None)

    def stack(self, values, shape, dtype) -> FieldArray:
        if not values:
            return self.lift(np.zeros(shape, dtype))
        return moved(lambda *rows: np.stack(rows), *values)

    def evaluate(self, run, inputs) -> list:
        """One walk: nothing is gained by a second."""
        return run(None)

    def settle(self, value: FieldArray) -> FieldArray:
        """The value, with residues of its own at the level that does not hold it, for
        the elements in `cut`.

        Residues at the other level stay, so that every relation between values that
        both programs have remains one.
        """
        if self.cut_above is not None and value.degree.size > self.cut_above:
            value = self._small(value)
        if self.cut is None or all(value.levels) or value.is_complex:
            return value
        names = self.name(value)
        # 0 and 1 are what they are at both levels: a masked probability
        known = (value.residues <= 1).all(0)
        hit = np.isin(names, self.cut) & ~known
        if not hit.any():
            return value
        residues = value.residues.copy()
        lost = list(Q_ROWS if value.levels[0] else P_ROWS)
        renewed = self.fresh("cut", names, rows=lost)
        residues[lost] = np.where(hit, renewed, residues[lost])
        levels = (True, True) if (hit | known).all() else value.levels
        return replace(value, residues=residues, levels=levels)

    def _small(self, x: FieldArray) -> FieldArray:
        """x as variables, if it may be cut."""
        if x.is_complex or x.dtype == np.bool_:
            return x
        names = self.name(x)
        if self.cuts_anew:
            self.cut_before.append(names.ravel())
        elif not (
            self.cut_before and np.isin(names, np.concatenate(self.cut_before)).all()
        ):
            return x
        return self.as_variable(x)

    def as_variable(self, x: FieldArray) -> FieldArray:
        """Every element as a variable of its own, the same for equal elements; 0 and 1,
        which are no expressions, stay."""
        if x.is_complex:
            raise InputError("a cut of complex numbers: cut real and imaginary parts")
        self.note_arguments(x)
        residues = self.fresh("cut", self.name(x))
        residues = np.where((x.residues <= 1).all(0), x.residues, residues)
        return FieldArray(
            residues, x.dtype, x.kinds, degree=VARIABLE, nonnegative=x.nonnegative
        )

    def name(self, x: FieldArray) -> Residues:
        """A uint64 for each element that stands for its value: equal for equal values,
        by the residues that are those of the real expression."""
        p_known, q_known = x.levels
        first = 1 if q_known and not p_known else 0
        residues = x.residues[first::2]
        name = residues[0] | (residues[1] << np.uint64(32))
        if x.is_complex:
            name = mixed(name[0] ^ mixed(name[1]))
        if first:
            name = mixed(name)  # not to be taken for residues mod p
        return name if x.kinds is None else np.where(x.kinds, x.kinds, name)

    def fresh(self, tag: str, *names: Residues, rows=(0, 1, 2, 3)) -> np.ndarray:
        """uint64[rows, ...]: random residues that are a function of a tag and of names,
        for some of the four moduli."""
        state = mixed(self.salt[0] ^ _digest(tag))
        for name in names:
            state = mixed(state ^ name)
        result = np.empty((len(rows), *np.shape(state)), np.uint64)
        with np.errstate(over="ignore"):
            for place, k in enumerate(rows):
                shifted = state + self.salt[1] * np.uint64(k + 1)
                result[place] = mixed(shifted) % np.uint64(self.moduli[k])
        return result

    def canonical_pair(self, x: FieldArray) -> np.ndarray:
        """uint64[2, ...]: residues mod each p that depend on the value alone."""
        if x.levels[0]:
            return x.residues[::2]
        return self.fresh("pair", self.name(x), rows=P_ROWS)

    def permuted(self, pair: np.ndarray) -> np.ndarray:
        """A fixed random permutation of pairs of residues (a Feistel network)."""
        halves = list(pair)
        for k in range(4):
            halves[k % 2] = self._stirred(halves, k, 1)
        return np.stack(halves)

    def permuted_back(self, pair: np.ndarray) -> np.ndarray:
        halves = list(pair)
        for k in reversed(range(4)):
            halves[k % 2] = self._stirred(halves, k, -1)
        return np.stack(halves)

    def _stirred(self, halves, k, direction):
        m = np.uint64(self.moduli[2 * (k % 2)])
        (noise,) = self.fresh(f"round {k}", halves[1 - k % 2], rows=(2 * (k % 2),))
        return (halves[k % 2] + (noise if direction > 0 else m - noise)) % m

    def note_arguments(self, *xs: FieldArray) -> None:
        """Count what an uninterpreted function was asked, for the probability."""
        known_mod_q = any(x.levels == (False, True) for x in xs)
        named_by = [t.q if known_mod_q else t.p for t in self.towers]
        self._note(max(x.size for x in xs), max(x.degree.size for x in xs), named_by)
        self.is_rational = False

    def note_exponents(self, x: FieldArray) -> None:
        """The same for exp and log, whose values meet where residues mod q do."""
        self._note(x.size, x.degree.size, [t.q for t in self.towers])
        self.is_rational = False

    def distinct(self, x: FieldArray) -> int:
        """How many different expressions the elements are."""
        if not x.degree.alone.top:
            return 1
        count = np.unique(self.name(x)).size * (2 if x.is_complex else 1)
        self._note(count, x.degree.size, [t.p for t in self.towers])
        return count

    def _note(self, count, degree, named_by):
        self.arguments += count
        self.degree = max(self.degree, degree)
        self.least_name = min(self.least_name, *named_by)


@functools.cache
def _digest(tag):
    return np.uint64(
        int.from_bytes(hashlib.blake2b(tag.encode(), digest_size=8).digest(), "big")
    )


def mixed(x):
    """A permutation of uint64 without structure (Steele et al. 2014, SplitMix64)."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
