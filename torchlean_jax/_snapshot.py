"""A model as it is at one moment, under one identity for as long as it stays the same.

A Python function may read parameters that change between two calls. A verdict must
speak of the parameters of *now*, while compiled bounds should serve every call that
finds them unchanged. So each call traces the model afresh (milliseconds), and an
earlier snapshot is taken again only if its jaxpr, literals and constants are the same.
Neither the identity of the model object nor that of a lambda around it matters.
"""

import dataclasses
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr

from torchlean_jax._trace import Trace, aval_of, trace
from torchlean_jax.domains._errors import InputError, TorchLeanError
from torchlean_jax.interpreters import _jaxpr

_KEPT = 16  # snapshots, each with its constants and whatever was compiled for it


class Snapshot:
    """A traced model, called with arguments of the shapes that it was traced at."""

    def __init__(self, name: str, traced: Trace):
        self.__name__ = name
        self.trace = traced
        self._compiled: dict[Hashable, Any] = {}

    def __call__(self, *args):
        leaves = jax.tree.leaves(args)
        outputs = eval_jaxpr(self.trace.jaxpr, self.trace.consts, *leaves)
        return jax.tree.unflatten(self.trace.out_tree, outputs)

    def digest(self) -> str:
        """A SHA-256 of the equations and constants, the same in every process."""
        # what has no name of its own is printed with its address
        text = re.sub(r"\b0x[0-9a-f]+", "", repr(_text(self.trace)))
        found = hashlib.sha256(text.encode())
        for const in self.trace.consts:
            add_array(found, const)
        return found.hexdigest()

    def once(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """`build()`, remembered under `key` as long as this snapshot is."""
        if key not in self._compiled:
            self._compiled[key] = build()
        return self._compiled[key]


_recent: OrderedDict[Hashable, list[Snapshot]] = OrderedDict()


def snapshot(
    function: Callable, args: tuple, is_set: Callable[[Any], bool]
) -> Snapshot:
    """`function` at the shapes of `args`, whose leaves may be sets of inputs.

    Raises InputError if the function cannot be called with such arguments.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        traced = trace(function, args, {}, is_set)
    except TorchLeanError:
        raise
    except Exception as error:  # whatever a user's model raises on a wrong shape
        raise InputError(_does_not_fit(name, args, is_set, error)) from error
    leaves, tree = jax.tree.flatten(args, is_leaf=is_set)
    text = tree, tuple(str(aval_of(leaf)) for leaf in leaves), _text(traced)
    candidates = _recent.pop(text, [])
    found = next((s for s in candidates if _same_consts(s.trace, traced)), None)
    if found is None:
        found = Snapshot(name, _with_own_constants(traced))
    # the latest of those that share a text: parameters in training do not come back
    _recent[text] = [*[s for s in candidates if s is not found][-3:], found]
    while len(_recent) > _KEPT:
        _recent.popitem(last=False)
    return found


def _does_not_fit(name, args, is_set, error):
    leaves = jax.tree.leaves(args, is_leaf=is_set)
    shapes = ", ".join(
        f"{getattr(leaf, 'dtype', type(leaf).__name__)}{list(np.shape(leaf))}"
        if not is_set(leaf)
        else f"a {leaf.dtype}{list(leaf.shape)} set"
        for leaf in leaves
    )
    first = str(error).strip().splitlines()
    return (
        f"`{name}` cannot be called on {shapes or 'no arguments'}: "
        f"{type(error).__name__}: {first[0] if first else ''}"
    )


def _with_own_constants(traced: Trace) -> Trace:
    """A captured numpy array can be overwritten later; a JAX array cannot."""
    consts = [c if isinstance(c, jax.Array) else np.array(c) for c in traced.consts]
    return dataclasses.replace(traced, consts=tuple(consts))


def _text(traced: Trace) -> tuple:
    """The whole of the trace but its constants: equal only if the equations are.

    A jaxpr prints a literal in decimal, so the bits of each are listed as well.
    """
    literals, inner = [], []
    _collect(traced.jaxpr, literals, inner)
    return traced.out_tree, str(traced.jaxpr), tuple(literals), tuple(inner)


def add_array(digest, array) -> None:
    """Dtype, shape and bytes of an array, into a `hashlib` digest."""
    if jnp.issubdtype(array.dtype, jax.dtypes.extended):
        array = jax.random.key_data(array)
    array = np.asarray(array)
    digest.update(f"{array.dtype.name}{array.shape}".encode())
    digest.update(array.tobytes())


def _collect(jaxpr, literals, inner):
    for var in jaxpr.outvars:
        _collect_literal(var, literals)
    for eqn in jaxpr.eqns:
        for var in eqn.invars:
            _collect_literal(var, literals)
        arrays = [
            p for p in eqn.params.values() if isinstance(p, (np.ndarray, jax.Array))
        ]
        inner += [np.asarray(p).tobytes() for p in arrays]  # printed with "..." inside
        for closed in _jaxpr.subjaxprs(eqn):
            sub, consts = _jaxpr.open_jaxpr(closed)
            # rare and small: constants that JAX left inside a call
            inner += [np.asarray(c).tobytes() for c in consts]
            _collect(sub, literals, inner)


def _collect_literal(var, literals):
    if _jaxpr.is_literal(var):
        literals.append(np.asarray(var.val).tobytes())


def _same_consts(a: Trace, b: Trace) -> bool:
    return all(map(_same_array, a.consts, b.consts))


def _same_array(a, b):
    if a is b:
        return True
    if isinstance(a, jax.Array) and a.is_deleted():
        return False  # donated to a training step since
    if any(jnp.issubdtype(c.dtype, jax.dtypes.extended) for c in (a, b)):
        return False  # random keys: their bits are not for reading
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
