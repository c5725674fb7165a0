"""Training throughput of the zoo beside the same models in torch eager, on CPU.

    python benchmarks/zoo_throughput.py [NAME ...] [--cores N] [--clock] [--json FILE]

One step of both sides is the whole of it: loss, gradient, clip and AdamW, on the same
batches of the entry's own size. Before a time is taken, three steps on each side from
the same weights have to have the same losses; so the models are the same. The random
moves of training images are left out on both sides. torch is optional: without it only
our side is measured. Both sides keep the memory that they free, as `torchlean train`.

What the file holds of other models stays; each row says when and how it was measured.
Processor seconds are counted, of every thread, unless --clock asks for the clock's.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import _paired

GOALS = {"mlp": 1.0, "gpt": 1.0, "resnet": 0.6}  # of torch's throughput
NAMES = ("mlp", "gpt", "resnet", "cnn", "vit", "lstm", "mamba", "mamba2")
STEPS = 3
NEAR = 2e-3  # of losses after up to two steps; a wrong kernel or pad moves them by more


def main():
    options = _options()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    kind = _paired.clock(not options.clock)  # before the libraries count the cores
    from torchlean_jax import zoo

    zoo.keep_memory()
    now = _paired.circumstances("torchlean-jax", "jax", "jaxlib", "optax", "torch")
    when = {
        "date": now["date"],
        "load": now["load_at_start"][0],
        "clock": kind,
        "cores_used": options.cores,
    }
    target = options.json or "zoo_throughput"
    rows = _paired.known(target).get("entries", {})
    for name in options.names:
        rows[name] = row = measured(name, options.seconds) | when
        print(_said(name, row, kind), flush=True)
        _paired.write(target, now | {"entries": rows})


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--clock", action="store_true", help="count the clock's seconds"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="for each model")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measured(name: str, seconds: float) -> dict:
    """Seconds of a step on both sides, and what that makes of examples."""
    import jax

    ours = Ours(name)
    row = {"batch": ours.settings.batch, "unit": ours.entry.unit}
    units = ours.settings.batch * ours.entry.units
    try:
        theirs = Theirs(name, ours)
    except ModuleNotFoundError as missing:
        print(f"our side alone: {missing}")
        median = _paired.alone(lambda: jax.block_until_ready(ours.step(0))).median
        return row | {"ours_per_second": units / median}
    pairs = [(ours.step(n), theirs.step(n)) for n in range(STEPS)]
    row["losses"] = losses = [(float(a), float(b)) for a, b in pairs]
    if any(abs(a - b) > NEAR * abs(a) for a, b in losses):
        raise SystemExit(f"{name}: not the same model: losses {losses}")
    first, second = _paired.paired(
        lambda: jax.block_until_ready(ours.step(0)),
        lambda: theirs.step(0),
        seconds=seconds,
    )
    row["ours_per_second"] = units / first.median
    row["torch_per_second"] = units / second.median
    row["ratio"] = second.median / first.median
    if name in GOALS:
        row |= {"goal": GOALS[name], "met": row["ratio"] >= GOALS[name]}
    return row


class Ours:
    """The zoo's own jitted step of an entry, on batches that are there already."""

    def __init__(self, name: str):
        import jax

        from torchlean_jax import zoo
        from torchlean_jax.zoo._classifiers import Classifier
        from torchlean_jax.zoo._step import Stepper

        entry = zoo.entry(name)
        if entry.unit == "examples":  # images, unmoved
            entry = replace(entry, loss=Classifier(entry.network.apply).loss)
        self.entry = entry
        self.settings = replace(
            entry.settings, optimizer="adamw", schedule="constant", lr=1e-3, clip=1.0
        )
        stepper = Stepper(entry, self.settings)
        self.stepper, self.state = stepper, stepper.init()
        data = entry.load(None)
        self.batches = [stepper.batch(data, n) for n in range(STEPS)]
        self.variables = jax.device_get(self.state.variables)

    def step(self, number: int):
        batch = self.batches[number]
        self.state, metrics = self.stepper.step(self.state, number, batch)
        return metrics["loss"]


class Theirs:
    def __init__(self, name: str, ours: Ours):
        import _zoo_torch
        import numpy as np
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        loss = _zoo_torch.LOSSES[name]
        self.trainer = _zoo_torch.Trainer(loss, ours.variables, ours.settings)

        def copied(batch):
            if isinstance(batch, dict):
                return {key: copied(x) for key, x in batch.items()}
            return torch.tensor(np.array(batch))

        self.batches = [copied(batch) for batch in ours.batches]

    def step(self, number: int):
        return self.trainer.step(self.batches[number])


def _said(name: str, row: dict, kind: str) -> str:
    line = f"{name:<7} {row['ours_per_second']:>9,.0f} {row['unit']} a {kind} second"
    if "ratio" in row:
        line += (
            f", torch {row['torch_per_second']:>9,.0f}: {row['ratio']:.2f} of torch's"
        )
    if "goal" in row:
        line += f" (goal {row['goal']:g}: {'met' if row['met'] else 'NOT met'})"
    return line


if __name__ == "__main__":
    main()
