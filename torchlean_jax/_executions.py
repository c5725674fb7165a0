"""Whether numbers that some other program returned can be those of this function."""

import jax
import numpy as np

from torchlean_jax._interpret import interpret
from torchlean_jax.domains.fp32 import FP32
from torchlean_jax.domains.fp32._value import FP32Value


def executions(function, *args, **kwargs) -> list[FP32Value]:
    """What encloses each output of every binary32 execution of `function`."""
    values = interpret(function, domain=FP32())(*args, **kwargs)
    leaves = jax.tree.leaves(values, is_leaf=FP32.is_value)
    return [y if FP32.is_value(y) else FP32.lift(y) for y in leaves]


def may_return(value: FP32Value, numbers) -> bool | None:
    """Whether `numbers` are inside; None if nothing is known of some, and of the
    others nothing speaks against it.

    Nothing is known where an execution may give no number: a comparison with those
    ends is false, which shows nothing.
    """
    numbers = np.asarray(numbers)
    lo, hi = np.asarray(value.lo), np.asarray(value.hi)
    if lo.shape != numbers.shape:
        return False
    known = ~np.asarray(value.may_be_nan | value.real.may_be_nan)
    inside = (lo <= numbers) & (numbers <= hi)
    if (known & ~inside).any():
        return False
    return True if known.all() else None
