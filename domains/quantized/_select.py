"""Quantised rules for comparisons, and for choices between two values."""

import jax.numpy as jnp

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.quantized._rescale import constant
from torchlean_jax.domains.quantized._value import (
    Quantized,
    aligned,
    rules,
    with_constant,
)


@rules.define_op("eq", "ne", "lt", "le", "gt", "ge")
def _compare(operation, x, y):
    """Of integers on one grid, where numbers closer than a step may be equal."""
    return operation(*_on_one_grid(x, y)[1])


@rules.define_op("select_n")
def _select(operation, which, *cases):
    """A case that is known is rounded to the grid of the other."""
    if len(cases) != 2 or Quantized.is_value(which):
        raise MissingRuleError("a quantised choice is between two cases")
    grid, integers, limits = _on_one_grid(*cases)
    least, most = (f(ends) for f, ends in zip((min, max), limits, strict=True))
    return grid.wide(operation(which, *integers), None, least, most)


def _on_one_grid(x, y):
    """(a wide value for its grid, the integers of both, their (least, most) ends)."""
    if Quantized.is_value(x) and Quantized.is_value(y):
        x, y = aligned(x, y)
        ends = (x.least, y.least), (x.most, y.most)
        return x, (x.integers, y.integers), ends
    value, known = (x, y) if Quantized.is_value(x) else (y, x)
    value, steps = with_constant(value, known)
    ends = (value.least, int(steps.min())), (value.most, int(steps.max()))
    steps = jnp.broadcast_to(constant(steps), value.shape)
    pair = value.integers, steps
    return value, pair if Quantized.is_value(x) else pair[::-1], ends
