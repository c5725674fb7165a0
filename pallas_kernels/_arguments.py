"""What the arguments of kernels have in common: dtypes, and rows of a last axis."""

import math

import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError

FLOATS = ("float32", "bfloat16", "float16")


def require_floats(kernel: str, **arrays) -> None:
    """Every array is float32, bfloat16 or float16."""
    wrong = [
        f"{name}: {x.dtype}{list(x.shape)}"
        for name, x in arrays.items()
        if jnp.dtype(x.dtype).name not in FLOATS
    ]
    if wrong:
        raise InputError(
            f"{kernel} takes {', '.join(FLOATS)} and was given {'; '.join(wrong)}: "
            "cast, or write the formula out for other dtypes"
        )


def require(kernel: str, holds: bool, needs: str, **arrays) -> None:
    """`holds`, or an error that says what was needed and which shapes were given."""
    if not holds:
        given = ", ".join(f"{name} {list(x.shape)}" for name, x in arrays.items())
        raise InputError(f"{kernel} needs {needs}; was given {given}")


def as_rows(x):
    """`x` with all axes but the last one made one."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
