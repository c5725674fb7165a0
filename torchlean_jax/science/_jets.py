"""Derivatives of a function over a box of its inputs, as affine forms: a domain.

A value is a jet: the function and some of its partial derivatives, each an affine form
in the inputs, or one without variables, which is an interval. Walking the jaxpr of u
over jets gives enclosures of u, u_x, u_xx... in one pass that keeps how they depend on
the inputs, hence on each other. Rules exist for smooth primitives. Sums of products
obey Leibniz, functions of one value Faa di Bruno:

    d^a (f g) = sum over S in a of f_S g_(a - S)
    d^a g(f)  = sum over partitions P of a of g^(|P|)(f) prod over S in P of f_S.

Source: Griewank and Walther 2008, chapter 13 (jets); affine forms: Stolfi and de
Figueiredo 1997.
"""

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains._registry import BoundRules, RuleTable
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.science import _forms
from torchlean_jax.science._curves import CURVES, RECIPROCAL, Curve, power

rules = RuleTable("Jets")
Order = tuple[int, ...]  # the inputs by which one differentiates, sorted


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Jet:
    """parts: float64[orders, variables + 2, *shape], a form for each derivative."""

    parts: jax.Array

    @property
    def shape(self):
        return self.parts.shape[2:]

    @property
    def dtype(self):
        return self.parts.dtype


class Jets:
    """The domain of jets with these derivatives by these many inputs.

    orders: whatever is contained in one of them belongs to it too; () is the value.
    linear: whether derivatives are affine forms in the inputs; otherwise intervals,
        which forget how they depend on them but cost the same for any number of inputs.
    """

    def __init__(self, orders, inputs: int, *, linear: bool = True):
        parts = {tuple(sorted(o)) for order in orders for o in _subsets(order)} | {()}
        self.orders: tuple[Order, ...] = tuple(sorted(parts, key=lambda o: (len(o), o)))
        self.place = {order: k for k, order in enumerate(self.orders)}
        self.inputs, self.variables = inputs, inputs if linear else 0
        self.rules: Any = BoundRules(rules, self)

    def input(self, lo, hi) -> Jet:
        """The coordinates of a box, float64[inputs], as a jet of that shape."""
        if self.variables:
            forms = _forms.of_box(lo, hi)
        else:
            forms = _forms.around(Interval(lo, hi), 0)
        parts = jnp.zeros((len(self.orders), *forms.shape)).at[0].set(forms)
        for k in range(self.inputs):
            if (k,) in self.place:
                parts = parts.at[self.place[(k,)], 0, k].set(1.0)
        return Jet(parts)

    def is_value(self, x) -> bool:
        return isinstance(x, Jet)

    def lift(self, x) -> Jet:
        if isinstance(x, Jet):
            return x
        form = _forms.constant(x, self.variables)
        return Jet(jnp.zeros((len(self.orders), *form.shape)).at[0].set(form))

    def join(self, values, possible):
        raise InputError("no jet says which branch of a function is taken")

    def unknown(self, shape, dtype) -> Jet:
        return Jet(jnp.full((len(self.orders), self.variables + 2, *shape), jnp.nan))

    def settle(self, value):
        return value

    def enclosures(self, jet: Jet) -> Interval:
        """Of every derivative, on a new first axis in the order of `orders`."""
        return jax.vmap(_forms.enclosure)(jet.parts)


def _subsets(order):
    return itertools.chain.from_iterable(
        itertools.combinations(order, n) for n in range(len(order) + 1)
    )


def _each(forms_of):
    """A function of forms for every derivative of one jet."""
    return lambda jet: Jet(jax.vmap(forms_of)(jet.parts))


@rules.define("add", "add_any")
def _add(domain, x, y):
    left, right = _same_shape(x, y)
    return Jet(jax.vmap(_forms.plus)(left, right))


@rules.define("sub")
def _sub(domain, x, y):
    left, right = _same_shape(x, y)
    minus = functools.partial(_forms.plus, sign=-1)
    return Jet(jax.vmap(minus)(left, right))


