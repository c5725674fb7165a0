"""A JAX function of a few numbers as the program that `torchlean_check` evaluates.

The jaxpr is walked once over expressions: each element is a sum of known multiples of
steps, and a step is written when something that is not linear needs it. Over the reals,
so nothing is rounded: a float32 weight is the rational number that it is. Steps that
are equal are one, so that x * x is seen to be a square.
"""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains._moves import MOVES, pieces
from torchlean_jax.domains._registry import BoundRules, RuleTable

rules = RuleTable("Programs")
FUNCTIONS = {
    **{name: name for name in ("exp", "log", "tanh", "sin", "cos")},
    "logistic": "sigmoid",
}


@dataclass(frozen=True)
class Sum:
    """constant + the sum of coefficients times steps."""

    constant: Fraction
    terms: tuple[tuple[int, Fraction], ...] = ()

    def __add__(self, other: "Sum") -> "Sum":
        total = dict(self.terms)
        for k, c in other.terms:
            total[k] = total.get(k, Fraction(0)) + c
        kept = tuple(sorted((k, c) for k, c in total.items() if c))
        return Sum(self.constant + other.constant, kept)

    def times(self, c: Fraction) -> "Sum":
        terms = tuple((k, a * c) for k, a in self.terms) if c else ()
        return Sum(self.constant * c, terms)


class Sums:
    """An array of them; `dtype` is what the program calls it."""

    def __init__(self, elements, dtype):
        self.elements, self.dtype = np.asarray(elements, object), jnp.dtype(dtype)

    @property
    def shape(self):
        return self.elements.shape

    @property
    def ndim(self):
        return self.elements.ndim

    def __getitem__(self, at):
        return Sums(self.elements[at], self.dtype)


class Programs:
    """The domain of one program that is being written."""

    def __init__(self, inputs: int):
        self.inputs, self.steps = inputs, []
        self.known: dict[tuple, int] = {}
        self.rules: Any = BoundRules(rules, self)

    def is_value(self, x) -> bool:
        return isinstance(x, Sums)

    def lift(self, x) -> Sums:
        if isinstance(x, Sums):
            return x
        x = np.asarray(x)
        if not np.isfinite(x).all():
            raise InputError("a constant of the function is not finite")
        dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else float
        return Sums(_each(lambda v: Sum(Fraction(float(v))), x), dtype)

    def join(self, values, possible):
        raise InputError("no program says which branch of a function is taken")

    def unknown(self, shape, dtype):
        raise InputError("a value of the function is not known")

    def settle(self, value):
        return value

    def evaluate(self, run, inputs):
        return run(None)

    def stack(self, values, shape, dtype):
        stacked = np.empty(shape, object)
        for k, value in enumerate(values):
            stacked[k] = value.elements
        return Sums(stacked, dtype)

    def step(self, *entry) -> int:
        """The number of a step, which is written unless it is there."""
        if entry not in self.known:
            self.known[entry] = self.inputs + len(self.steps)
            self.steps.append(entry)
        return self.known[entry]

    def number(self, x: Sum) -> int:
        """The step that is this sum."""
        if not x.constant and len(x.terms) == 1 and x.terms[0][1] == 1:
            return x.terms[0][0]
        terms = tuple((str(c), k) for k, c in x.terms)
        return self.step("linear", str(x.constant), terms)


def written(f: Callable, sizes: list[tuple[int, ...]]) -> dict:
    """The program of f, whose arguments have these shapes, for a document.

    f is traced in the precision that is on, and read over the reals. Raises
    MissingRuleError listing the primitives that no program has.
    """
    counts = [int(np.prod(size)) for size in sizes]
    domain, start, inputs = Programs(sum(counts)), 0, []
    dtype = jnp.result_type(float)
    for size, count in zip(sizes, counts, strict=True):
        ids = np.arange(start, start + count).reshape(size)
        inputs.append(Sums(_each(_value_of, ids), dtype))
        start += count
    found = domain.lift(interpret(f, domain=domain)(*inputs))
    outputs = [domain.number(x) for x in found.elements.ravel()]
    steps = [[[list(t) for t in x] if type(x) is tuple else x for x in step]
             for step in domain.steps]  # fmt: skip
    return {"steps": steps, "outputs": outputs}


def _value_of(k) -> Sum:
    return Sum(Fraction(0), ((int(k), Fraction(1)),))


def _each(f: Callable, *arrays) -> np.ndarray:
    arrays = np.broadcast_arrays(*arrays)
    found = np.empty(arrays[0].shape, object)
    for at in np.ndindex(found.shape):
        found[at] = f(*(a[at] for a in arrays))
    return found


@rules.define("add", "add_any")
def _add(domain, x, y):
    return Sums(_each(operator.add, x.elements, y.elements), x.dtype)


