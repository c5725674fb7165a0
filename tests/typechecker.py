"""The type checker that `conftest.py` runs the package under.

jaxtyping's import hook decorates every function, also one without annotations: 9
microseconds for each call, and 740 to decorate it, which a nested function pays
whenever its surroundings run. Of the tests of kernels that was almost half of the time.
So what says nothing is left alone, and what names no array is left to beartype.
"""

import functools
import inspect
import typing

import jaxtyping
from beartype import BeartypeConf, beartype

# PEP 484: where a float is asked for, an int will do.
_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function):
    """beartype on every function but `__init__`.

    A domain value stores what it is given: JAX rebuilds pytrees with tracers, None,
    floats and bare `object()`s inside (`jax.vmap` does, for its `in_axes`).
    """
    return function if function.__name__ == "__init__" else _beartype(function)


def install(package: str) -> None:
    """Enforce the annotations of what is imported of `package` from now on."""
    jaxtyping.install_import_hook(package, f"{__name__}.check")
    # The name by which the hook finds its decorator.
    jaxtyping.jaxtyped = _where_annotated(jaxtyping.jaxtyped)


def _where_annotated(jaxtyped):
    """`jaxtyped` where arrays are named, the checker alone where they are not, and
    nothing where nothing is said: of a class it would check `__init__`."""

    @functools.wraps(jaxtyped)
    def decorator(*given, **options):
        if given or "typechecker" not in options:
            return jaxtyped(*given, **options)
        in_one_scope = jaxtyped(**options)

        def decorate(function):
            if inspect.isclass(function) or function.__name__ == "__init__":
                return function
            hints = function.__annotations__.values()
            if any(map(_names_an_array, hints)):
                return in_one_scope(function)
            return _beartype(function) if hints else function

        return decorate

    return decorator


def _names_an_array(hint) -> bool:
    """A string may: jaxtyping reads it."""
    if isinstance(hint, str | typing.ForwardRef):
        return True
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    parts = hint if isinstance(hint, list) else typing.get_args(hint)
    return any(map(_names_an_array, parts))
