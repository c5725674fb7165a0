"""Rules for sums of products: `dot_general` and convolutions, in the stated order.

A product has the terms x[k] * y[k], k counted along the contracted axes in row-major
order (in the order in which `dot_general` lists them). The result has the format of the
output; operands of a narrower format are widened first, exactly.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.ieee32._arithmetic import convert
from torchlean_jax.domains.ieee32._domain import IEEE32, operate
from torchlean_jax.domains.ieee32._fold import neutral, total
from torchlean_jax.domains.ieee32._format import BINARY32, format_of
from torchlean_jax.domains.ieee32._rules import rule
from torchlean_jax.domains.ieee32._value import FloatBits, choose

# Rows are taken one after the other where all products at once would be more than this.
_MOST_PRODUCTS = 1 << 24


@rule("dot_general")
def dot_general(
    domain, x, y, *, dimension_numbers, precision=None, preferred_element_type=None
):
    require_plain(precision)
    x, y = in_format(domain, preferred_element_type, x, y)
    (x_dims, y_dims), (x_batch, y_batch) = dimension_numbers
    x_free = [a for a in range(x.ndim) if a not in (*x_dims, *x_batch)]
    y_free = [a for a in range(y.ndim) if a not in (*y_dims, *y_batch)]
    rows = _arranged(x, x_dims, x_batch, x_free)
    columns = _arranged(y, y_dims, y_batch, y_free)
    result = dot(domain, rows, columns)
    shape = [
        *(x.shape[a] for a in x_batch),
        *(x.shape[a] for a in x_free),
        *(y.shape[a] for a in y_free),
    ]
    return jax.tree.map(lambda a: a.reshape(shape), result)


def _arranged(x, contracted, batch, free):
    """[terms, batch, free]."""
    sizes = [math.prod(x.shape[a] for a in axes) for axes in (contracted, batch, free)]
    order = [*contracted, *batch, *free]
    return jax.tree.map(lambda a: jnp.transpose(a, order).reshape(sizes), x)


def require_plain(precision):
    """No algorithm that splits or truncates the operands has been asked for."""
    asked = precision if isinstance(precision, tuple) else (precision,)
    if not all(p is None or isinstance(p, lax.Precision) for p in asked):
        raise InputError(
            f"IEEE32 multiplies in the format of the operands; the model asks for "
            f"{precision}"
        )


def in_format(domain, preferred, x, y):
    """Both factors in the format of the result."""
    if preferred is None:
        preferred = x.dtype if x.format == y.format else jnp.float32
    fmt = format_of(preferred)
    for v in (x, y):
        if v.format not in (fmt, fmt if fmt != BINARY32 else v.format):
            raise InputError(
                f"products of {x.format.name} and {y.format.name} do not fit into "
                f"{fmt.name}; ask for float32 results"
            )
    return (convert(domain, v, new_dtype=fmt.dtype) for v in (x, y))


@functools.partial(jax.jit, static_argnums=0, inline=True)
def dot(domain: IEEE32, x: FloatBits, y: FloatBits, present=None) -> FloatBits:
    """[batch, rows, columns] from [terms, batch, rows] and [terms, batch, columns].

    present: booleans [terms, rows], the terms that take part.
    """
    terms, batch, rows = x.shape
    columns = y.shape[2]
    if terms == 0:
        return neutral(domain, "add", x, (batch, rows, columns))
    if domain.order != "pairwise":
        return _in_sequence(domain, x, y, present)
    if x.size * columns <= _MOST_PRODUCTS:
        return _in_pairs(domain, x, y, present)

    def row(taken):
        x, there = taken
        x = jax.tree.map(lambda a: a[..., None], x)
        there = None if there is None else there[:, None]
        return jax.tree.map(lambda a: a[:, 0], _in_pairs(domain, x, y, there))

    by_row = jax.tree.map(lambda a: jnp.moveaxis(a, -1, 0), (x, present))
    return jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1), lax.map(row, by_row))


def _in_pairs(domain, x, y, present):
    products = operate(domain, "mul", _as_rows(x), _as_columns(y))
    there = None if present is None else present[:, None, :, None]
    return total(domain, "add", products, there)


def _in_sequence(domain, x, y, present):
    fused = domain.order == "fma-sequential"

    def step(carry, term):
        acc, some = carry
        x, y, there = term
        x, y = _as_rows(x), _as_columns(y)
        if fused:
            more = operate(domain, "fma", x, y, acc)
        else:
            more = operate(domain, "add", acc, operate(domain, "mul", x, y))
        if there is None:
            return (more, some), None
        there = there[None, :, None]
        # the first term stands alone: added to a zero, -0 would become +0
        alone = operate(domain, "mul", x, y)
        new = choose(there, choose(some, more, alone), acc)
        return (new, some | there), None

    shape = x.shape[1], x.shape[2], y.shape[2]
    if present is None:
        start: Any = operate(domain, "mul", _as_rows(x[0]), _as_columns(y[0])), True
        x, y = (jax.tree.map(lambda a: a[1:], v) for v in (x, y))
    else:
        start = neutral(domain, "add", x, shape), jnp.zeros(shape, bool)
    (result, _), _ = lax.scan(step, start, (x, y, present))
    return result


def _as_rows(x):
    return jax.tree.map(lambda a: a[..., :, None], x)


def _as_columns(y):
    return jax.tree.map(lambda a: a[..., None, :], y)
