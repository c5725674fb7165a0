"""Sets that no disturbance makes a loop leave, as documents for `torchlean_check`."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.science._documents import _accepted, _pairs, _text
from torchlean_jax.science._program import written


def barrier_document(
    f: Callable,
    V: Callable,
    lo: Any,
    hi: Any,
    level: float,
    *,
    inner: float | None = None,
    disturbance: Any = (),
    start: tuple[Any, Any] | None = None,
    avoid: tuple[Any, Any] | None = None,
) -> bytes:
    """A certificate of what `attracted(f, V, lo, hi, level, ...)` proves or, with boxes
    `start` and `avoid`, each (lo, hi), `barrier`.

    f and V: as there; of the primitives that `stability_document` takes. Nothing in the
    document is evidence: the checker cuts its own cells.

    Raises InputError for a level below `inner` or a disturbance that is no list of
    finite numbers, CertificateWriteError if the checker does not follow, and
    MissingRuleError listing the primitives that have no step in its programs.

    >>> import torchlean_check
    >>> from torchlean_jax.science import barrier_document
    >>> document = barrier_document(lambda x, w: -x + w, lambda x: x @ x, [-2.0], [2.0],
    ...                             3.0, inner=0.0625, disturbance=[0.125])
    >>> torchlean_check.check(document).accepted
    True
    """
    box, reach = _pairs(lo, hi), np.asarray(disturbance, np.float64).reshape(-1)
    inner = level if inner is None else inner
    if not (0 < inner <= level and (reach >= 0).all() and np.isfinite(reach).all()):
        raise InputError(
            "inner must be in (0, level], a disturbance finite and 0 or more; got "
            f"{inner} of {level}, and {reach.tolist()}"
        )
    size = len(box)
    with jax.enable_x64(True):
        field, function = written(f, [(size,), (len(reach),)]), written(V, [(size,)])
    return _accepted({
        "format": "torchlean-barrier", "version": 1, "size": size,
        "field": field, "function": function, "box": _text(box),
        "level": str(Fraction(level)), "inner": str(Fraction(inner)),
        "disturbance": [str(Fraction(r)) for r in reach.tolist()],
        "start": None if start is None else _text(_pairs(*start)),
        "avoid": None if avoid is None else _text(_pairs(*avoid)),
    })  # fmt: skip
