"""`shapes`: what a function or a layer takes and returns, checked where it is called.

How a declaration is read and decided is the business of `_declaration.py`.
"""

import collections
import copy
import functools
import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from math import inf
from typing import Any, NamedTuple

import jax

from torchlean_jax._declaration import Declaration, Leaf, faults, read, spread
from torchlean_jax.domains._errors import InputError, ShapeError

_MODULES = (("flax.nnx", "Module"), ("flax.linen", "Module"), ("equinox", "Module"))
_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)
_DEFAULT = inspect.Parameter.empty
# So many arrays are remembered; those of the layers just before suffice.
_REMEMBERED = 64


def shapes(model, declared: str | None = None, *, name: str | None = None):
    """`model` with the shapes of its arguments and results declared and checked.

    `shapes(f, "batch n, n m -> batch m")` is `f`; a call with other shapes raises
    ShapeError, which shows all of them, and names the declared layer that a wrong
    argument comes from. An error inside `f` gets a note that does so too.

    Shapes are known while JAX traces, so under `jit` the check costs nothing at run
    time, and `jax.eval_shape` checks a whole model without running it. Under `vmap`
    shapes are those of one example.

    A flax or equinox module comes back as a module of the same class, with the same
    parameters; a pair (linen module, variables) as such a pair. `name` is what messages
    call it. `@shapes("batch n -> batch m")` decorates functions and methods (`self` is
    not declared).

    Positional arguments are declared in their order, separated by commas; those with a
    default may be left out, keyword-only ones are not declared. A name has one size
    throughout a call. Dimensions are jaxtyping's: names, sizes, `2*n` of names to the
    left, `_` (any size), `*batch` (any number of axes), `#n` (n or 1), `...`; nothing
    for a scalar. `float32[n m]` or `int[n]` declares the dtype too, `(n, m)` a tuple,
    `{w: n m}` a mapping or an object with that field; `...` alone is not looked at.

    Raises InputError, with the place, for a declaration that cannot be read or does not
    fit the signature.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> product = tl.shapes(jnp.matmul, "batch n, n m -> batch m")
    >>> product(jnp.ones((8, 4)), jnp.ones((4, 3))).shape
    (8, 3)
    >>> product(jnp.ones((8, 4)), jnp.ones((3, 4)))  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ShapeError: `matmul` (declared "batch n, n m -> batch m") was given ...
    """
    if declared is None:
        if not isinstance(model, str):
            raise InputError('shapes are declared as in shapes(f, "n, n m -> m")')
        return functools.partial(shapes, declared=model, name=name)
    declaration = read(declared)
    if isinstance(model, tuple) and len(model) == 2 and _is_module(model[0]):
        module, variables = model
        return shapes(module, declared, name=name), variables
    if isinstance(model, type):
        raise InputError(
            f"{model.__name__} is a class: declare its __call__, or an instance"
        )
    if _is_module(model):
        return _with_class(model, _declared_class(type(model), declared, name))
    if not callable(model):
        raise InputError(f"a {type(model).__name__} cannot be called")
    return _checked(model, declaration, name)


def _is_module(model) -> bool:
    """Frameworks are looked up only if the user has imported them."""
    found = [(sys.modules.get(package), kind) for package, kind in _MODULES]
    return any(home and isinstance(model, getattr(home, kind)) for home, kind in found)


@functools.cache
def _declared_class(kind: type, declared: str, name: str | None) -> type:
    """A subclass of `kind` whose calls are checked.

    There is one for each declaration: `jit` compiles again for a module of another
    class. It has the name of `kind`, from which linen derives names of parameters.
    """

    class Declared(kind):
        __qualname__ = kind.__qualname__
        __module__ = kind.__module__
        __doc__ = kind.__doc__
        __call__ = shapes(kind.__call__, declared, name=name)

    Declared.__name__ = kind.__name__
    return Declared


def _with_class(model, kind: type):
    """A copy of `model` that shares its parameters."""
    model = copy.copy(model)
    object.__setattr__(model, "__class__", kind)  # linen and equinox modules are frozen
    return model


def _checked(function: Callable, declaration: Declaration, name: str | None):
    signature = _signature(function)
    _require_fit(function, signature, declaration)

    @functools.wraps(function)
    def checked(*args, **kwargs):
        values = list(_values(signature, args, kwargs))
        owner = args[0] if _is_method(signature) else None
        layer = Layer(name or _name(function, owner), declaration)
        given = list(_given(layer, signature, values))
        layer.require(given, [])
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            error.add_note(layer.note(given))
            raise
        layer.require(given, list(spread("returned", declaration.result, result)))
        _recent.remember(layer, result)
        return result

    return checked


