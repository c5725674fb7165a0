"""The value of the domain: an array of residues. Only bookkeeping lives here."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains._registry import RuleTable

# Each rule takes the domain, which has the primes, first.
rules = RuleTable("FiniteField")

# What an element is: a number, an infinity, or no number (0/0, and 1/0 by accident).
NUMBER, MINUS_INFINITY, PLUS_INFINITY, UNDEFINED = range(4)

# Of the four residues of an element, those mod a p and those mod a q.
P_ROWS, Q_ROWS = (0, 2), (1, 3)


class Ratio(NamedTuple):
    """Bounds on the degrees of numerator and denominator, in the free variables."""

    top: float
    bottom: float

    def plus(self, other: "Ratio") -> "Ratio":
        top = max(self.top + other.bottom, other.top + self.bottom)
        return _bounded(top, self.bottom + other.bottom)

    def times(self, other: "Ratio") -> "Ratio":
        return _bounded(self.top + other.top, self.bottom + other.bottom)


def _bounded(top, bottom):
    """Degrees that say nothing long before, kept away from infinity."""
    return Ratio(min(top, 1e200), min(bottom, 1e200))


class Degree(NamedTuple):
    """How large the expressions in an array are.

    alone: a bound for each element by itself; together: for all of them over one
    denominator. A sum of elements is no larger than `together`: the weights of a
    softmax have one denominator in a row, however many there are.
    """

    alone: Ratio
    together: Ratio

    def __add__(self, other):  # type: ignore[override]
        return Degree(*(a.plus(b) for a, b in zip(self, other, strict=True)))

    def times(self, other: "Degree") -> "Degree":
        return Degree(*(a.times(b) for a, b in zip(self, other, strict=True)))

    def summed(self, count: float) -> "Degree":
        """Of sums of `count` elements."""
        (top, bottom), rest = self.alone, max(count - 1, 0)
        apart = _bounded(top + rest * bottom, count * bottom)
        return Degree(min(apart, self.together, key=sum), self.together)

    def powered(self, n: int) -> "Degree":
        return Degree(*(_bounded(n * t, n * b) for t, b in self))

    def inverted(self, count: float) -> "Degree":
        """Of the inverses of `count` different elements (and their repetitions)."""
        top, bottom = self.alone
        together = _bounded(bottom + max(count - 1, 0) * top, count * top)
        return Degree(Ratio(bottom, top), together)

    def beside(self, *others: "Degree") -> "Degree":
        """Of the elements of several arrays, as one array."""
        each = [self, *others]
        alone = Ratio(*map(max, zip(*[d.alone for d in each], strict=True)))
        bottom = sum(d.together.bottom for d in each)
        tops = [d.together.top + bottom - d.together.bottom for d in each]
        return Degree(alone, _bounded(max(tops), bottom))

    @property
    def numerator(self) -> float:
        return min(self.alone.top, self.together.top)

    @property
    def size(self) -> float:
        return min(sum(self.alone), sum(self.together))


CONSTANT = Degree(Ratio(0.0, 0.0), Ratio(0.0, 0.0))
VARIABLE = Degree(Ratio(1.0, 0.0), Ratio(1.0, 0.0))


@dataclass(frozen=True, slots=True)
class FieldArray:
    """Values of expressions at a random point of finite fields.

    residues: uint64[4, *shape], mod p, q and another such pair; kinds: uint8[*shape],
    what each element is, or None where all are numbers. Complex numbers take a further
    axis, uint64[4, 2, *shape]: z, and its conjugate.

    levels: whether the residues mod the p, and those mod the q, are those of the real
    expression (exp gives none mod q, log none mod p; in their place are fresh random
    residues that depend on the value alone). held: the binary floats of a constant that
    nothing was computed with. Booleans are 0 and 1, undecided ones anything: what holds
    for any residue holds for both.
    """

    residues: np.ndarray
    dtype: np.dtype
    kinds: np.ndarray | None = None
    levels: tuple[bool, bool] = (True, True)
    degree: Degree = CONSTANT
    held: np.ndarray | None = None
    # no element is below 0 for any input (or -inf)
    nonnegative: bool = False
    # the result of a maximum over elements: further maxima are taken of its elements
    is_extreme: bool = False

    def __post_init__(self):
        # NumPy makes scalars of arrays without axes
        for name in ("residues", "kinds", "held"):
            array = getattr(self, name)
            if array is not None and not isinstance(array, np.ndarray):
                object.__setattr__(self, name, np.asarray(array))

    @property
    def is_complex(self) -> bool:
        return jnp.issubdtype(self.dtype, jnp.complexfloating)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.residues.shape[2 if self.is_complex else 1 :]

    @property
    def parts(self) -> np.ndarray:
        """The residues with all arrays of elements along the first axis."""
        # counted: where there are no elements, -1 could stand for any number of arrays
        return self.residues.reshape(8 if self.is_complex else 4, *self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))

    def __getitem__(self, index) -> "FieldArray":
        return self.moved(lambda a: a[index])

    def moved(self, move) -> "FieldArray":
        """`move` of each array of elements, which only places them anew."""
        return moved(move, self)

    def named(self, dtype) -> "FieldArray":
        """The same numbers under another dtype, which none of them is rounded to."""
        return replace(self, dtype=jnp.dtype(dtype))

    def _undecided(self, *args, **kwargs) -> Any:
        raise UndecidedError(
            "a decision of the program depends on the numbers it is given, and a "
            "residue is neither large nor small"
        )

    __bool__ = __int__ = __index__ = __array__ = _undecided

    def __repr__(self) -> str:
        shape = ",".join(map(str, self.shape))
        return f"FieldArray({self.dtype}[{shape}], degree={tuple(self.degree.alone)})"


def moved(move, *operands: FieldArray) -> FieldArray:
    """`move` of the arrays of elements of several values, as one value."""
    first = operands[0]
    parts = [x.parts for x in operands]
    residues = np.stack([move(*each) for each in zip(*parts, strict=True)])
    held = None
    if all(x.held is not None for x in operands):
        held = np.asarray(move(*[x.held for x in operands]))
    kinds = None
    if any(x.kinds is not None for x in operands):
        kinds = move(*map(kinds_of, operands))
    if first.is_complex:
        residues = residues.reshape(4, 2, *residues.shape[1:])
    return FieldArray(
        residues,
        first.dtype,
        kinds,
        levels_of(*operands),
        first.degree.beside(*[x.degree for x in operands[1:]]),
        held,
        all(x.nonnegative for x in operands),
        all(x.is_extreme for x in operands),
    )


def kinds_of(x: FieldArray) -> np.ndarray:
    return np.zeros(x.shape, np.uint8) if x.kinds is None else x.kinds


def levels_of(*xs: FieldArray) -> tuple[bool, bool]:
    return all(x.levels[0] for x in xs), all(x.levels[1] for x in xs)
