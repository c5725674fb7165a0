"""A model evaluated in exact rational arithmetic, where it is a rational function.

Only for single points whose sign intervals leave open: it is exact and slow, runs
outside jit, and knows no exp. A value is an array of Python integers over one common
denominator.

Two devices keep it short. What only moves or compares numbers (reshape, gather, max,
sort, lt...) is run by JAX on the *ranks* of the numbers. What multiplies and sums them
(dot, conv, cumsum) is run by JAX on *digits* small enough that every partial sum is an
integer below 2**53, which float64 holds exactly in any order, and the digits are put
together again.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax._trace import Trace
from torchlean_jax.domains import _families
from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains._registry import RuleTable
from torchlean_jax.interpreters import _jaxpr
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.interpreters._missing import require_rules

_MANTISSA = 53
_MOST_BITS = 1 << 16  # of one number: beyond, exactness costs more than it is worth

rules = RuleTable("exact rational arithmetic")


@dataclass(frozen=True)
class Rational:
    """numerators / denominator: an array of integers over one positive integer."""

    numerators: Any
    denominator: int

    def __post_init__(self):
        # numpy turns a result without dimensions into a bare integer
        object.__setattr__(self, "numerators", np.asarray(self.numerators, object))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numerators.shape


class _Exact:
    """The domain, as the walk asks for it."""

    rules = rules

    def is_value(self, x) -> bool:
        return isinstance(x, Rational)

    def lift(self, x) -> Rational:
        if isinstance(x, Rational):
            return x
        array = np.asarray(x)
        if array.dtype == bool or jnp.issubdtype(array.dtype, jnp.integer):
            return Rational(array.astype(object), 1)
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise UndecidedError("an infinity or NaN is not a rational number")
        ratios = [value.as_integer_ratio() for value in array.ravel().tolist()]
        common = max((d for _, d in ratios), default=1)  # powers of two
        return Rational(
            _objects([n * (common // d) for n, d in ratios], array.shape), common
        )

    def settle(self, value):
        return value

    def join(self, values, possible):
        raise UndecidedError("rational values are never joined")

    def unknown(self, shape, dtype):
        raise UndecidedError("rational values are never unknown")


def evaluate(traced: Trace, leaves: list, where: tuple) -> list[Fraction]:
    """The outputs of a traced model at exact inputs, flattened and concatenated.

    leaves: its arguments, of which those at the positions `where` are inputs.
    Raises MissingRuleError or UndecidedError if the model is not a rational function
    that can be evaluated here.
    """
    domain = _Exact()
    abstract = [i in where for i in range(len(leaves))]
    _refuse_loops(traced.jaxpr)
    require_rules(traced.jaxpr, abstract, domain, what="the model")
    with jax.enable_x64(True):
        values = [domain.lift(x) if i in where else x for i, x in enumerate(leaves)]
        outputs = walk(traced.jaxpr, traced.consts, values, domain)
        lifted = [domain.lift(y) for y in outputs]
    return [
        Fraction(n, y.denominator)
        for y in lifted
        for n in y.numerators.ravel().tolist()
    ]


def _refuse_loops(jaxpr):
    """Control flow traces its body, and these values are not for tracing."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in ("scan", "while", "cond"):
            raise UndecidedError(f"`{eqn.primitive.name}` is not evaluated exactly")
        for sub in _jaxpr.subjaxprs(eqn):
            _refuse_loops(_jaxpr.open_jaxpr(sub)[0])


def _objects(numbers, shape):
    array = np.empty(len(numbers), object)
    array[:] = numbers
    return array.reshape(shape)


def _checked(numerators, denominator) -> Rational:
    """In lower terms, and refused when the integers have become enormous."""
    numerators = np.asarray(numerators, object)
    if denominator.bit_length() > 256:
        common = math.gcd(denominator, *numerators.ravel().tolist())
        numerators, denominator = numerators // common, denominator // common
    largest = max(map(abs, numerators.ravel().tolist()), default=0)
    if max(denominator, largest).bit_length() > _MOST_BITS:
        raise UndecidedError("the exact value needs too many digits")
    return Rational(numerators, denominator)


