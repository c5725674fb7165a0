"""Relaxations as data: linear functions that sandwich one elementwise operation."""

from dataclasses import dataclass

import jax
from jaxtyping import Array

from torchlean_jax.domains._registry import RuleTable

relaxations = RuleTable("CROWN")

# For piecewise linear operations: which elements do not yet have one linear piece. The
# others are exact already, so no tighter enclosure is worth computing for them.
undecided = RuleTable("CROWN undecided")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Lines:
    """For y = op(x_1, ..., x_n), elementwise over the enclosures the relaxation was
    built on:

        sum_i lower[i] * x_i + lower_offset  <=  y  <=  sum_i upper[i] * x_i +
        upper_offset

    exactly, as a statement about reals with the numbers stored here. A concrete operand
    has slope None: what it contributes is in the offsets.
    """

    lower: tuple[Array | None, ...]
    lower_offset: Array
    upper: tuple[Array | None, ...]
    upper_offset: Array
