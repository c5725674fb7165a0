"""Rows with the same bits in every batch: how many batches were tried, at what cost.

Every batch of 1 to 64 rows is run, by the batch-invariant operation and by XLA's own,
and the bits of its rows are compared with those of the same rows alone. The times are
medians of runs of both in turn, compiled, on the device at hand.
"""

import argparse
import functools
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import pallas_kernels as kernels


def _attention(implementation):
    """Causal, of 16 queries at the end of 128 keys."""
    op = {
        "ours": kernels.batch_invariant_attention,
        "xla": functools.partial(kernels.attention, implementation="reference"),
    }[implementation]
    return functools.partial(op, causal=True, alignment="end")


def _normal(number, *shape):
    return jax.random.normal(jax.random.key(number), shape)


def _rows(width, *weight):
    return lambda n: (_normal(0, n, width), _normal(1, *weight) / width**0.5)


def _heads(n):
    return _normal(0, n, 16, 4, 32), *(_normal(k, n, 128, 2, 32) for k in (1, 2))


# our operation, XLA's, the arguments for so many rows, how many of these have rows
CASES = {
    "matmul 256 x 256": (
        kernels.batch_invariant_matmul,
        lambda x, w: jnp.matmul(x, w, precision="highest"),
        _rows(256, 256, 256),
        1,
    ),
    "matmul 1024 x 1024": (
        kernels.batch_invariant_matmul,
        lambda x, w: jnp.matmul(x, w, precision="highest"),
        _rows(1024, 1024, 1024),
        1,
    ),
    "rms_norm 1024": (
        kernels.batch_invariant_rms_norm,
        lambda x, w: kernels.rms_norm(x, w, implementation="reference"),
        _rows(1024, 1024),
        1,
    ),
    "attention 16 x 128 x 32": (_attention("ours"), _attention("xla"), _heads, 3),
}
SIZES = (1, 8, 64)
ALL = range(1, 65)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("jax", "jaxlib", "numpy")
    result["rows"] = [row for name in CASES for row in measured(name)]
    _paired.write(options.json or "batch_invariant", result)


def measured(name):
    ours, theirs, arguments, with_rows = CASES[name]
    ours, theirs = jax.jit(ours), jax.jit(theirs)
    given = arguments(max(ALL))

    def batch(rows):
        return [x[rows] if k < with_rows else x for k, x in enumerate(given)]

    changed = {"ours": moved(ours, batch), "xla": moved(theirs, batch)}
    print(f"{name}: batches of {len(ALL)} sizes in which a row has other bits than")
    print(f"  alone: {changed['ours']} of ours, {changed['xla']} of XLA's")
    for size in SIZES:
        args = batch(slice(size))
        a, b = (
            1e6 * timing.median
            for timing in _paired.paired(
                lambda args=args: ours(*args).block_until_ready(),
                lambda args=args: theirs(*args).block_until_ready(),
                seconds=3.0,
            )
        )
        row = {"case": name, "rows": size, "ours_us": a, "xla_us": b, "slowdown": a / b}
        print(f"  {size:3d} rows: {a:9.1f} us, XLA {b:9.1f} us, {a / b:5.1f} times")
        yield row | {"batches_with_other_bits": changed}


def moved(f, batch) -> int:
    """In how many batches some row has other bits than alone."""
    singles = [np.asarray(f(*batch(slice(k, k + 1)))) for k in range(max(ALL))]
    alone = np.concatenate(singles)
    whole = (np.asarray(f(*batch(slice(size)))) for size in ALL)
    return sum(y.tobytes() != alone[: len(y)].tobytes() for y in whole)


if __name__ == "__main__":
    main()