def _same_shape(x, y):
    shape = jnp.broadcast_shapes(x.shape, y.shape)
    return [_spread(v.parts, shape) for v in (x, y)]


def _spread(parts, shape):
    """Forms of a smaller shape for every element of a larger one."""
    kinds, own = parts.shape[:2], parts.shape[2:]
    ones = (1,) * (len(shape) - len(own))
    return jnp.broadcast_to(parts.reshape(*kinds, *ones, *own), (*kinds, *shape))


@rules.define("neg")
def _neg(domain, x):
    return _each(lambda form: _forms.scaled(form, -1.0))(x)


@rules.define_op("mul")
def _mul(domain, operation, x, y):
    if isinstance(x, Jet) and isinstance(y, Jet):
        return product(domain, x, y)
    if isinstance(y, Jet):
        x, y = y, x
    return _each(lambda form: _forms.scaled(form, _wide(y)))(domain.lift(x))


def _wide(x):
    return jnp.asarray(x, jnp.float64)


@rules.define_op("same:mul", "square")
def _square(domain, operation, x, _=None):
    return _image(domain, power(2), domain.lift(x))


@rules.define("integer_pow")
def _integer_pow(domain, x, *, y):
    if y < 0:
        x, y = _image(domain, RECIPROCAL, x), -y
    return _image(domain, power(y), x)


@rules.define_op("div")
def _div(domain, operation, x, y):
    """By a known number: a factor that is off by at most an ulp."""
    if isinstance(y, Jet):
        return product(domain, domain.lift(x), _image(domain, RECIPROCAL, y))
    x, known = domain.lift(x), _wide(y)
    shape = jnp.broadcast_shapes(x.shape, known.shape)
    inverse = jnp.broadcast_to(1 / known, shape)
    off = _forms.constant(inverse, domain.variables)
    off = off.at[-1].set(_forms.SLACK * jnp.abs(inverse) + _forms.TINY)
    x = Jet(_spread(x.parts, shape))
    return _each(lambda form: _forms.times(form, off))(x)


def product(domain, x: Jet, y: Jet) -> Jet:
    lefts, rights = _same_shape(x, y)
    pairs, rows = [], []
    for order in domain.orders:
        rows.append([])
        for chosen in _subsets(range(len(order))):
            left = tuple(order[k] for k in chosen)
            right = tuple(i for k, i in enumerate(order) if k not in chosen)
            rows[-1].append(len(pairs))
            pairs.append((domain.place[left], domain.place[right]))
    left, right = np.array(pairs).T
    return Jet(_totals(jax.vmap(_forms.times)(lefts[left], rights[right]), rows))


def _totals(terms, rows: list[list[int]]):
    """Sums of the terms that each row names; rows do not get shorter.

    All rows at once, since what XLA compiles grows with the operations.
    """
    total = terms[np.array([row[0] for row in rows])]
    for k in range(1, len(rows[-1])):
        start = next(i for i, row in enumerate(rows) if len(row) > k)
        next_terms = terms[np.array([row[k] for row in rows[start:]])]
        more = jax.vmap(_forms.plus)(total[start:], next_terms)
        total = jnp.concatenate([total[:start], more])
    return total


def _image(domain, curve: Curve, x: Jet) -> Jet:
    """A function of one value, with all derivatives of the jet."""
    form = x.parts[0]
    whole, middle = _forms.enclosure(form), Interval(form[0], form[0])
    most = max(map(len, domain.orders))
    here = curve.derivatives(middle, most + 2)
    over = curve.derivatives(whole, most + 3)
    outer = [
        _forms.image(form, here[k], here[k + 1], over[k + 2], over[k])
        for k in range(most + 1)
    ]
    if not most:
        return Jet(outer[0][None])
    return _chained(domain, jnp.stack(outer), x)


