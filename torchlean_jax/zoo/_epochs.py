"""Which examples a step takes when every epoch takes each of them once."""

import numpy as np

from torchlean_jax.domains._errors import InputError


def chosen(total: int, step: int, size: int, seed: int, what: str) -> np.ndarray:
    """`size` of the numbers 0 .. total - 1: every epoch shuffles afresh, and drops what
    does not fill a batch.

    Raises InputError for more than there are.

    >>> epoch = [chosen(6, step, 3, 0, "images") for step in (4, 5)]
    >>> np.sort(np.concatenate(epoch)).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    if size > total:
        raise InputError(f"a batch of {size}: there are only {total} {what}")
    epoch, place = divmod(step, total // size)
    order = np.random.default_rng([seed, epoch]).permutation(total)
    return order[place * size : (place + 1) * size]
