"""`Dependence`: the domain, what it may assume, and what it assumed."""

import functools
from dataclasses import dataclass, field
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._registry import BoundRules, RuleTable
from torchlean_jax.domains.dependence import _value
from torchlean_jax.domains.dependence._value import Elements, SetArray, anything

# Each rule takes the domain first, then what rules of any domain take.
table = RuleTable("Dependence")

FINITE = (
    "every number that the program computes is finite, but for those known to be "
    "infinite: 0 times it is 0, and it does not undo an infinite mask; that 0 may have "
    "either sign, which nothing reads (as atan2 and casts of bits do)"
)
MASKED = (
    "a score that was masked by {mask:g} or less stays below every score that was not, "
    "and its exponential is 0 once the largest score is subtracted"
)


class _Rules:
    """The rules bound to an instance; of the class, for the coverage table."""

    def __get__(self, instance, owner) -> Any:
        return BoundRules(table, instance or owner)


@dataclass(frozen=True)
class Dependence:
    """The inputs that each element can depend on.

    count: how many input positions there are. finite: take 0 times an unknown number
    for 0, which an infinity or a NaN would make a NaN. mask: known numbers at or below
    it count as masks. What a run did assume is in `assumed`.
    """

    count: int
    finite: bool = True
    mask: float = -1e9
    assumed: set[str] = field(default_factory=set, compare=False)

    # Runs outside jit: loops are Python's, and undecided branches are joined.
    unrolls = True

    rules = cast(Any, _Rules())

    @staticmethod
    def is_value(x) -> bool:
        return isinstance(x, SetArray)

    def inputs(self, positions, dtype) -> SetArray:
        """Inputs of unknown values, each the one element of its set."""
        return anything(_value.single(positions, self.count), _dtype(dtype))

    def lift(self, x) -> SetArray:
        """A concrete array: it depends on nothing, and every element is known."""
        if isinstance(x, SetArray):
            return x
        dtype = _dtype(x.dtype if hasattr(x, "dtype") else jnp.result_type(x))
        if not isinstance(dtype, np.dtype):
            return self.unknown(jnp.shape(x), dtype)
        value = np.asarray(x, dtype)
        return SetArray(
            self.no_words(value.shape),
            np.broadcast_to(np.True_, value.shape),
            value,
            self.is_mask(value),
            dtype,
        )

    def no_words(self, shape) -> np.ndarray:
        empty = np.zeros(_value.words_for(self.count), np.uint32)
        return np.broadcast_to(empty, (*shape, empty.size))

    def unknown(self, shape, dtype) -> SetArray:
        """A constant that nobody has computed."""
        return anything(self.no_words(shape), _dtype(dtype))

    def anything(self, words, dtype) -> SetArray:
        """Elements of which only their sets are known."""
        return anything(words, _dtype(dtype))

    def settle(self, value: SetArray) -> Any:
        return value.value if value.known.all() and _is_numeric(value) else value

    def join(self, values, possible) -> SetArray:
        """What is one of `values`, nobody says which."""
        chosen = [self.lift(v) for v, p in zip(values, possible, strict=True) if p]
        return self.one_of(chosen, self.no_words(()))

    def one_of(self, values, deciders: np.ndarray) -> SetArray:
        """One of `values`, as the positions in the set `deciders` decide."""
        values = [self.lift(v) for v in values]
        first, *rest = values
        known = first.known.copy()
        for other in rest:
            known &= other.known & same(first.value, other.value)
        words = functools.reduce(np.bitwise_or, [v.words for v in values])
        words = np.where(known[..., None], np.uint32(0), words | deciders)
        low = functools.reduce(np.logical_and, [v.low for v in values])
        return SetArray(words, known, first.value, low, first.dtype)

    def stack(self, values, shape, dtype) -> Any:
        """Values of one shape along a new first axis; `shape` is the result's."""
        if not values:
            return np.zeros(shape, dtype)
        values = [self.lift(v) for v in values]
        stacked = SetArray(
            np.stack([v.words for v in values]),
            np.stack([v.known for v in values]),
            np.stack([v.value for v in values]),
            np.stack([v.low for v in values]),
            values[0].dtype,
        )
        return self.settle(stacked)

    def is_mask(self, value: Elements) -> Elements:
        """Where known numbers are masks; a format of small range has its own."""
        if not jnp.issubdtype(value.dtype, jnp.floating):
            return np.broadcast_to(np.False_, value.shape)
        if np.isinf(self.mask):
            return value == self.mask
        return value <= max(self.mask, -float(jnp.finfo(value.dtype).max) / 4)

    def assume_finite(self):
        self.assumed.add(FINITE)

    def assume_masked(self):
        self.assumed.add(MASKED.format(mask=self.mask))


def _is_numeric(value):
    return isinstance(value.dtype, np.dtype)


def _dtype(dtype):
    extended = jnp.issubdtype(dtype, jax.dtypes.extended)
    return dtype if extended else np.dtype(dtype)


def same(a: Elements, b: Elements) -> Elements:
    """Equal numbers, the two zeros apart and every NaN alike."""
    equal = (a == b) | ((a != a) & (b != b))
    if jnp.issubdtype(a.dtype, jnp.floating):
        equal &= np.signbit(a) == np.signbit(b)
    return equal