def _chained(domain, outer, x: Jet) -> Jet:
    """Faa di Bruno's sums, from outer[k], the k-th derivative at the jet's value."""
    named = [
        (k, [domain.place[tuple(order[i] for i in block)] for block in partition])
        for k, order in enumerate(domain.orders[1:])
        for partition in _partitions(tuple(range(len(order))))
    ]
    named.sort(key=lambda term: len(term[1]))
    terms = outer[np.array([len(blocks) for _, blocks in named])]
    for k in range(len(named[-1][1])):
        start = next(i for i, (_, blocks) in enumerate(named) if len(blocks) > k)
        inner = x.parts[np.array([blocks[k] for _, blocks in named[start:]])]
        longer = jax.vmap(_forms.times)(terms[start:], inner)
        terms = jnp.concatenate([terms[:start], longer])
    rows = [
        [i for i, (order, _) in enumerate(named) if order == k]
        for k in range(len(domain.orders) - 1)
    ]
    return Jet(jnp.concatenate([outer[0][None], _totals(terms, rows)]))


def _partitions(positions):
    """Every way of dividing positions into blocks."""
    if not positions:
        yield []
        return
    first, rest = positions[0], positions[1:]
    for n in range(len(rest) + 1):
        for others in itertools.combinations(rest, n):
            left = tuple(p for p in rest if p not in others)
            for partition in _partitions(left):
                yield [(first, *others), *partition]


for _name, _curve in CURVES.items():
    rules.define(_name)(lambda domain, x, curve=_curve, **_: _image(domain, curve, x))


@rules.define_op("dot_general")
def _dot_general(domain, operation, x, y):
    """One operand is known: middles and slopes by the product itself, the rest and all
    rounding errors by the product of magnitudes.

    1e-290 stands for what a subnormal weight, which the hardware reads as 0, is worth.
    """
    (x_dims, _), _ = operation.params["dimension_numbers"]
    terms = 1
    for axis in x_dims:
        terms *= x.shape[axis]
    if isinstance(x, Jet) and isinstance(y, Jet):
        if len(x.shape) == len(y.shape) == 1:
            return _summed(product(domain, x, y), lambda v: v.sum(-1))
        shape = jax.eval_shape(operation, *(v.parts[0, 0] for v in (x, y))).shape
        return domain.unknown(shape, jnp.float64)
    run = operation.replace(
        preferred_element_type=jnp.float64, precision=lax.Precision.HIGHEST
    )
    if isinstance(y, Jet):
        jet, known, at = y, _wide(x), lambda v, w: run(w, v)
    else:
        jet, known, at = domain.lift(x), _wide(y), run
    each = jax.vmap(at, (0, None))
    slack = gamma(terms + 8, jnp.float64)
    forms, rest = jet.parts[:, :-1], jet.parts[:, -1]
    magnitude = rest + slack * (jnp.abs(forms).sum(1) + rest)
    rest = each(magnitude, jnp.abs(known) + _forms.TINY)
    rest = rest * (1 + 4 * slack) + _forms.TINY
    return Jet(
        jnp.concatenate([jax.vmap(each, (0, None))(forms, known), rest[:, None]], 1)
    )


@rules.define_op("reduce_sum")
def _reduce_sum(domain, operation, x):
    return _summed(domain.lift(x), operation)


def _summed(x: Jet, sum_up) -> Jet:
    terms = max(1, x.parts[0, 0].size)
    total = jax.vmap(jax.vmap(sum_up))(x.parts)
    magnitude = jax.vmap(sum_up)(jnp.abs(x.parts).sum(1))
    slack = gamma(terms + 8, jnp.float64)
    rest = total[:, -1] + slack * magnitude
    return Jet(total.at[:, -1].set(rest * (1 + 4 * slack) + _forms.TINY))


@rules.define_op("broadcast_in_dim", "reshape", "squeeze", "transpose", "slice", "rev",
                 "concatenate", "expand_dims", "copy", "stack", "tile")  # fmt: skip
def _layout(domain, operation, *operands):
    lifted = [domain.lift(x).parts for x in operands]
    return Jet(jax.vmap(jax.vmap(operation))(*lifted))


@rules.define_op("convert_element_type")
def _convert(domain, operation, x):
    """Over the reals a cast between floats is none; one to integers is a stair."""
    new = operation.params["new_dtype"]
    if not jnp.issubdtype(new, jnp.floating):
        raise InputError(f"a cast to {new} is a step function: it has no derivatives")
    return domain.lift(x)