@rules.define("sub")
def _sub(domain, x, y):
    minus = lambda a, b: a + b.times(Fraction(-1))  # noqa: E731
    return Sums(_each(minus, x.elements, y.elements), x.dtype)


@rules.define("neg")
def _neg(domain, x):
    return Sums(_each(lambda a: a.times(Fraction(-1)), x.elements), x.dtype)


def _step(domain, *entry) -> Sum:
    return _value_of(domain.step(*entry))


def _product(domain, a: Sum, b: Sum) -> Sum:
    if not a.terms or not b.terms:
        known, other = (a, b) if not a.terms else (b, a)
        return other.times(known.constant)
    return _step(domain, "product", *sorted((domain.number(a), domain.number(b))))


@rules.define("mul", "same:mul")
def _mul(domain, x, y):
    product = functools.partial(_product, domain)
    return Sums(_each(product, x.elements, y.elements), x.dtype)


@rules.define("div")
def _div(domain, x, y):
    def quotient(a, b):
        if not b.terms:
            if not b.constant:
                raise InputError("the function divides by 0")
            return a.times(1 / b.constant)
        return _step(domain, "quotient", domain.number(a), domain.number(b))

    return Sums(_each(quotient, x.elements, y.elements), x.dtype)


def _power(domain, x: Sum, n: int) -> Sum:
    """By squares, which are tighter than other products."""
    if n < 2:
        return x if n else Sum(Fraction(1))
    half = _power(domain, x, n // 2)
    square = _product(domain, half, half)
    return _product(domain, square, x) if n % 2 else square


@rules.define("integer_pow")
def _integer_pow(domain, x, *, y):
    def power(a):
        found = _power(domain, a, abs(y))
        if y >= 0:
            return found
        one = domain.number(Sum(Fraction(1)))
        return _step(domain, "quotient", one, domain.number(found))

    return Sums(_each(power, x.elements), x.dtype)


@rules.define("square")
def _square(domain, x):
    return _integer_pow(domain, x, y=2)


@rules.define("dot_general")
def _dot_general(domain, x, y, *, dimension_numbers, **_):
    (x_sum, y_sum), (x_batch, y_batch) = dimension_numbers
    a, x_free = _arranged(x, x_batch, x_sum)
    b, y_free = _arranged(y, y_batch, y_sum)
    found = np.empty((a.shape[0], a.shape[1], b.shape[1]), object)
    for n, i, k in np.ndindex(found.shape):
        terms = (_product(domain, p, q) for p, q in zip(a[n, i], b[n, k], strict=True))
        found[n, i, k] = sum(terms, Sum(Fraction(0)))
    batch = [x.shape[i] for i in x_batch]
    return Sums(found.reshape([*batch, *x_free, *y_free]), x.dtype)


def _arranged(x, batch, summed):
    """([batch, free, summed], lengths of the free axes)."""
    free = [i for i in range(x.ndim) if i not in (*batch, *summed)]
    sizes = [int(np.prod([x.shape[i] for i in axes])) for axes in (batch, free, summed)]
    order = [*batch, *free, *summed]
    return x.elements.transpose(order).reshape(sizes), [x.shape[i] for i in free]


@rules.define("reduce_sum")
def _reduce_sum(domain, x, *, axes, **_):
    moved = np.moveaxis(x.elements, axes, range(len(axes)))
    rows = moved.reshape(-1, *moved.shape[len(axes) :])
    zero = np.full(rows.shape[1:], Sum(Fraction(0)), object)
    both = functools.partial(_each, operator.add)
    return Sums(functools.reduce(both, rows, zero), x.dtype)


def _moving(move):
    def rule(domain, *operands, **params):
        params.pop("sharding", None)
        return Sums(move(*(x.elements for x in operands), **params), operands[0].dtype)

    return rule


for _name, _move in MOVES.items():
    rules.define(_name)(_moving(_move))
rules.define("copy", "copy_p")(lambda domain, x: x)


@rules.define("split")
def _split(domain, x, *, sizes, axis):
    return [x[at] for at in pieces(sizes, axis)]


@rules.define("unstack")
def _unstack(domain, x, *, axis):
    return [x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis])]


@rules.define("convert_element_type")
def _convert(domain, x, *, new_dtype, **_):
    """Over the reals a cast between floats is none; one to integers is a stair."""
    if not jnp.issubdtype(new_dtype, jnp.floating):
        raise InputError(f"a cast to {new_dtype} is a step function")
    return Sums(x.elements, new_dtype)


def _function(name):
    def rule(domain, x, **_):
        return Sums(_each(lambda a: _step(domain, name, domain.number(a)), x.elements),
                    x.dtype)  # fmt: skip

    return rule


for _name, _own in FUNCTIONS.items():
    rules.define(_name)(_function(_own))
