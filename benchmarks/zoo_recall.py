"""What models of text make of what they have read: bits per byte by repeated bytes.

    python benchmarks/zoo_recall.py NAME=DIR ... [--batches N] [--json FILE]

Each DIR is the --out of a training. A byte counts as a repetition of k if it stood
before in the same piece of held-out text, behind the same k bytes (the largest k is
taken, up to 8). A model that copies what it has read, as attention can, needs few bits
for those with a large k; for k = 0 there is nothing to copy.
"""

import argparse
import math
from pathlib import Path

import _paired
import jax
import numpy as np
import optax

from torchlean_jax import zoo
from torchlean_jax.zoo._text import text

KINDS = {"none": (0, 0), "1 or 2": (1, 2), "3 to 5": (3, 5), "6 or more": (6, 8)}
ROWS = 32


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trainings", nargs="+", metavar="NAME=DIR")
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = _paired.circumstances("torchlean-jax", "jax", "jaxlib", "flax")
    for training in options.trainings:
        name, _, folder = training.partition("=")
        found[name] = measured(zoo.entry(name), Path(folder), options.batches)
        bits = ", ".join(f"{kind} {b:.3f}" for kind, b in found[name].items())
        print(f"{name:<7} bits per byte: {bits}", flush=True)
    _paired.write(options.json or "zoo_recall", found)


def measured(entry: zoo.Entry, folder: Path, batches: int) -> dict[str, float]:
    """Bits per byte of held-out text: of all of it, and by kind of repetition."""
    trained = zoo.load_trained(entry, folder)
    data = text(None, entry.units)
    model = entry.network.function(trained.variables)

    @jax.jit
    def nats(batch):
        return optax.softmax_cross_entropy_with_integer_labels(
            model(batch[:, :-1]), batch[:, 1:]
        )

    pieces = [data.held_out_batch(n, ROWS) for n in range(batches)]
    bits = np.concatenate([nats(piece) for piece in pieces]) / math.log(2)
    repeated = np.stack([repetitions(row) for row in np.concatenate(pieces)])
    parts = {
        kind: float(bits[(least <= repeated) & (repeated <= most)].mean())
        for kind, (least, most) in KINDS.items()
    }
    return {"all": float(bits.mean())} | parts


def repetitions(tokens: np.ndarray) -> np.ndarray:
    """For each byte but the first: behind how many of its predecessors, up to 8, it
    stood before."""
    text, found = tokens.astype(np.uint8).tobytes(), []
    for t in range(1, len(text)):
        k = 0
        while k < min(8, t) and text.find(text[t - k - 1 : t + 1], 0, t) >= 0:
            k += 1
        found.append(k)
    return np.array(found)


if __name__ == "__main__":
    main()