def _over_one_denominator(values):
    common = math.lcm(*[x.denominator for x in values])
    scaled = [x.numerators * (common // x.denominator) for x in values]
    return [np.asarray(a, object) for a in scaled], common


# Moving and comparing: on ranks -----------------------------------------------------


def _on_ranks(operation, *operands):
    """`operation`, which looks at no more than the order of its floating operands."""
    domain = _Exact()
    floats = [i for i, x in enumerate(operands) if _is_number(x)]
    arrays, common = _over_one_denominator([domain.lift(operands[i]) for i in floats])
    table = sorted({n for array in arrays for n in array.ravel().tolist()})
    rank = {n: float(k) for k, n in enumerate(table)}
    mixed = list(operands)
    for i, array in zip(floats, arrays, strict=True):
        ranks = [rank[n] for n in array.ravel().tolist()]
        mixed[i] = jnp.asarray(np.reshape(ranks, array.shape), jnp.float64)
    outputs = operation(*mixed)

    def numbers(y):
        if not jnp.issubdtype(y.dtype, jnp.floating):
            return y
        ranks = np.asarray(y).ravel().tolist()
        if not all(0 <= r < len(table) for r in ranks):
            raise UndecidedError(f"`{operation.name}` fills with an infinity or NaN")
        return Rational(_objects([table[int(r)] for r in ranks], y.shape), common)

    if isinstance(outputs, (list, tuple)):
        return [numbers(y) for y in outputs]
    return numbers(outputs)


def _is_number(x):
    return isinstance(x, Rational) or jnp.issubdtype(jnp.result_type(x), jnp.floating)


_COMPARES = """eq ne lt le gt ge max min clamp select_n sort argmax argmin top_k scatter
reduce_max reduce_min reduce_window_max reduce_window_min cummax cummin""".split()
_MOVES = [name for name in _families.LAYOUT if name not in ("real", "imag")]
rules.define_each((*_MOVES, *_families.INDEXING, *_COMPARES), _on_ranks)


# Multiplying and summing: on digits -------------------------------------------------


def _digits(numerators, width):
    """[(shift, digits)]: numerators = sum of digits * 2**shift, |digits| < 2**width."""
    flat = numerators.ravel().tolist()
    bits = max((abs(n).bit_length() for n in flat), default=0)
    mask = (1 << width) - 1
    parts = []
    for shift in range(0, max(bits, 1), width):
        digits = [(abs(n) >> shift & mask) * (1 if n > 0 else -1) for n in flat]
        array = np.reshape(np.asarray(digits, np.float64), numerators.shape)
        parts.append((shift, jnp.asarray(array)))
    return parts


def _shifted(y, shift):
    return np.asarray(y).astype(np.int64).astype(object) * (1 << shift)


def _summed(operation, x):
    """An operation that adds up elements of `x`."""
    width = _MANTISSA - x.numerators.size.bit_length()
    parts = [_shifted(operation(d), s) for s, d in _digits(x.numerators, width)]
    return _checked(sum(parts), x.denominator)


def _bilinear(operation, x, y):
    """An operation whose results add up products of elements of `x` and `y`."""
    domain = _Exact()
    x, y = domain.lift(x), domain.lift(y)
    run = operation.replace(
        preferred_element_type=jnp.dtype(jnp.float64), precision=lax.Precision.HIGHEST
    )
    # no result has more terms than `y` has elements
    width = (_MANTISSA - y.numerators.size.bit_length()) // 2
    left, right = _digits(x.numerators, width), _digits(y.numerators, width)
    parts = [_shifted(run(a, b), s + t) for s, a in left for t, b in right]
    return _checked(sum(parts), x.denominator * y.denominator)


rules.define_each(("dot_general", "conv_general_dilated"), _bilinear)
rules.define_each(("reduce_sum", "cumsum", "reduce_window_sum"), _summed)


# Element by element -----------------------------------------------------------------


@rules.define("add", "add_any")
def _add(x, y):
    (a, b), common = _over_one_denominator([x, y])
    return _checked(a + b, common)


@rules.define("sub")
def _sub(x, y):
    (a, b), common = _over_one_denominator([x, y])
    return _checked(a - b, common)


@rules.define("mul")
def _mul(x, y):
    return _checked(x.numerators * y.numerators, x.denominator * y.denominator)


@rules.define("div")
def _div(x, y):
    return _mul(x, _reciprocal(y))


def _reciprocal(x):
    flat = x.numerators.ravel().tolist()
    if 0 in flat:
        raise UndecidedError("division by zero")
    common = math.lcm(*flat)
    return _checked(
        _objects([common // n * x.denominator for n in flat], x.shape), common
    )


@rules.define("neg")
def _neg(x):
    return Rational(-x.numerators, x.denominator)


@rules.define("abs")
def _abs(x):
    return Rational(np.abs(x.numerators), x.denominator)


@rules.define("square")
def _square(x):
    return _mul(x, x)


@rules.define("integer_pow")
def _integer_pow(x, *, y):
    if y < 0:
        x, y = _reciprocal(x), -y
    return _checked(x.numerators**y, x.denominator**y)


@rules.define("sign")
def _sign(x):
    return Rational(np.sign(x.numerators), 1)


@rules.define("floor")
def _floor(x):
    return Rational(x.numerators // x.denominator, 1)


@rules.define("ceil")
def _ceil(x):
    return Rational(-(-x.numerators // x.denominator), 1)


@rules.define("convert_element_type")
def _convert(x, *, new_dtype: Any, **_inert):
    """A cast between floats is the identity over the reals."""
    if not jnp.issubdtype(new_dtype, jnp.floating):
        raise UndecidedError("a cast to integers")
    return x
