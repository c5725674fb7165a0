"""The cases at the edge: nothing to do, one element, huge, tiny, not a number."""

import jax
import numpy as np

from torchlean_jax.interpreters._kernel_call import unrolled
from torchlean_jax.interpreters._once import run_once
from torchlean_jax.pallas_kernels._terms import Edge, Terms


def holds(terms: Terms, edge: Edge) -> tuple[bool, str]:
    """Whether the kernel's result is what is expected, or what the formula gives."""

    def fused(*args, **options):
        return terms.op(*args, implementation="auto", **options)

    def plain(*args, **options):
        return terms.op(*args, implementation="reference", **options)

    # once, on a few numbers: XLA would compile each small operation
    got = run_once(unrolled(lambda: edge.call(fused)))
    expected = run_once(edge.expected or (lambda: edge.call(plain)))
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    for number, (a, b) in enumerate(pairs):
        wrong = _apart(np.asarray(a), np.asarray(b), edge.ulps)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            values = f"{np.asarray(a)[at]} for {np.asarray(b)[at]}"
            return False, f"output {number} at {at}: {values}"
    return True, "as expected"


def _apart(a, b, ulps):
    if a.shape != b.shape or a.dtype != b.dtype:
        return np.ones((), bool)
    if not a.size:
        return np.zeros((), bool)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    unit = float(jax.numpy.finfo(a.dtype).eps)
    with np.errstate(invalid="ignore"):  # inf - inf is told apart by ==
        close = np.abs(wide_a - wide_b) <= ulps * unit * np.abs(wide_b) + 2.0**-126
    close &= np.isfinite(wide_b)
    both_nan = np.isnan(wide_a) & np.isnan(wide_b)
    return ~(both_nan | (wide_a == wide_b) | close)
