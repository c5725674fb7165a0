"""What an equation is, on every JAX version: the only file that knows how they differ.

jax 0.10: `ClosedJaxpr` wraps `Jaxpr`, `scan` counts its operands in `num_consts`,
`num_carry`. jax 0.12: one class carries its constants, `scan` groups its operands in a
tree (`ft_in`), and primitives gained parameters that are None unless asked for.
"""

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from jax.extend import core

Literal = core.Literal

# Parameters that say nothing about values when None; some versions have them, some do
# not.
_INERT_WHEN_NONE = frozenset(
    (
        "accuracy",
        "out_dtype",
        "out_type",
        "preferred_element_type",
        "precision",
    )
)

# Never about values: on which devices an array lives, how a Python number was promoted.
_INERT = frozenset(("weak_type", "sharding", "out_sharding"))


@dataclass(frozen=True)
class Operation:
    """An equation's primitive with its parameters, ready to run on arrays.

    `params` leaves out what is inert; calling applies the primitive with all of them.
    """

    primitive: Any
    all_params: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.primitive.name

    @property
    def params(self) -> Mapping[str, Any]:
        return MappingProxyType(
            {
                key: value
                for key, value in self.all_params.items()
                if key not in _INERT and not (value is None and key in _INERT_WHEN_NONE)
            }
        )

    def __call__(self, *arrays):
        bound = self.primitive.get_bind_params(dict(self.all_params))
        # 0.10 returns the parameters, earlier conventions a pair of functions and
        # parameters
        functions, params = bound if isinstance(bound, tuple) else ((), bound)
        return self.primitive.bind(*functions, *arrays, **params)

    def replace(self, **params) -> "Operation":
        """The same operation with some parameters changed."""
        return Operation(self.primitive, {**self.all_params, **params})


def operation(eqn) -> Operation:
    return Operation(eqn.primitive, eqn.params)


def is_literal(var) -> bool:
    return isinstance(var, core.Literal)


def literal_value(var) -> np.ndarray:
    """The number of a literal, in the dtype that the program gives it."""
    return np.asarray(var.val, var.aval.dtype)


def is_dropped(var) -> bool:
    """Whether an equation's output is thrown away (`_ = ...` in the printed jaxpr)."""
    return type(var).__name__ == "DropVar"


def open_jaxpr(closed) -> tuple[Any, tuple]:
    """(jaxpr, constants) of a closed jaxpr, or of the jaxpr in an equation's
    parameters."""
    jaxpr = getattr(closed, "jaxpr", closed)
    return jaxpr, tuple(getattr(closed, "consts", ()))


def scan_layout(eqn) -> tuple[int, int]:
    """(number of constants, number of carries) among the operands of a `scan`."""
    params = eqn.params
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    numbered = params["ft_in"].update(list(range(len(eqn.invars))))
    consts, carry, _ = (len(tuple(group)) for group in numbered.unpack())
    return consts, carry


def source_line(eqn, caller=None) -> tuple[str, int, str] | None:
    """(file, line, text) of the user's line behind an equation, if JAX kept it.

    caller: the line of the call that the equation is inlined from. JAX keeps the jaxpr
    of a jitted function, with the lines of whoever called it *first*; so an equation
    that was not traced by way of `caller` is put there.
    """
    traceback = eqn.source_info.traceback
    frames = [] if traceback is None else list(traceback.frames)
    places = {(frame.file_name, frame.line_num) for frame in frames}
    if caller is not None and caller[:2] not in places:
        return caller
    for frame in frames:
        if not _is_library(frame.file_name):
            return (
                frame.file_name,
                frame.line_num,
                _line(frame.file_name, frame.line_num),
            )
    return None


def derivative_rule(eqn) -> str | None:
    """`"f_bwd at model.py:12"`: the user's rule for a custom derivative, if known."""
    for key in ("bwd", "jvp_jaxpr_fun"):
        known = getattr(eqn.params.get(key), "debug_info", None)
        place = getattr(known, "func_src_info", None)
        if place:
            name, _, path = place.partition(" at ")
            at = path.rsplit("/", 1)[-1]
            return None if _is_library(path.rpartition(":")[0]) else f"{name} at {at}"
    return None


def _line(file_name, number):
    import linecache

    return linecache.getline(file_name, number).strip()


_LIBRARY_PARTS = ("/jax/", "/jaxlib/", "/flax/", "/equinox/", "/optax/", "/jaxtyping/")


@functools.cache
def _is_library(file_name: str) -> bool:
    if "/site-packages/" in file_name and any(p in file_name for p in _LIBRARY_PARTS):
        return True
    if file_name.startswith(os.path.dirname(os.path.dirname(jax.__file__)) + "/jax/"):
        return True
    path = os.path.realpath(file_name)
    if path.startswith(_examined()):
        return False
    return file_name.startswith("<frozen") or path.startswith(_ours())


@functools.cache
def _folder() -> str:
    """Where the package is: the rooms are inside it in a wheel, beside it in a
    checkout."""
    package = sys.modules[__name__.partition(".")[0]]
    return os.path.dirname(os.path.realpath(str(package.__file__))) + "/"


@functools.cache
def _examined() -> tuple[str, ...]:
    """Programs that are looked at as a user's are, wherever they are kept."""
    return _folder() + "bugzoo/_cards/", _folder() + "pallas_kernels/"


@functools.cache
def _ours() -> tuple[str, ...]:
    rooms = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    return _folder(), rooms + "/interpreters/", rooms + "/domains/"


def subjaxprs(eqn):
    """The closed jaxprs that an equation calls, in order of appearance.

    Not the `update_jaxpr` of scatter: it is a scalar function that the rule accounts
    for.
    """
    found = []

    def collect(value):
        if (hasattr(value, "eqns") and hasattr(value, "invars")) or (
            hasattr(value, "jaxpr") and hasattr(value.jaxpr, "eqns")
        ):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            for item in value:
                collect(item)

    for key, value in eqn.params.items():
        if key != "update_jaxpr":
            collect(value)
    return found
