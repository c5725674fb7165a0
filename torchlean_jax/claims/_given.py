"""An example, made ready for the verbs: programs of arrays, by position.

What is no array is held inside the program; so is the instance of a method.
"""

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.claims._record import Example, Record, record_of
from torchlean_jax.domains._errors import InputError

_SHORT = {"f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64"}


@dataclass(frozen=True, eq=False)
class Given:
    """A function at an example.

    args: the arguments by position, those by keyword last; leaves are arrays and
    `jax.ShapeDtypeStruct`, and None where something is `held`. names: of the arguments.
    """

    function: Any
    instance: Any
    args: tuple
    held: tuple
    names: tuple[str, ...]
    keywords: tuple[str, ...]
    seed: int

    @cached_property
    def program(self) -> Callable:
        return self.called(self.function)

    def called(self, function) -> Callable:
        """`function`, called as the claiming one is, as a function of `args` only."""
        bound = function if self.instance is None else _bound(function, self.instance)
        positional = len(self.args) - len(self.keywords)

        def program(*args):
            values = jax.tree.map(_either, args, self.held, is_leaf=_is_none)
            named = dict(zip(self.keywords, values[positional:], strict=True))
            return bound(*values[:positional], **named)

        program.__name__ = getattr(function, "__name__", type(function).__name__)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(name, kind) for name in self.names]
        program.__dict__["__signature__"] = inspect.Signature(parameters)
        return program

    @cached_property
    def numbers(self) -> tuple:
        """`args` with numbers for shapes: normal, the same for the same seed."""
        random = np.random.default_rng(self.seed)

        def drawn(leaf):
            if not isinstance(leaf, jax.ShapeDtypeStruct):
                return leaf
            return jnp.asarray(random.standard_normal(leaf.shape), leaf.dtype)

        return jax.tree.map(drawn, self.args)

    def position(self, argument: int | str) -> int:
        """The number of an argument that is given by number or name."""
        if isinstance(argument, int) and argument < len(self.names):
            return argument
        if argument in self.names:
            return self.names.index(str(argument))
        raise InputError(
            f"the example gives no argument {argument!r}; it gives "
            f"{', '.join(self.names) or 'none'}"
        )


def given(function, record: Record, example: Example, instance, seed: int) -> Given:
    """The function at the example; `instance`, if not None, is the one of a method."""
    args, kwargs = _resolved(example)
    if args and is_instance(args[0], record):
        instance, args = (args[0] if instance is None else instance), args[1:]
    _require_instance(function, instance, args, kwargs)
    values = (*args, *kwargs.values())
    values = jax.tree.map(_as_leaf, values, is_leaf=_is_module)
    arrays, held = (
        jax.tree.map(
            lambda x, wanted=wanted: x if _is_array(x) == wanted else None,
            values,
            is_leaf=_is_module,
        )
        for wanted in (True, False)
    )
    names = _names(function, len(args), instance is not None)
    return Given(
        function, instance, arrays, held, (*names, *kwargs), tuple(kwargs), seed
    )


def _resolved(example: Example) -> tuple[tuple, dict]:
    lone = example.args[0] if len(example.args) == 1 and not example.kwargs else None
    if not inspect.isfunction(lone):
        return example.args, example.kwargs
    made = lone()
    return (made if isinstance(made, tuple) else (made,)), {}


def is_instance(value, record: Record) -> bool:
    """Whether `value` has the method on which the claims stand."""
    if isinstance(value, tuple) and len(value) == 2:
        value = value[0]  # a linen module; its variables are the other half
    method = getattr(type(value), record.function.__name__, None)
    return record_of(method) is record


def _require_instance(function, instance, args, kwargs) -> None:
    try:
        signature = inspect.signature(function)
        is_method = "self" in list(signature.parameters)[:1] and instance is None
        _ = signature.bind(*args, **kwargs) if is_method else None
    except (TypeError, ValueError) as error:
        raise InputError(
            f"`{function.__qualname__}` is a method: its example gives an instance "
            "first, by example(lambda: (instance, ...)), or check(instance) does"
        ) from error


def _bound(function, instance) -> Callable:
    if isinstance(instance, tuple):
        module, variables = instance
        return partial(module.apply, variables, method=function)
    return lambda *args, **kwargs: function(_fresh(instance), *args, **kwargs)


def _fresh(value):
    """A copy of an nnx module, which may change while it is traced; others as is."""
    if not _is_module(value):
        return value
    nnx = sys.modules["flax.nnx"]
    return nnx.merge(*nnx.split(value), copy=True)


def _is_module(value) -> bool:
    nnx = sys.modules.get("flax.nnx")
    return nnx is not None and isinstance(value, nnx.Module)


def _either(array, held):
    return _fresh(held) if array is None else array


def _is_none(value) -> bool:
    return value is None


def _is_array(value) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")


def _as_leaf(value):
    """A shape that is written as text, as the shape; anything else as it is."""
    if not isinstance(value, str) or "[" not in value:
        return value
    parsed = re.fullmatch(r"(\w+)\[((?:\d+(?:, ?\d+)*)?)\]", value)
    dtype = parsed and _SHORT.get(parsed[1], parsed[1])
    if parsed is None or dtype not in _SHORT.values():
        raise InputError(
            f'{value!r} is not a floating dtype with a shape, such as "f32[16,8]" or '
            '"bf16[]"; integers and booleans are given as arrays'
        )
    sizes = tuple(int(size) for size in parsed[2].split(",") if size)
    return jax.ShapeDtypeStruct(sizes, jnp.dtype(dtype))


def _names(function, count, is_method) -> list[str]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in plain][is_method:]
    return [names[i] if i < len(names) else f"argument_{i}" for i in range(count)]
