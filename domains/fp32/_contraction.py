"""FP32 rules for products of arrays and convolutions, in any blocking and any order.

With K products for each result, factors read within a relative error r, and each
product and sum rounded at most once (fewer times where they are fused),

    |run - sum x' y'|  <=  ((1 + r)^2 (1 + u)^K - 1) sum |x'| |y'|  +  2 K tiny

(Higham, section 3.1: every product takes part in at most K roundings, whatever the tree
of the sum), and |sum x' y' - sum x y| <= sum (ex |y'| + |x| ey). K counts the products
that are not 0 in every run, as `_reduce` says.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._registry import Operation
from torchlean_jax.domains.fp32._arithmetic import forgotten
from torchlean_jax.domains.fp32._format import accumulated, format_of
from torchlean_jax.domains.fp32._reduce import not_zero, shared
from torchlean_jax.domains.fp32._result import (
    interval_rule,
    operation_rule_for_floats,
    rounded,
)
from torchlean_jax.domains.fp32._upward import grown, total
from torchlean_jax.domains.fp32._value import FP32Value, unknown
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._rounding import round_down, round_up


@operation_rule_for_floats("dot_general")
def dot_general(domain, operation, x, y):
    real = interval_rule("dot_general", operation)(x.real, y.real)
    return _bilinear(domain, operation, real, x, y, _dot_terms(operation, x))


def _dot_terms(operation, x):
    (x_dims, _), _ = operation.params["dimension_numbers"]
    return int(np.prod([x.shape[d] for d in x_dims], dtype=np.int64))


@operation_rule_for_floats("same:dot_general")
def _dot_with_itself(domain, operation, x, y):
    """Both factors are one value: where rows meet themselves, a sum of squares."""
    over_boxes = interval_rule("same:dot_general", operation)
    real = over_boxes(x.real, x.real)
    value = _bilinear(domain, operation, real, x, x, _dot_terms(operation, x))
    # Sums of what is not negative are not negative, however they are rounded; that they
    # are such sums whatever x is, is asked of an x that may be anything.
    ones = jnp.ones_like(x.execution.lo)
    whatever = over_boxes(Interval(-ones, ones), Interval(-ones, ones))
    least = value.execution.lo
    lo = jnp.where(whatever.lo >= 0, jnp.maximum(least, 0), least)
    run = Interval(lo, value.execution.hi)
    return FP32Value(value.real, value.error, run, value.dtype)


@operation_rule_for_floats("conv_general_dilated")
def _conv(domain, operation, x, y):
    real = interval_rule("conv_general_dilated", operation)(x.real, y.real)
    features = operation.params["dimension_numbers"].rhs_spec[0]
    terms = int(np.prod(y.shape)) // max(y.shape[features], 1)
    return _bilinear(domain, operation, real, x, y, terms)


@operation_rule_for_floats("ragged_dot_general")
def _ragged_dot(domain, operation, x, y, group_sizes, *rest):
    """Groups of a known size; a result sums at most all products of an axis."""
    sizes = domain.settle(group_sizes)
    if domain.is_value(sizes) or rest:
        shape = interval_rule("ragged_dot_general", operation)(
            x.real, y.real, group_sizes.real, *(r.real for r in rest)
        ).shape
        return unknown(shape, x.dtype)
    real = interval_rule("ragged_dot_general", operation)(x.real, y.real, sizes)
    dims = operation.params["ragged_dot_dimension_numbers"].dot_dimension_numbers
    terms = int(np.prod([x.shape[d] for d in dims[0][0]], dtype=np.int64))
    run = _WithGroups(operation, sizes)
    return _bilinear(domain, run, real, x, y, terms)


@dataclass(frozen=True)
class _WithGroups:
    """`ragged_dot_general` as an operation on its two factors."""

    operation: Operation
    group_sizes: Any

    @property
    def params(self):
        return self.operation.params

    def __call__(self, x, y):
        return self.operation(x, y, self.group_sizes)

    def replace(self, **params):
        return _WithGroups(self.operation.replace(**params), self.group_sizes)


def _bilinear(domain, operation, real, x, y, terms):
    """The value of a bilinear operation whose results sum `terms` products each."""
    out, accumulator = _dtypes(operation, x, y)
    products = domain.model.products_at(operation.params.get("precision"))
    kind = format_of(accumulator)
    read = products.operand if x.dtype == y.dtype == jnp.float32 else 0.0
    summed = accumulated(kind.unit * products.rounding, terms)
    spread = summed + (2 * read + read**2) * (1 + summed) * (1 + 2**-40)
    # a sum in a wider format than the result is rounded once more
    last = format_of(out).unit if out != accumulator else 0.0
    run = _upward(operation, real.dtype, terms)
    runs = magnitude(y.execution)
    sizes = run(magnitude(x.execution), runs)
    own = grown(spread * (1 + last), sizes)
    if not read:
        own = shared(_counted(operation, x, y), terms, own)
    own = total(own, jnp.full_like(own, 4 * (terms + 1) * kind.tiny))
    carried = total(run(magnitude(x.real), y.error), run(x.error, runs))
    exact = _signed(_around(real, carried), x, y)
    value = rounded(domain, out, real, exact, carried, relative=last, absolute=own)
    value = _signed_run(value, x, y)
    # no partial sum may pass the largest number: it could be an infinity, or two
    largest = min(kind.largest, format_of(out).largest)
    return forgotten(value, ~(total(sizes, own) < largest))


def _counted(operation, x, y):
    """How many products are not 0 in every run. (Beside an infinity 0 gives no number;
    but then nothing is known of the result.)"""
    counts = not_zero(x.execution), not_zero(y.execution)
    return operation.replace(
        preferred_element_type=counts[0].dtype, precision=lax.Precision.HIGHEST
    )(*counts)


def _around(real, radius):
    return Interval(round_down(real.lo - radius), round_up(real.hi + radius))


def _signed(exact, x, y):
    """Nothing negative where no factor is."""
    positive = jnp.all(x.execution.lo >= 0) & jnp.all(y.execution.lo >= 0)
    lo = jnp.where(positive, jnp.maximum(exact.lo, 0), exact.lo)
    return Interval(lo, exact.hi)


def _signed_run(value, x, y):
    run = _signed(value.execution, x, y)
    return FP32Value(value.real, value.error, run, value.dtype)


def _dtypes(operation, x, y):
    """(dtype of the result, dtype that sums are kept in)."""
    factors = jnp.promote_types(x.dtype, y.dtype)
    stated = operation.params.get("preferred_element_type")
    return jnp.dtype(stated or factors), jnp.promote_types(jnp.float32, factors)


def _upward(operation, dtype, terms):
    """The operation on magnitudes, rounded up."""
    run = operation.replace(
        preferred_element_type=dtype, precision=lax.Precision.HIGHEST
    )
    slack = 1 + 2 * gamma(terms, dtype)
    tiny = 4 * (terms + 1) * float(jnp.finfo(dtype).smallest_normal)
    return lambda a, b: run(a, b) * jnp.asarray(slack, dtype) + tiny
