"""From any model to a closed jaxpr.

A model is a JAX function, a flax nnx module, a pair (linen module, variables) or an
equinox module; all become a pure function of explicit arrays first.
"""

import functools
import sys
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters import _jaxpr


def as_function(model):
    """`model` as a pure function of its call arguments.

    Frameworks are looked up only if the user has imported them: their import is not
    cheap.
    Raises InputError for something that cannot be called.
    """
    nnx = sys.modules.get("flax.nnx")
    if nnx is not None and isinstance(model, nnx.Module):
        return _from_nnx(model, nnx)
    linen = sys.modules.get("flax.linen")
    if linen is not None and isinstance(model, tuple) and len(model) == 2:
        module, variables = model
        if isinstance(module, linen.Module):
            return functools.partial(module.apply, variables)
    if linen is not None and isinstance(model, linen.Module):
        raise InputError(
            f"{type(model).__name__} is a linen module without parameters; pass the "
            "pair (module, variables)"
        )
    if not callable(model):
        raise InputError(
            f"a model is a function, an nnx or equinox module, or (linen module, "
            f"variables); got {type(model).__name__}"
        )
    return model


def _from_nnx(model, nnx):
    graph, state = nnx.split(model)

    def apply(*args, **kwargs):
        # without the copy, a module that mutates its state loses gradients of its
        # parameters
        return nnx.merge(graph, state, copy=True)(*args, **kwargs)

    return apply


@dataclass(frozen=True)
class Trace:
    """A model at fixed argument shapes: the jaxpr, its constants, and the output's
    structure."""

    jaxpr: Any
    consts: tuple
    out_tree: Any
    out_avals: tuple


_NO_JET = (
    "jax.experimental.jet cannot enter a jitted function with a derivative rule of its "
    "own, such as jax.nn.softplus, swish or relu. torchlean_jax.science."
    "derivative_bounds bounds higher derivatives of these; or write the formula, such "
    "as jnp.log1p(jnp.exp(x))"
)


def trace(function, args, kwargs, is_value) -> Trace:
    """The jaxpr of `function` at the shapes of `args`, in which domain values are
    leaves."""
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_value)
    avals = [aval_of(leaf) for leaf in leaves]

    def flat(*flat_args):
        args, kwargs = jax.tree.unflatten(tree, flat_args)
        return function(*args, **kwargs)

    try:
        closed, out = jax.make_jaxpr(flat, return_shape=True)(*avals)
    except jax.errors.UnexpectedTracerError as error:
        if "JetTracer" in str(error):
            error.add_note(_NO_JET)
        raise
    jaxpr, consts = _jaxpr.open_jaxpr(closed)
    out_leaves, out_tree = jax.tree.flatten(out)
    return Trace(jaxpr, consts, out_tree, tuple(out_leaves))


def aval_of(leaf) -> jax.ShapeDtypeStruct:
    """The shape and dtype that `leaf` has as an argument: float32 for a NumPy float64
    where x64 is off."""
    if isinstance(leaf, (str, bytes)):
        raise InputError(f"text, {leaf!r}, is no array: give arrays and numbers")
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    if not jnp.issubdtype(dtype, jax.dtypes.extended):
        dtype = jax.dtypes.canonicalize_dtype(dtype)
    return jax.ShapeDtypeStruct(jnp.shape(leaf), dtype)


def require_arrays(verb: str, *args) -> None:
    """InputError if a domain value, such as a box, is among the arguments of a verb
    that speaks of one run."""
    found = [
        x for x in jax.tree.leaves(args, is_leaf=_is_of_a_domain) if _is_of_a_domain(x)
    ]
    if found:
        kind = type(found[0]).__name__
        raise InputError(f"{verb} takes arrays, of which it makes runs; got {kind}")


def _is_of_a_domain(x) -> bool:
    return type(x).__module__.startswith("torchlean_jax.domains.")
