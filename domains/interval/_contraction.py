"""Interval rules for sums of products: `dot_general` and its kin, convolutions.

All are bilinear, so one derivation serves. Write x = xm +- xr, y = ym +- yr. Then

    |x*y - xm*ym|  <=  |xm| yr + xr (|ym| + yr)

and a computed sum of K products, in any order, fused or not, is off by at most

    gamma_K * sum |xm||ym|  +  2 K lambda,      gamma_K = K u / (1 - K u)

(Higham, Accuracy and Stability, 2nd ed., eq. 3.5; lambda, the smallest normal number,
for results flushed to zero). Folding gamma_K |xm| (or gamma_K |ym|) into the radius of
one operand costs no further product: two contractions if one operand is concrete, three
if none is. Nothing is promised where a backend multiplies by other means than sums of
products (Winograd or Fourier convolutions on a GPU).
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._registry import Operation
from torchlean_jax.domains.interval import _exact
from torchlean_jax.domains.interval._kinds import operation_rule_for
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval, rules


def gamma(terms: int, dtype) -> float:
    """Relative error of a sum of `terms` products, rounded up; inf if hopeless."""
    # two terms to spare: for rounding gamma itself, and for sums that start from a zero
    spent = (terms + 2) * float(jnp.finfo(dtype).eps) / 2
    return spent / (1 - spent) if spent < 0.25 else float("inf")


def midpoint_radius(x: Interval):
    """(m, r) with every point of `x` in m +- r; r is rounded up."""
    # not lo / 2 + hi / 2, which XLA turns into (lo + hi) / 2, and that overflows
    middle = x.lo + (x.hi - x.lo) * jnp.asarray(0.5, x.dtype)
    return middle, round_up(jnp.maximum(x.hi - middle, middle - x.lo))


@operation_rule_for("float", "dot_general")
def dot_general(operation, x, y):
    (x_dims, _), _ = operation.params["dimension_numbers"]
    terms = int(np.prod([jnp.shape(x)[d] for d in x_dims], dtype=np.int64))
    return bilinear(operation, x, y, terms)


@operation_rule_for("float", "conv_general_dilated")
def conv(operation, x, y):
    out_features = operation.params["dimension_numbers"].rhs_spec[0]
    kernel = jnp.shape(y)
    return bilinear(
        operation, x, y, int(np.prod(kernel)) // max(kernel[out_features], 1)
    )


@rules.define_op("ragged_dot_general")
def _ragged_dot(operation, x, y, group_sizes, *rest):
    """Groups of a known size; a result sums at most all products of an axis."""
    dims = operation.params["ragged_dot_dimension_numbers"].dot_dimension_numbers
    (x_dims, _), _ = dims
    terms = int(np.prod([jnp.shape(x)[d] for d in x_dims], dtype=np.int64))
    if isinstance(group_sizes, Interval) or rest:
        shape = jax.eval_shape(
            operation, *map(_endpoint, (x, y, group_sizes, *rest))
        ).shape
        return Interval.unknown(shape, _exact.working_dtype())
    run = _WithGroups(operation, group_sizes)
    return bilinear(run, x, y, terms)


@dataclass(frozen=True)
class _WithGroups:
    """`ragged_dot_general` as an operation on its two factors."""

    operation: Operation
    group_sizes: Any

    def __call__(self, x, y):
        return self.operation(x, y, self.group_sizes)

    def replace(self, **params):
        return _WithGroups(self.operation.replace(**params), self.group_sizes)


def _endpoint(x):
    return x.lo if isinstance(x, Interval) else x


def bilinear(operation, x, y, terms: int) -> Interval:
    """The rule for a bilinear `operation` whose results sum `terms` products each."""
    dtype = _exact.working_dtype()
    run = operation.replace(
        preferred_element_type=dtype, precision=lax.Precision.HIGHEST
    )
    slack = gamma(terms, dtype)
    xm, xr, x_may_flush = _split(x, dtype)
    ym, yr, y_may_flush = _split(y, dtype)
    middle = run(xm, ym)
    if yr is None:
        own = slack * jnp.abs(xm)
        radius = run(round_up(own if xr is None else xr + own), jnp.abs(ym))
    else:
        radius = run(jnp.abs(xm), round_up(yr + slack * jnp.abs(ym)))
        if xr is not None:
            radius = radius + run(xr, _magnitude(ym, yr))
    tiny = jnp.asarray(jnp.finfo(dtype).smallest_normal, dtype)
    # what a subnormal weight, read as zero by the hardware, can be off by
    lost = jnp.zeros((), dtype)
    if x_may_flush:
        lost = lost + tiny * _largest(ym, yr)
    if y_may_flush:
        lost = lost + tiny * _largest(xm, xr)
    radius = radius * (1 + 4 * slack) + 8 * (terms + 1) * tiny + terms * lost
    radius = round_up(radius, ulps=4)
    # [3e38] @ [1, 1, -1] overflows on the way to a number that does not
    middle = jnp.where(jnp.isinf(middle), jnp.nan, middle)
    return Interval(round_down(middle - radius), round_up(middle + radius))


def _split(x, dtype):
    """(middle, radius or None if exact, whether an exact element may be subnormal)."""
    if isinstance(x, Interval):
        return *midpoint_radius(Interval.lift(x)), False
    exact = _exact.exact_cast(x, dtype)
    if _exact.is_tracer(exact):
        return exact, None, x.dtype == dtype
    return exact, None, _exact.has_subnormal(exact)


def _magnitude(middle, radius):
    magnitude = jnp.abs(middle)
    return magnitude if radius is None else round_up(magnitude + radius)


def _largest(middle, radius):
    return jnp.max(_magnitude(middle, radius), initial=0)