def _signature(function) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:  # it is written in C
        return inspect.signature(lambda *args: None)


def _is_method(signature) -> bool:
    return next(iter(signature.parameters), None) == "self"


def _name(function, owner=None) -> str:
    """What messages call it: a linen layer has a name, another layer its class."""
    if owner is None:
        return getattr(function, "__name__", type(function).__name__)
    name = getattr(owner, "name", None)
    return name if isinstance(name, str) else type(owner).__name__


def _positional(signature) -> list[inspect.Parameter]:
    found = [p for p in signature.parameters.values() if p.kind in _POSITIONAL]
    return found[1:] if _is_method(signature) else found


def _takes_any_number(signature) -> bool:
    return any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())


def _require_fit(function, signature, declaration: Declaration) -> None:
    """Raise InputError unless as many arguments are declared as there may be."""
    positional = _positional(signature)
    count = len(declaration.arguments.items)
    needed = sum(p.default is p.empty for p in positional)
    most = inf if _takes_any_number(signature) else len(positional)
    if not needed <= count <= most:
        raise InputError(
            f'"{declaration.text}" declares {count} arguments, and '
            f"`{_name(function)}` takes {', '.join(p.name for p in positional)} "
            "(declare ... what is not to be checked)"
        )


def _values(signature, args, kwargs) -> Iterator[tuple[str, Any]]:
    """The positional arguments of a call by name; `_DEFAULT` where none was given."""
    bound = signature.bind(*args, **kwargs).arguments
    for parameter in _positional(signature):
        yield parameter.name, bound.get(parameter.name, _DEFAULT)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            for number, value in enumerate(bound.get(parameter.name, ())):
                yield f"{parameter.name}[{number}]", value


def _given(layer: "Layer", signature, values) -> Iterator[Leaf]:
    items = layer.declaration.arguments.items
    if _takes_any_number(signature) and len(values) != len(items):
        raise ShapeError(f"{layer} was called with {len(values)} arguments")
    for (label, value), item in zip(values, items, strict=False):
        if value is not _DEFAULT:
            yield from spread(label, item, value)


class Layer(NamedTuple):
    """What is declared, under the name that messages use."""

    name: str
    declaration: Declaration

    def __str__(self) -> str:
        return f'`{self.name}` (declared "{self.declaration.text}")'

    def require(self, given: list[Leaf], returned: list[Leaf]) -> None:
        """Raise ShapeError unless all of this call is as declared."""
        leaves = given + returned
        wrong = faults(leaves)
        if not any(wrong):
            return
        first = next(leaf for leaf, fault in zip(leaves, wrong, strict=True) if fault)
        remarks = [
            [fault, _recent.giver(leaf.value) or _recent.similar(leaf.value)]
            if fault and not returned
            else [fault]
            for leaf, fault in zip(leaves, wrong, strict=True)
        ]
        verb = "returned" if returned else "was given"
        raise ShapeError(f"{self} {verb} {first}\n{_table(leaves, remarks)}")

    def note(self, given: list[Leaf]) -> str:
        """What to know of a call in which something else went wrong."""
        remarks = [[_recent.giver(leaf.value)] for leaf in given]
        return f"in {self}, given\n{_table(given, remarks)}"


def _table(leaves: list[Leaf], remarks: list[list[str]]) -> str:
    """A line for each leaf, and below it one for each remark that is not empty."""
    rows = [(leaf.label, str(leaf), leaf.item.text or "(a scalar)") for leaf in leaves]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row, below in zip(rows, remarks, strict=True):
        lines.append("  " + "  ".join(map(str.ljust, row, widths)).rstrip())
        lines += [" " * (widths[0] + 6) + remark for remark in below if remark]
    return "\n".join(lines)


class _Recent(threading.local):
    """What declared layers returned lately, so that a message can name the layer a
    wrong argument comes from. Arrays are not kept alive."""

    def __init__(self):
        self.returns = collections.deque(maxlen=_REMEMBERED)

    def remember(self, layer: Layer, result) -> None:
        for array in jax.tree.leaves(result):
            if isinstance(array, jax.Array):
                self.returns.append((weakref.ref(array), jax.typeof(array), layer))

    def giver(self, value) -> str:
        """The layer that returned `value` itself."""
        for array, _, layer in reversed(self.returns):
            if array() is value:
                return f"returned by {layer}"
        return ""

    def similar(self, value) -> str:
        """The layer that last returned an array of the shape of `value`."""
        if isinstance(value, jax.Array):
            for _, aval, layer in reversed(self.returns):
                if (aval.shape, aval.dtype) == (value.shape, value.dtype):
                    return f"{layer} returned this shape before"
        return ""


_recent = _Recent()
