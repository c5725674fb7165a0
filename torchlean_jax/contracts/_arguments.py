"""Programs as functions of their float arguments, which a contract is about.

Integers are what they are: they decide where a kernel reads and writes, and have to be
known while it is unrolled.
"""

import jax.numpy as jnp


def is_float(x) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def floats(args) -> list:
    """The float arguments, in order."""
    return [x for x in args if is_float(x)]


def of_floats(f, args):
    """`f` as a function of its float arguments, all others as in `args`."""

    def function(*values):
        rest = iter(values)
        return f(*(next(rest) if is_float(x) else x for x in args))

    return function
