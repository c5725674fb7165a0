"""The value of the domain: an array of balls. No rule lives here."""

import math
from operator import attrgetter

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains._registry import RuleTable
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import narrowed_ends, working_dtype
from torchlean_jax.domains.real._flint import flint, is_no_number

rules = RuleTable("Real")

# Digits of an element when an array is printed; `decimal` gives them all.
_SHOWN = 20


class RealArray:
    """An array of real (or complex) numbers, each known to lie in a ball.

    A ball is a midpoint of any precision with a radius; `balls` holds them as
    python-flint's `arb` (or `acb`) objects. An element may also be an infinity, which a
    program can hold (a mask of -inf); certainly no number (inf - inf); or unknown,
    where the precision did not suffice to tell.

    `dtype` is what the program calls the array; nothing was ever rounded to it. Not a
    pytree: balls do not pass through `jit`.

    >>> import jax.numpy as jnp
    >>> import torchlean_jax as tl
    >>> third = tl.interpret(lambda x: x / 3, domain=tl.Real(digits=20))(jnp.ones(2))
    >>> third
    RealArray([0.33333333333333333333 0.33333333333333333333], dtype=float32)
    >>> third[0].decimal(30)
    '0.333333333333333333333333333333'
    """

    __slots__ = ("_all_finite", "_balls", "_held", "dtype")

    def __init__(self, balls, dtype, *, finite: bool | None = None):
        """balls: an object array of `arb` or `acb`; finite: whether all are, if known.

        An object that stands in several places is one number in all of them.
        Users lift arrays with `tl.Real.lift`.
        """
        self._balls = as_array(balls)
        self._held = None
        self._all_finite = finite
        self.dtype = jnp.dtype(dtype)

    @classmethod
    def holding(cls, floats: np.ndarray) -> "RealArray":
        """Points given as binary floats, which become balls when one is computed with.

        Moving elements (a table of embeddings, say) is free until then.
        """
        value = cls.__new__(cls)
        value._balls = None
        value._held = floats
        value._all_finite = bool(np.isfinite(floats).all())
        value.dtype = floats.dtype
        return value

    @property
    def held(self) -> np.ndarray | None:
        """The binary floats it was given as, if nothing was computed with them."""
        return self._held

    @property
    def balls(self) -> np.ndarray:
        """An object array of `arb` (`acb` if complex), exact for what was given."""
        if self._balls is None:
            self._balls = _exact_balls(self._held)
        return self._balls

    @property
    def is_finite(self) -> bool:
        """Whether every element is known to be a finite number."""
        if self._all_finite is None:
            self._all_finite = all(x.is_finite() for x in self.balls.flat)
        return self._all_finite

    @property
    def known_finite(self) -> bool | None:
        """The same without looking: None if nobody has looked yet."""
        return self._all_finite

    @property
    def is_complex(self) -> bool:
        return jnp.issubdtype(self.dtype, jnp.complexfloating)

    @property
    def _array(self) -> np.ndarray:
        return self.balls if self._held is None else self._held

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        return self._array.size

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index) -> "RealArray":
        if self._held is not None:
            return RealArray.holding(np.asarray(self._held[index]))
        finite = self._all_finite or None
        return RealArray(self.balls[index], self.dtype, finite=finite)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    @property
    def real(self) -> "RealArray":
        return self._part("real")

    @property
    def imag(self) -> "RealArray":
        return self._part("imag")

    def _part(self, name):
        dtype = jnp.finfo(self.dtype).dtype
        finite = self._all_finite or None
        return RealArray(each(attrgetter(name), self.balls), dtype, finite=finite)

    @property
    def mid(self) -> np.ndarray:
        """The binary64 number (complex: a pair) nearest to each midpoint.

        `to_interval` is the enclosure; `mid` +- `rad` is not, as `mid` was rounded.
        """
        if self.is_complex:
            return self.real.mid + 1j * self.imag.mid
        return each(lambda x: float(x.mid()), self.balls).astype(np.float64)

    @property
    def rad(self) -> np.ndarray:
        """The radius of each ball, rounded up to binary64: how uncertain it is."""
        if self.is_complex:
            return np.maximum(self.real.rad, self.imag.rad)
        return each(lambda x: float_up(x.rad()), self.balls).astype(np.float64)

    @property
    def lo(self) -> np.ndarray:
        """A binary64 number below every point of the ball; NaN for no number."""
        return self._ends(lambda x: -float_up(-x))

    @property
    def hi(self) -> np.ndarray:
        """A binary64 number above every point of the ball; NaN for no number."""
        return self._ends(float_up)

    def _ends(self, end):
        if self.is_complex:
            raise InputError("a complex value has no ends: take its real and imag")
        # python-flint rounds even a negation, to 53 bits unless told otherwise
        with flint().ctx.workprec(256):
            return each(end, self.balls).astype(np.float64)

    def to_interval(self) -> Interval:
        """The enclosure as an `Interval`, endpoints moved outward.

        Endpoints are float64 where x64 is enabled, float32 elsewhere.
        """
        lo, hi = self.lo, self.hi
        return Interval(*narrowed_ends(lo, hi, working_dtype()))

    def distance(self, x) -> np.ndarray:
        """An upper bound on |x - value| for each element, as binary64.

        x: an array of the same shape, taken exactly. It is 0 where both are the same
        infinity or both no number, and inf where only one is.
        """
        other = RealArray.holding(np.asarray(x))
        with flint().ctx.workprec(4096):
            gaps = each2(_gap, self.balls, other.balls)
        return gaps.astype(np.float64)

    def decimal(self, digits: int = 20):
        """Decimal strings of up to `digits` digits: only those that are certain.

        A string for a scalar, an object array of strings otherwise.
        """
        strings = each(lambda x: x.str(digits, radius=False), self.balls)
        return strings[()] if strings.ndim == 0 else strings

    def __repr__(self) -> str:
        shown = min(_certain_digits(self.balls), _SHOWN)
        text = np.array2string(
            each(lambda x: x.str(shown, radius=False), self.balls),
            formatter={"all": str},
            threshold=100,
            edgeitems=2,
        )
        return f"RealArray({text}, dtype={self.dtype})"


