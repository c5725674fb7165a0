"""Quality and throughput of the zoo: each entry trained whole, beside its goals.

The name `cache` stands for the time of a token that the GPT decodes with its cache,
beside that of one for which the whole text is read again, at 512 positions (goal: 10
times less). Without names everything is measured.

    python benchmarks/zoo.py [NAME ...] [--out DIR] [--claims] [--json FILE]

With --out, checkpoints are kept in DIR/NAME, and trainings that were interrupted go on.
With --claims nothing is trained: what is claimed of the models in DIR is decided, each
claim beside its seconds of the processor (goal: all hold, 180 together).
What the file holds of other entries stays; each row says when, and under which load.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import _paired
import jax
import jax.numpy as jnp

from torchlean_jax import zoo
from torchlean_jax.zoo import gpt

CONTEXT = 512
GOAL = 10  # times faster with a cache
SECONDS = 180  # of the processor, for all claims of an entry
CACHE = "cache"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[*zoo.NAMES, CACHE])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--claims", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.claims and not options.out:
        parser.error("--claims needs the --out of a training")
    zoo.keep_memory()  # as `torchlean train`
    target = options.json or "zoo"
    now = _paired.circumstances("torchlean-jax", "jax", "jaxlib", "flax", "optax")
    when = {"date": now["date"], "load": now["load_at_start"][0]}
    rows = _paired.known(target).get("entries", {})
    if options.claims:
        for name in options.names:
            claims = rows.setdefault(name, {}).setdefault("claims", {})
            for claim, found in _decided(name, zoo.entry(name), options.out):
                claims[claim] = found | when
                _paired.write(target, now | {"entries": rows})
        return
    for name in options.names:
        if name == CACHE:
            row = _cache()
        else:
            row = _trained(zoo.entry(name), options.out and options.out / name)
        rows[name] = row | when
        print(f"{name:<6} {_said(rows[name])}", flush=True)
        _paired.write(target, now | {"entries": rows})


def _said(row: dict) -> str:
    if "ratio" in row:
        return (
            f"a token at {CONTEXT}: {1e3 * row['cached_s']:.2f} ms with a cache, "
            f"{1e3 * row['full_s']:.2f} ms without, {row['ratio']:.1f} times "
            f"(goal {GOAL})"
        )
    said = ", ".join(f"{k} {v:.4f}" for k, v in row["metrics"].items())
    goals = ", ".join(f"{g}: {'met' if m else 'NOT'}" for g, m in row["goals"].items())
    rate = f"{row['units_per_second']:,.0f} {row['unit']}/s"
    times = f"{row['seconds']:.0f} s, {row['processor_seconds']:.0f} of the processor"
    return f"{said}  ({goals})  {times}, {rate}"


def _trained(entry: zoo.Entry, folder: Path | None) -> dict:
    """Metrics, and the throughput of this run: of all of it, if it was not resumed."""
    resume = folder is not None and (folder / "checkpoints").is_dir()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    shown, started, used = [], time.perf_counter(), time.process_time()
    trained = zoo.train(entry, out=folder, resume=resume, show=shown.append)
    seconds = time.perf_counter() - started
    examples = LOGGED * entry.settings.batch * max(len(shown) - 1, 1)
    return {
        "metrics": trained.metrics,
        "goals": {str(goal): goal.is_met(trained.metrics) for goal in entry.goals},
        "settings": asdict(trained.settings),
        "parameters": sum(x.size for x in trained.variables.params.values()),
        "seconds": seconds,
        "processor_seconds": time.process_time() - used,
        "resumed": resume,
        "unit": entry.unit,
        "units_per_second": examples * entry.units / seconds,
    }


def _decided(name: str, entry: zoo.Entry, out: Path) -> Iterator[tuple[str, dict]]:
    """Each claim about the model in `out`: what came of it, and its seconds."""
    trained = zoo.load_trained(entry, out / name)
    total, held, used = 0.0, True, time.process_time()
    for finding in zoo.check_claims(trained):
        seconds = time.process_time() - used
        total, held = total + seconds, held and bool(finding)
        print(f"{name:<6} {finding.status:<8} {seconds:6.1f} s  {finding.name}")
        print(f"       {finding.evidence}", flush=True)
        yield (
            finding.name,
            {
                "status": finding.status,
                "evidence": finding.evidence,
                "processor_seconds": seconds,
            },
        )
        used = time.process_time()
    met = "met" if held and total <= SECONDS else "NOT"
    print(f"{name}: {total:.0f} s of the processor (goal {SECONDS}): {met}", flush=True)


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
