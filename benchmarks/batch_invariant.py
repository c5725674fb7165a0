"""Rows with the same bits in every batch: how many batches were tried, at what cost.

Every batch of 1 to 64 rows is run, by the batch-invariant operation and by XLA's own,
and the bits of its rows are compared with those of the same rows alone. The times are
medians of runs of both in turn, compiled, on the device at hand.
"""

import argparse
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import pallas_kernels as kernels

CASES = {
    "matmul 256 x 256": (
        kernels.batch_invariant_matmul,
        lambda x, w: jnp.matmul(x, w, precision="highest"),
        256,
        (256, 256),
    ),
    "matmul 1024 x 1024": (
        kernels.batch_invariant_matmul,
        lambda x, w: jnp.matmul(x, w, precision="highest"),
        1024,
        (1024, 1024),
    ),
    "rms_norm 1024": (
        kernels.batch_invariant_rms_norm,
        lambda x, w: kernels.rms_norm(x, w, implementation="reference"),
        1024,
        (1024,),
    ),
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
    ours, theirs, depth, shape = CASES[name]
    x = jax.random.normal(jax.random.key(0), (max(ALL), depth))
    w = jax.random.normal(jax.random.key(1), shape) / depth**0.5
    ours, theirs = jax.jit(ours), jax.jit(theirs)
    changed = {"ours": moved(ours, x, w), "xla": moved(theirs, x, w)}
    print(f"{name}: batches of {len(ALL)} sizes in which a row has other bits than")
    print(f"  alone: {changed['ours']} of ours, {changed['xla']} of XLA's")
    for size in SIZES:
        batch = x[:size]
        a, b = (
            1e6 * timing.median
            for timing in _paired.paired(
                lambda batch=batch: ours(batch, w).block_until_ready(),
                lambda batch=batch: theirs(batch, w).block_until_ready(),
                seconds=3.0,
            )
        )
        row = {"case": name, "rows": size, "ours_us": a, "xla_us": b, "slowdown": a / b}
        print(f"  {size:3d} rows: {a:9.1f} us, XLA {b:9.1f} us, {a / b:5.1f} times")
        yield row | {"batches_with_other_bits": changed}


def moved(f, x, w) -> int:
    """In how many batches some row has other bits than alone."""
    alone = np.concatenate([np.asarray(f(row[None], w)) for row in x])
    whole = (np.asarray(f(x[:size], w)) for size in ALL)
    return sum(y.tobytes() != alone[: len(y)].tobytes() for y in whole)


if __name__ == "__main__":
    main()
