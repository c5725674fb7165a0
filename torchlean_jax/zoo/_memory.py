"""Memory that one step of a training gives back, and the next one asks for again.

XLA takes all temporary values of a step from malloc at once, 200 MB for the byte GPT.
glibc returns so much to the system each time, which has to clear its pages before it
gives them out again: on CPU that is a third of a step. What is computed stays the same.
"""

import ctypes
import sys

# glibc's <malloc.h>; a value is an int, and what is freed beyond the last is returned
_ARENA_MAX, _MMAP_MAX, _TRIM_THRESHOLD = -8, -4, -1
_MOST = 2**31 - 1


def keep_memory() -> bool:
    """Let this process keep up to 2 GB that it has freed, for what it asks for next.

    `torchlean train` does so. A program of your own calls it before JAX computes: XLA's
    threads have memory of their own from their first request on. Where malloc is not
    glibc's, nothing changes. Returns whether malloc agreed.

    Source: the GNU C Library's manual, "Malloc Tunable Parameters".

    >>> from torchlean_jax import zoo
    >>> zoo.keep_memory() in (True, False)
    True
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST))
    return all(mallopt(*pair) for pair in wanted)