def lift(x) -> RealArray:
    """A concrete array (or number) as points: exactly the numbers it holds.

    Integers and booleans included. Raises InputError for a traced array.
    """
    if isinstance(x, RealArray):
        return x
    if isinstance(x, Tracer):
        raise InputError(
            "Real runs outside jit, grad and vmap, on concrete arrays; this one is "
            "traced. Transform the model inside: interpret(jax.grad(f), domain=Real)"
        )
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.extended):
        raise InputError("a random key is not a number")
    return RealArray.holding(np.asarray(x))


def as_array(x) -> np.ndarray:
    """An object array; NumPy unpacks those without axes."""
    if isinstance(x, np.ndarray):
        return x
    boxed = np.empty((), object)
    boxed[()] = x
    return boxed


def each(function, balls) -> np.ndarray:
    """`function` of each element, as an object array."""
    return as_array(np.frompyfunc(function, 1, 1)(balls))


def each2(function, x, y) -> np.ndarray:
    return as_array(np.frompyfunc(function, 2, 1)(x, y))


def _exact_balls(floats):
    """Each binary float (or integer) as the ball of radius 0 that it is."""
    if jnp.issubdtype(floats.dtype, jnp.complexfloating):
        return each(flint().acb, floats.astype(np.complex128).astype(object))
    if jnp.issubdtype(floats.dtype, jnp.floating):
        # every float format of JAX fits into binary64, subnormals included
        return each(flint().arb, floats.astype(np.float64).astype(object))
    return each(lambda n: flint().arb(int(n)), floats.astype(object))


def float_up(x) -> float:
    """The smallest binary64 number above every point of the ball; NaN for no number."""
    if x.is_nan():
        return math.nan if is_no_number(x) else math.inf
    if not x.rad().is_finite():
        return math.inf
    with flint().ctx.workprec(64):
        top = x.upper()
    rounded = float(top)
    if flint().arb(rounded) < top:
        rounded = math.nextafter(rounded, math.inf)
    return rounded


def _gap(x, y):
    if is_no_number(x) and is_no_number(y):
        return 0.0
    if not (x.is_finite() and y.is_finite()):
        return 0.0 if x == y else math.inf
    return float_up(abs(x - y))


def _certain_digits(balls):
    bits = [x.rel_accuracy_bits() for x in balls.flat if x.is_finite()]
    return max(1, int(min(bits, default=4 * _SHOWN) * math.log10(2)))
