"""Networks without ReLUs and of 64 inputs, decided by cuts of values inside.

    python benchmarks/bends.py tanh|sigmoid [--share 0.5] [--certificate]

A network of random weights, 64-12-12-2, on a box. Its margin is bounded by alpha-crown
and looked for by descent; the property asks for a level between the two: `share` of the
way from what was found to the bound, so one pass leaves it open. Figures are seconds of
the processor, compilation included. The exit code is 1 if it is not proved.
"""

import argparse
import itertools
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_check
import torchlean_jax as tl
from torchlean_jax.search import Branching

BENDS = {"tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
SIZES, RADIUS = (64, 12, 12, 2), np.float32(0.25)
ROW = np.array([1.0, -1.0], np.float32)


def main():
    parser = argparse.ArgumentParser(description="see the top of this file")
    parser.add_argument("bend", choices=BENDS)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--certificate", action="store_true")
    asked = parser.parse_args()
    bend, (layers, center) = BENDS[asked.bend], drawn()

    def network(layers, x):
        for k, (weights, bias) in enumerate(layers):
            x = (bend(x) if k else x) @ weights + bias
        return x

    def margin(layers, x):
        return network(layers, x) @ ROW

    box = tl.box(center - RADIUS, center + RADIUS)
    bound = float(tl.bounds(margin, method="alpha-crown")(layers, box).lo)
    found = least_found(lambda x: margin(layers, x), center)
    level = np.float32(found - asked.share * (found - bound))
    print(f"margin: at least {bound:.4f}, {found:.4f} found; asked: above {level:.4f}")
    began = time.process_time()
    verdict = tl.verify(
        network,
        (layers, box),
        tl.spec.linear(ROW, level),
        split=Branching(cut="phases", batch=32),
        attack=False,
        certificate=asked.certificate,
        timeout=asked.seconds,
    )
    took = time.process_time() - began
    print(f"{verdict.status}, {verdict.parts} cells, {took:.1f} s of the processor")
    if asked.certificate and verdict.certificate is not None:
        size = len(verdict.certificate.bytes)
        report = torchlean_check.check(verdict.certificate.bytes)
        print(f"certificate: {size} bytes, {report.leaves} leaves, {report.accepted}")
    return verdict.status != "proved"


def drawn():
    random = np.random.default_rng(0)
    layers = [
        (
            (random.normal(size=(m, n)) * 1.7 / np.sqrt(m)).astype(np.float32),
            (random.normal(size=n) * 0.3).astype(np.float32),
        )
        for m, n in itertools.pairwise(SIZES)
    ]
    return layers, random.normal(size=SIZES[0]).astype(np.float32)


def least_found(function, center):
    """The least value that signed gradient steps from random points meet."""
    random = np.random.default_rng(1)
    low, high = center - RADIUS, center + RADIUS
    x = random.uniform(low, high, size=(200, len(center))).astype(np.float32)
    slope = jax.jit(jax.vmap(jax.grad(function)))
    for _ in range(60):
        x = np.clip(x - 0.05 * np.sign(slope(x)), low, high)
    return float(jax.vmap(function)(x).min())


if __name__ == "__main__":
    sys.exit(main())
