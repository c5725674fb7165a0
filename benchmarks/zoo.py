"""Quality and throughput of the zoo: each entry trained whole, beside its goals.

The last line is the time of a token that the GPT decodes with its cache, beside that of
one for which the whole text is read again, at 512 positions (goal: 10 times less).

    python benchmarks/zoo.py [NAME ...] [--out DIR] [--json FILE]

With --out, checkpoints are kept in DIR/NAME, and trainings that were interrupted go on.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp

from torchlean_jax import zoo
from torchlean_jax.zoo import gpt

CONTEXT = 512
GOAL = 10  # times faster with a cache


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=zoo.NAMES)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = _paired.circumstances("torchlean-jax", "jax", "jaxlib", "flax", "optax")
    result["entries"] = {}
    for name in options.names:
        result["entries"][name] = row = _trained(name, options.out)
        said = ", ".join(f"{k} {v:.4f}" for k, v in row["metrics"].items())
        goals = ", ".join(
            f"{g}: {'met' if m else 'NOT'}" for g, m in row["goals"].items()
        )
        rate = f"{row['units_per_second']:,.0f} {row['unit']}/s"
        print(
            f"{name:<6} {said}  ({goals})  {row['seconds']:.0f} s, {rate}", flush=True
        )
    result["cache"] = row = _cache()
    print(
        f"a token at {CONTEXT}: {1e3 * row['cached_s']:.2f} ms with a cache, "
        f"{1e3 * row['full_s']:.2f} ms without, {row['ratio']:.1f} times (goal {GOAL})"
    )
    _paired.write(options.json or "zoo", result)


def _trained(name: str, out: Path | None) -> dict:
    """Metrics, and the throughput of this run: of all of it, if it was not resumed."""
    entry = zoo.entry(name)
    folder = out and out / name
    resume = folder is not None and (folder / "checkpoints").is_dir()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    shown, started = [], time.perf_counter()
    trained = zoo.train(entry, out=folder, resume=resume, show=shown.append)
    seconds = time.perf_counter() - started
    examples = LOGGED * entry.settings.batch * max(len(shown) - 1, 1)
    return {
        "metrics": trained.metrics,
        "goals": {str(goal): goal.is_met(trained.metrics) for goal in entry.goals},
        "settings": asdict(trained.settings),
        "parameters": sum(x.size for x in trained.variables.params.values()),
        "seconds": seconds,
        "resumed": resume,
        "unit": entry.unit,
        "units_per_second": examples * entry.units / seconds,
    }


LOGGED = 10  # steps between two calls of `show`


def _cache() -> dict:
    """Seconds of the last token of a full context, by both ways."""
    entry = gpt.make(gpt.Config(context=CONTEXT))
    network = entry.network
    variables = network.init(jax.random.key(0))
    tokens = jnp.arange(CONTEXT) % 256
    caches = network.function(variables, "empty")()
    step = jax.jit(network.function(variables, "step"))
    full = jax.jit(lambda tokens: network.function(variables)(tokens)[-1])
    timings = _paired.paired(
        lambda: jax.block_until_ready(step(tokens[-1], CONTEXT - 1, caches)[0]),
        lambda: jax.block_until_ready(full(tokens)),
    )
    cached, whole = (timing.median for timing in timings)
    return {"cached_s": cached, "full_s": whole, "ratio": whole / cached}


if __name__ == "__main__":
    main()
