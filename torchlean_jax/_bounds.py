"""`bounds`: an enclosure of everything a model can return on a set of inputs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._problem import DEFAULT_MEMORY, is_set, problem_of
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval._exact import is_tracer, narrowed
from torchlean_jax.interpreters._crown import METHODS


def bounds(model, *, method: str = "crown", memory: int = DEFAULT_MEMORY):
    """An enclosure of everything `model` can return on a box.

    `bounds(f)(box)` contains `f(x)` for every real `x` in `box`, rounding of the computation
    included. Arguments of `f` that are boxes (`tl.box`) are sets; all others are concrete.

    method: `"ibp"` (interval arithmetic), `"crown-ibp"` (one backward pass from the outputs, on
        interval enclosures) or `"crown"` (a backward pass from every nonlinearity's operand).
    memory: bytes that the rows of one backward pass may take; larger passes run in chunks.

    Called on arrays, it computes in float64, compiles once per shape, and rounds endpoints
    outward to the dtype of each output. Under `jit`, `vmap` or `grad` it computes in the user's
    precision and is differentiable.

    Returns an Interval for each leaf of the model's output. Raises MissingRuleError, listing every
    primitive that has no interval rule, and InputError for an unknown method.

    Source: Zhang et al. 2018 (arXiv:1811.00866), Xu et al. 2020 (arXiv:2002.12920); rounding as
    in `interpreters/_steps.py`.

    >>> import jax, torchlean_jax as tl
    >>> f = lambda x: jax.nn.relu(x) - 0.5 * x
    >>> y = tl.bounds(f)(tl.box(-1.0, 2.0))
    >>> bool(y.contains(0.0)) and float(y.hi) < 1.01
    True
    """
    problem = problem_of(model)
    _check_method(method)

    @functools.wraps(problem.function, updated=())
    def bounded(*args, **kwargs):
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_set)
        task = problem.at(leaves, tree)
        if is_tracer(*jax.tree.leaves(leaves)):
            return task.unflatten(task.compiled("bounds", method, memory)(task.consts, leaves))
        with jax.enable_x64(True):
            outputs = task.compiled("bounds", method, memory)(task.wide_consts, leaves)
        outputs = [narrowed(y, aval.dtype) for y, aval in zip(outputs, task.out_avals, strict=True)]
        return task.unflatten(outputs)

    return bounded


def row_bounds(function, args, rows, offset, *, method, memory=DEFAULT_MEMORY) -> np.ndarray:
    """Lower bounds, in float64, of `rows @ outputs - offset` over the sets among `args`.

    rows: float64[R, n] over the flattened, concatenated outputs; offset: float64[R]. Compiled once
    per function, shapes, method and R.
    """
    _check_method(method)
    leaves, tree = jax.tree.flatten((tuple(args), {}), is_leaf=is_set)
    task = problem_of(function).at(leaves, tree)
    with jax.enable_x64(True):
        compiled = task.compiled("rows", method, memory)
        return np.asarray(compiled(task.wide_consts, leaves, jnp.asarray(rows, jnp.float64), jnp.asarray(offset, jnp.float64)))


def _check_method(method):
    if method not in METHODS:
        raise InputError(f"unknown bound method {method!r}; choose from {', '.join(METHODS)}")
