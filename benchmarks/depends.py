"""The dependence relation of a 12-layer GPT at 256 positions, for all weights.

The goal is 20 seconds, tracing included. It prints the processor seconds too, since a
busy machine has fewer of them.
"""

import argparse
import time
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl

GOAL = 20.0
LAYERS, LENGTH, WIDTH, HEADS, TOKENS = 12, 256, 768, 12, 50257


def shapes():
    """Weights as shapes: the answer holds for any."""

    def of(*shape):
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    layer = {
        "qkv": of(WIDTH, 3 * WIDTH),
        "out": of(WIDTH, WIDTH),
        "up": of(WIDTH, 4 * WIDTH),
        "down": of(4 * WIDTH, WIDTH),
        "norms": of(2, 2, WIDTH),
    }
    return {
        "tokens": of(TOKENS, WIDTH),
        "places": of(LENGTH, WIDTH),
        "layers": [layer] * LAYERS,
        "norm": of(2, WIDTH),
    }


def normed(x, scale):
    centred = x - x.mean(-1, keepdims=True)
    spread = jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / spread * scale[0] + scale[1]


def gpt(weights, tokens):
    x = weights["tokens"][tokens] + weights["places"]
    mask = jnp.tri(LENGTH, dtype=bool)
    for layer in weights["layers"]:
        y = normed(x, layer["norms"][0]) @ layer["qkv"]
        q, k, v = jnp.split(y.reshape(LENGTH, 3 * HEADS, -1), 3, axis=1)
        scores = jnp.einsum("thd,shd->hts", q, k) / np.sqrt(WIDTH / HEADS)
        weighed = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf))
        y = jnp.einsum("hts,shd->thd", weighed, v).reshape(LENGTH, WIDTH)
        x = x + y @ layer["out"]
        y = jax.nn.gelu(normed(x, layer["norms"][1]) @ layer["up"])
        x = x + y @ layer["down"]
    return normed(x, weights["norm"]) @ weights["tokens"].T


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("jax", "jaxlib", "numpy")
    wall, processor = time.perf_counter(), time.process_time()
    ask = tl.depends(gpt, argnums=1, in_axis=0, out_axis=0)
    report = ask(shapes(), jnp.zeros(LENGTH, jnp.int32))
    result |= {
        "layers": LAYERS,
        "positions": LENGTH,
        "seconds": round(time.perf_counter() - wall, 2),
        "processor_seconds": round(time.process_time() - processor, 2),
        "goal_seconds": GOAL,
        "is_exactly_causal": bool((report.matrix == np.tri(LENGTH, dtype=bool)).all()),
        "assumptions": list(report.assumptions),
    }
    print(
        f"{result['seconds']} s, {result['processor_seconds']} s of processor; "
        f"exactly causal: {result['is_exactly_causal']}"
    )
    _paired.write(options.json or "depends", result)


if __name__ == "__main__":
    main()
