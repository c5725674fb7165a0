"""The rule for products with a ragged axis: one plain product per group."""

import numpy as np

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.real._contraction import dot_general
from torchlean_jax.domains.real._flint import flint
from torchlean_jax.domains.real._value import RealArray, lift, rules


@rules.define_op("ragged_dot_general")
def _ragged(operation, x, y, group_sizes):
    """The ragged axis of `x` is cut into groups; what is past the last one gives 0."""
    x, y, sizes = lift(x), lift(y), np.asarray(group_sizes)
    numbers = operation.params["ragged_dot_dimension_numbers"]
    (x_sum, _), (x_batch, _) = numbers.dot_dimension_numbers
    (ragged,) = numbers.lhs_ragged_dimensions
    if ragged in x_batch or sizes.ndim != 1:
        raise MissingRuleError("a ragged product whose groups differ along a batch")
    ends = [int(e) for e in np.cumsum(sizes)]
    starts = [0, *ends[:-1]]
    spans = [slice(a, b) for a, b in zip(starts, ends, strict=True)]
    compute = _sums if ragged in x_sum else _rows
    result = compute(numbers, x, y, ragged, spans)
    dtype = operation.params.get("preferred_element_type") or result.dtype
    return RealArray(result.balls, dtype)


def _sums(numbers, x, y, ragged, spans):
    """A result for each group: the sum over its part of the summed axis."""
    (x_sum, y_sum), _ = numbers.dot_dimension_numbers
    partner = y_sum[x_sum.index(ragged)]
    parts = [
        dot_general(
            x[_at(ragged, span)],
            y[_at(partner, span)],
            dimension_numbers=numbers.dot_dimension_numbers,
        )
        for span in spans
    ]
    return RealArray(np.stack([p.balls for p in parts]), parts[0].dtype)


def _rows(numbers, x, y, ragged, spans):
    """Each row of `x` with the matrix of its group."""
    (x_sum, y_sum), (x_batch, y_batch) = numbers.dot_dimension_numbers
    (group,) = numbers.rhs_group_dimensions
    without = [[a - (a > group) for a in axes] for axes in (y_sum, y_batch)]
    dimensions = (x_sum, without[0]), (x_batch, without[1])
    spans = [*spans, slice(spans[-1].stop, None)]
    parts = []
    for number, span in enumerate(spans):
        rows = x[_at(ragged, span)]
        matrix = y[_at(group, min(number, y.shape[group] - 1))]
        part = dot_general(rows, matrix, dimension_numbers=dimensions).balls
        if number == y.shape[group]:
            part = np.full(part.shape, flint().arb(0), object)
        parts.append(part)
    free = [a for a in range(x.ndim) if a not in (*x_sum, *x_batch)]
    axis = len(x_batch) + free.index(ragged)
    return RealArray(np.concatenate(parts, axis), x.dtype)


def _at(axis, index):
    return (slice(None),) * axis + (index,)
