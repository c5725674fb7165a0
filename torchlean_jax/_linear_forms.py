"""Linear functions of the inputs that bound every node of a graph, for `tl.inspect`.

They are what back-substitution (CROWN) ends with before it takes a minimum over the
input sets. `tl.bounds` computes them only for outputs and operands of nonlinear steps.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._constants import wide
from torchlean_jax._problem import DEFAULT_MEMORY
from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_down
from torchlean_jax.interpreters._backward import substituted, total_error
from torchlean_jax.interpreters._crown import crown, enclose


@dataclass(frozen=True)
class LinearForms:
    """For every x in the input boxes and each element of a node v, over the reals:

        sum_k lower[k] . x_k + lower_offset  <=  v  <=  sum_k upper[k] . x_k +
        upper_offset

    lower, upper: input node -> float64[*shape of v, *shape of the input], exact as
    stated; the offsets, float64[*shape of v], pay for all rounding, and are infinite
    where no bound is known.
    """

    lower: dict[int, Any]
    lower_offset: Any
    upper: dict[int, Any]
    upper_offset: Any


def linear_forms(graph, leaves, chosen) -> dict[int, LinearForms]:
    """The forms of the floating nodes of `graph` that depend on its boxes.

    leaves: its arguments, boxes among them. chosen(number): which nodes to bound.
    """
    with jax.enable_x64(True):
        consts = {n: wide(c) for n, c in graph.constants.items()}
        pairs = list(zip(graph.inputs, leaves, strict=True))
        fixed = {n: x for n, x in pairs if not isinstance(x, Interval)}
        boxes = {n: x for n, x in pairs if isinstance(x, Interval)}
        found = jax.jit(lambda *args: _all_forms(graph, chosen, *args))(
            consts, fixed, boxes
        )
    return {
        number: LinearForms(*jax.tree.map(np.asarray, parts))
        for number, parts in found.items()
    }


def _all_forms(graph, chosen, consts, fixed, boxes):
    sets = {n: Interval.lift(box) for n, box in boxes.items()}
    result = enclose(
        graph, fixed, sets, memory=DEFAULT_MEMORY, consts=consts, refine=crown
    )
    forms = {}
    for position, equation in enumerate(graph.equations):
        for number in equation.outputs:
            value = result.values[number]
            wanted = number in result.abstract and chosen(number)
            if wanted and jnp.issubdtype(value.dtype, jnp.floating):
                forms[number] = _forms_of(result, number, position)
    return forms


def _forms_of(result, number, position):
    value = result.values[number]
    unit = jnp.eye(value.size, dtype=value.dtype).reshape(-1, *value.shape)
    rows, offset, error = substituted(
        result.graph.equations[: position + 1],
        result.steps[: position + 1],
        result.values,
        {number: jnp.concatenate([unit, -unit])},
        jnp.zeros(2 * value.size, value.dtype),
    )
    for other in [n for n in rows if n not in result.sets]:
        least, lost = minimum_over(rows.pop(other), Interval.lift(result.values[other]))
        offset, error = round_down(offset + least), error + lost
    offset = round_down(offset - total_error(error, position + 1))
    rows, offset = _known(rows, offset)
    below, above = {}, {}
    for n, part in rows.items():
        low, high = jnp.split(part, 2)
        shape = (*value.shape, *part.shape[1:])
        below[n], above[n] = low.reshape(shape), -high.reshape(shape)
    low, high = jnp.split(offset, 2)
    return below, low.reshape(value.shape), above, -high.reshape(value.shape)


def _known(rows, offset):
    """Rows and offsets that are numbers: 0 and -inf where nothing is known below."""
    good = ~jnp.isnan(offset)
    for part in rows.values():
        good &= jnp.isfinite(part).reshape(len(offset), -1).all(1)
    rows = {
        n: jnp.where(good.reshape(-1, *[1] * (part.ndim - 1)), part, 0)
        for n, part in rows.items()
    }
    return rows, jnp.where(good, offset, -jnp.inf)
