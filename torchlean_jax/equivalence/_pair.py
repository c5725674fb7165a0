"""Two programs side by side: traced at the same arguments, with the same outputs."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._pure import equations, pure_trace, refuse_random_bits
from torchlean_jax._trace import Trace, aval_of
from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters import _jaxpr
from torchlean_jax.interpreters._eager import is_float


@dataclass(frozen=True)
class Pair:
    """Two traces and their common arguments: arrays, or shapes where f is float."""

    names: tuple[str, str]
    traces: tuple[Trace, Trace]
    leaves: tuple
    tree: Any

    @property
    def float_shapes(self) -> int:
        return sum(is_float(leaf) for leaf in self.leaves)

    @property
    def is_concrete(self) -> bool:
        """Whether the example arguments are numbers and not only shapes."""
        return not any(_is_shape(leaf) for leaf in self.leaves)

    @property
    def has_open_loops(self) -> bool:
        """Whether a loop runs for as long as floats say: it ends where it was seen to,
        and perhaps nowhere else."""
        met = (eqn for t in self.traces for eqn, _ in equations(t.jaxpr))
        return any(map(_is_open_loop, met))


def _is_open_loop(eqn) -> bool:
    if eqn.primitive.name != "while":
        return False
    test, _ = _jaxpr.open_jaxpr(eqn.params["cond_jaxpr"])
    return any(is_float(v.aval) for q in test.eqns for v in q.invars)


def pair(f, g, names, args, kwargs) -> Pair:
    """Both functions at the shapes of `args`; raises InputError for what cannot be
    compared."""
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=_is_shape)
    traces = (
        pure_trace(f, names[0], args, kwargs, _is_shape),
        pure_trace(g, names[1], args, kwargs, _is_shape),
    )
    for found, name in zip(traces, names, strict=True):
        refuse_random_bits(found.jaxpr, name)
    _require_same_outputs(traces, names)
    for leaf in leaves:
        if _is_shape(leaf) and not is_float(leaf):
            raise InputError(
                f"an argument of dtype {leaf.dtype} is given as a shape only; "
                "integers, booleans and keys are taken as they are: pass an array"
            )
    if not any(map(is_float, leaves)):
        raise InputError(
            "no argument is a float: functions of integers are compared by running "
            "them on all integers that matter"
        )
    kept = [x if _is_shape(x) else _as_argument(x) for x in leaves]
    found = Pair(names, traces, tuple(kept), tree)
    if found.has_open_loops and not found.is_concrete:
        raise InputError(
            "a loop runs for as long as floats say, and need not end at a random "
            "point: pass arrays at which it does"
        )
    return found


def _as_argument(x):
    if jnp.issubdtype(getattr(x, "dtype", np.float32), jax.dtypes.extended):
        return x
    return np.asarray(x, aval_of(x).dtype)


def _is_shape(x):
    return isinstance(x, jax.ShapeDtypeStruct)


def _require_same_outputs(traces, names):
    first, second = traces
    if first.out_tree != second.out_tree:
        raise InputError(
            f"`{names[0]}` returns {first.out_tree} and `{names[1]}` returns "
            f"{second.out_tree}: compare functions with outputs of one structure"
        )
    if not first.out_avals:
        raise InputError(f"`{names[0]}` and `{names[1]}` return nothing to compare")
    for number, (a, b) in enumerate(
        zip(first.out_avals, second.out_avals, strict=True)
    ):
        if a.shape != b.shape:
            raise InputError(
                f"output {number} of `{names[0]}` has the shape {a.shape}, of "
                f"`{names[1]}` {b.shape}"
            )
