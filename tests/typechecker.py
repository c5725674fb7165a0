"""The type checker that `conftest.py` runs the package under."""

from beartype import BeartypeConf, beartype

# PEP 484: where a float is asked for, an int will do.
_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function):
    """beartype on every function but `__init__`.

    A domain value stores what it is given: JAX rebuilds pytrees with tracers, None,
    floats and bare `object()`s inside (`jax.vmap` does, for its `in_axes`).
    """
    return function if function.__name__ == "__init__" else _beartype(function)
