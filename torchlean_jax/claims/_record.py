"""Claims as they are written down: on the function itself, nothing traced or run.

What a claim means and how it is checked is not here.
"""

import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torchlean_jax.domains._errors import InputError

_ATTRIBUTE = "_torchlean_claims"
# Frames of these packages are not where a claim stands: the last two wrap functions
# whose annotations are enforced.
_MACHINERY = ("torchlean_jax.claims", "jaxtyping", "beartype")


@dataclass(frozen=True, eq=False)
class Claim:
    """One thing that a function claims.

    kind: the decorator's name; says: the claim in words; file, line: where it stands.
    """

    kind: str
    says: str
    file: str
    line: int
    ask: Callable = field(repr=False)
    namespace: dict = field(repr=False)

    @property
    def place(self) -> str:
        """The file and the line, from the working directory if it holds the file."""
        path, here = Path(self.file), Path.cwd()
        path = path.relative_to(here) if path.is_relative_to(here) else path
        return f"{path}:{self.line}"


@dataclass(frozen=True, eq=False)
class Example:
    """Arguments at which claims are checked, as they were given."""

    args: tuple
    kwargs: dict


@dataclass(eq=False)
class Record:
    """The claims and examples of one function, the topmost first."""

    function: Any
    claims: tuple[Claim, ...] = ()
    examples: tuple[Example, ...] = ()

    def is_of(self, module) -> bool:
        """Whether it was made in that module, or is about one of its functions."""
        function = self.function
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        spaces = [claim.namespace for claim in self.claims]
        spaces.append(getattr(function, "__globals__", {}))
        return any(space is vars(module) for space in spaces)

    def __reduce__(self):
        # Tools that pickle a function by value take its attributes along, and with
        # them whole modules. Claims are about the source; they stay with it.
        return type(None), ()


# Also claims under a decorator that hides them (one without `functools.wraps`) are
# found: a claim that nobody checks is worse than none.
_records: weakref.WeakSet[Record] = weakref.WeakSet()


def example(*args, **kwargs):
    """The arguments at which the claims of a function are checked; may be repeated.

    Everything that JAX would trace is an array, or its type and shape as a jaxpr prints
    it: `"f32[16,8]"`, which stands for any real numbers. (Where a check needs numbers
    they are drawn from a normal distribution. Integers have to be given: what is a
    token, what an index, a shape does not say.) All other values, such as numbers,
    flags, strings and functions, are held as they are.

    What is costly to make, or has no name yet, is given as one function without
    arguments that returns them all, and is called when a claim is checked. In that
    way a method gets its instance: a flax nnx or equinox module, any object, or the
    pair (linen module, variables).

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> class Scale:
    ...     weight = 2.0
    ...     @tl.claims.equals(lambda self, x: x + x)
    ...     @tl.claims.example(lambda: (Scale(), "f32[3]"))
    ...     def __call__(self, x):
    ...         return self.weight * x
    >>> [bool(result) for result in tl.claims.check(Scale.__call__)]
    [True]
    """

    def recorded(function):
        record = _record_on(function)
        record.examples = (Example(args, kwargs), *record.examples)
        return function

    return recorded


def claim(kind: str, says: str, ask: Callable):
    """A decorator that records a claim; the file and line are those of its caller."""
    frame = sys._getframe()
    while frame.f_back is not None and _is_machinery(frame):
        frame = frame.f_back
    made = Claim(
        kind, says, frame.f_code.co_filename, frame.f_lineno, ask, frame.f_globals
    )

    def recorded(function):
        record = _record_on(function)
        record.claims = (made, *record.claims)
        return function

    return recorded


def record_of(function) -> Record | None:
    """What `function` claims, or what it was made from by a `functools.wraps`."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Record) else None


def records_in(module) -> list[tuple[Any, Record]]:
    """Every (function as the module has it, its claims), by line."""
    found = [record for record in _records if record.claims and record.is_of(module)]
    found.sort(key=lambda record: min(claim.line for claim in record.claims))
    return [(_as_called(record, module), record) for record in found]


def _as_called(record, module):
    """What callers get: the function in all its decorators, where they show through.

    A claim under `jax.custom_vjp` speaks of the function with that rule.
    """
    found = module
    for part in record.function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found if record_of(found) is record else record.function


def _record_on(function) -> Record:
    if isinstance(function, type):
        raise InputError(
            f"claims are made of functions; decorate {function.__name__}.__call__"
        )
    record = record_of(function)
    # Of `jax.vmap(f)` the claims of `f` are not: attributes were only copied.
    if record is not None and record.function is function:
        return record
    record = Record(function)
    try:
        setattr(function, _ATTRIBUTE, record)
        _ = function.__qualname__
    except (AttributeError, TypeError) as error:
        raise InputError(
            "claims are recorded on functions; write a function around this "
            f"{type(function).__name__}"
        ) from error
    _records.add(record)
    return record


def _is_machinery(frame) -> bool:
    name = frame.f_globals.get("__name__", "beartype")
    return frame.f_code.co_filename.startswith("<@beartype") or any(
        name == package or name.startswith(f"{package}.") for package in _MACHINERY
    )
