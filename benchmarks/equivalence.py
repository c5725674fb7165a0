"""Mutants among harmless rewrites: what `tl.equivalent` calls each.

No mutant may be called equal, no rewrite different. Then attention with 1024 tokens of
width 64 against a blockwise form.

    python benchmarks/equivalence.py [--tokens 1024]

Writes benchmarks/results/equivalence.json.
"""

import argparse
import collections
import json
import pathlib
import platform
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import torchlean_jax as tl
from benchmarks._equivalence_cases import PROGRAMS

RESULTS = pathlib.Path(__file__).parent / "results" / "equivalence.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1024)
    arguments = parser.parse_args()
    results = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "corpus": corpus(),
        "attention": attention(arguments.tokens, 64),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


def corpus():
    verdicts = {"rewrites": collections.Counter(), "mutants": collections.Counter()}
    wrong, started = [], time.time()
    for name, program in PROGRAMS.items():
        for kind in verdicts:
            for number, function in enumerate(getattr(program, kind)):
                report = tl.equivalent(program.reference, function)(*program.args())
                verdicts[kind][str(report.equal)] += 1
                if report.equal is not (kind == "rewrites"):
                    wrong.append(f"{name}, {kind} {number}: {report.equal}")
    seconds = round(time.time() - started, 1)
    return {**verdicts, "not as it should be": wrong, "seconds": seconds}


def attention(tokens, width, block=128):
    causal = np.tril(np.ones((tokens, tokens), bool))

    def whole(q, k, v):
        scores = jnp.where(causal, q @ k.T * 0.125, -jnp.inf)
        return jax.nn.softmax(scores) @ v

    def blockwise(q, k, v):
        top, total = jnp.full(tokens, -jnp.inf), jnp.zeros(tokens)
        out = jnp.zeros(v.shape)
        for b in range(0, tokens, block):
            part = slice(b, b + block)
            s = jnp.where(causal[:, part], q @ k[part].T * 0.125, -jnp.inf)
            new = jnp.maximum(top, s.max(1))
            p, fade = jnp.exp(s - new[:, None]), jnp.exp(top - new)
            total = total * fade + p.sum(1)
            out, top = out * fade[:, None] + p @ v[part], new
        return out / total[:, None]

    shapes = [jax.ShapeDtypeStruct((tokens, width), jnp.float32)] * 3
    seconds = []
    for _ in range(2):
        started = time.time()
        report = tl.equivalent(whole, blockwise)(*shapes)
        seconds.append(round(time.time() - started, 2))
    return {
        "tokens": tokens,
        "equal": report.equal,
        "error_probability": report.error_probability,
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
