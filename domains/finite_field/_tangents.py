"""Tangents of what moves, adds and multiplies elements.

f(a + b eps) = f(a) + b' eps: each rule returns b'. What moves and adds elements does
the same to tangents; a product has the two terms of (a + b eps) (c + d eps), and a
quotient is what undoes it. Functions of one number and decisions are in `_slopes`.
"""

import functools

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.finite_field._arithmetic import (
    add,
    divide,
    multiply,
    negate,
)
from torchlean_jax.domains.finite_field._dual import Step, tangents, zeros
from torchlean_jax.domains.finite_field._value import FieldArray, moved


@tangents.define(
    *("add", "add_any", "sub", "neg", "reduce_sum", "cumsum", "reduce_window_sum"),
    *("broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "slice"),
    *("concatenate", "rev", "pad", "stack", "tile", "split", "unstack", "copy"),
    *("copy_p", "device_put", "optimization_barrier", "sharding_constraint", "reshard"),
    *("dynamic_slice", "dynamic_update_slice", "scatter", "scatter-add", "select_n"),
    *("convert_element_type", "real", "imag", "conj", "complex", "fft"),
)
def linear(step: Step, **changed):
    """Of all operands that are numbers at once; constants among them have tangent 0,
    flags and indices stay."""
    return step.run(*map(_moving(step), step.operands, step.tangents), **changed)


def _moving(step):
    def of(operand, tangent):
        if tangent is not None:
            return tangent
        is_number = jnp.issubdtype(operand.dtype, jnp.inexact)
        return zeros(step.field, step.field.lift(operand)) if is_number else operand

    return of


@tangents.define("gather")
def _gather(step):
    """What is read outside is a constant."""
    return linear(step, fill_value=0)


@tangents.define("stop_gradient")
def _stop_gradient(step):
    """The identity, which it is to a function; held only if that is asked for."""
    return None if step.dual.holds_stopped else linear(step)


@tangents.define("name")
def _name(step):
    return step.tangents[0]  # a value that is cut is a variable, its tangent no new one


@tangents.define("mul", "dot_general", "conv_general_dilated")
def bilinear(step: Step):
    (x, y), (dx, dy) = step.values, step.tangents
    terms = []
    if dx is not None:
        terms.append(step.run(dx, y))
    if dy is not None:
        terms.append(step.run(x, dy))
    return functools.reduce(functools.partial(add, step.field), terms)


@tangents.define("div")
def _quotient(step):
    """From a = q c: b = b' c + q d."""
    field, (quotient,) = step.field, step.results
    (_, y), (dx, dy) = step.values, step.tangents
    if dy is None:
        return divide(field, dx, y)
    change = negate(field, multiply(field, quotient, dy))
    return divide(field, change if dx is None else add(field, dx, change), y)


@tangents.define("reduce_prod")
def _product(step):
    """Each tangent by the product of all other elements, which may be 0."""
    axes = step.operation.params["axes"]
    kept = [a for a in range(step.values[0].ndim) if a not in axes]
    shape = [step.values[0].shape[a] for a in kept]

    def rows(a):
        return a.transpose([*axes, *kept]).reshape(-1, *shape)

    return _folded(step, rows)[-1]


@tangents.define("cumprod")
def _running_products(step):
    axis, reverse = (step.operation.params[k] for k in ("axis", "reverse"))

    def turned(a):
        return np.flip(a, axis) if reverse else a

    column = _folded(step, lambda a: np.moveaxis(turned(a), axis, 0))[1:]
    if not column:
        return linear(step)
    return moved(lambda *each: turned(np.stack(each, axis)), *column)


def _folded(step, rows) -> list[FieldArray]:
    """The tangents of the products of the first 0, 1, ... rows."""
    field, (value,), (tangent,) = step.field, step.values, step.tangents
    x, dx = value.moved(rows), tangent.moved(rows)
    product = field.lift(np.ones(x.shape[1:], x.dtype))
    found = [zeros(field, product)]
    for k in range(x.shape[0]):
        grown = multiply(field, product, dx[k])
        found.append(add(field, multiply(field, found[-1], x[k]), grown))
        product = multiply(field, product, x[k])
    return found
