"""The training loop: steps, checkpoints, metrics, and what happens when it goes wrong.

All that a training depends on is in its Settings, and step n depends on the state after
step n - 1 and on n alone. So an interrupted training goes on bit by bit as it would
have, and a step that failed can be repeated and looked into.
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import jax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._checkpoints import CheckpointError, Checkpoints
from torchlean_jax.zoo._entry import Entry, Trained
from torchlean_jax.zoo._journal import Journal
from torchlean_jax.zoo._non_finite import NonFiniteError, described, first_non_finite
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo._step import Stepper, TrainState

LOG_EVERY = 10  # steps; also how many may run before a loss is looked at
SAVE_SECONDS = 60.0


def train(
    entry: Entry,
    settings: Settings | None = None,
    *,
    out: Path | None = None,
    resume: bool = False,
    devices: int = 1,
    show: Callable[[str], None] = lambda text: None,
) -> Trained:
    """The entry after `settings.steps` updates, and its metrics on held-out data.

    settings: those of the entry, by default. out: a folder for checkpoints (once a
    minute and at the end), `metrics.jsonl`, `metrics.json` and what TensorBoard reads;
    None keeps nothing. resume: go on from the newest checkpoint there; the result has
    the bits of a training that was not interrupted. devices: the batch is split over so
    many. show: is told step, loss and throughput.

    Raises InputError for settings that contradict each other or those of the training
    that is resumed, CheckpointError for checkpoints of another model, and
    NonFiniteError when a loss or gradient is infinite or NaN: with the node that was
    the first, and with the newest good checkpoint kept.

    >>> from dataclasses import replace
    >>> from torchlean_jax import zoo
    >>> mlp = zoo.entry("mlp")
    >>> trained = zoo.train(mlp, replace(mlp.settings, steps=3))
    >>> trained.step, sorted(trained.metrics)
    (3, ['accuracy', 'cross_entropy'])
    """
    settings = settings or entry.settings
    data = entry.load(settings.data)
    stepper = Stepper(entry, settings, devices)
    run = _Run(stepper, data, show)
    if out is not None:
        run.open(Path(out), resume)
    elif resume:
        raise InputError("there is nothing to resume without a folder: give --out")
    try:
        variables = run.to_the_end().variables
    finally:
        run.close()
    variables = jax.device_get(variables)
    metrics = {k: float(v) for k, v in entry.evaluate(variables, data).items()}
    if out is not None:
        (Path(out) / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    return Trained(entry, variables, settings, settings.steps, data, metrics)


class _Run:
    """One training on its way: where it is, and what is still to be looked at."""

    def __init__(self, stepper: Stepper, data, show):
        self.stepper, self.data, self.show = stepper, data, show
        self.kept: Checkpoints | None = None
        self.journal = Journal(None, 0)
        self.start = 0

    def open(self, out: Path, resume: bool) -> None:
        entry, settings = self.stepper.entry, self.stepper.settings
        self.kept = Checkpoints(out)
        latest = self.kept.latest()
        if latest is not None and not resume:
            raise InputError(
                f"{out} holds a training that reached step {latest}: add --resume to "
                "go on with it, or name another folder"
            )
        if resume and latest is None:
            raise CheckpointError(f"{out} holds no checkpoint to resume from")
        if latest is not None:
            before = self.kept.about(latest, entry)
            if before != settings:
                raise InputError(
                    f"{out} was trained with other settings: "
                    f"{before.differences(settings)}. Resume with the same"
                )
            self.start = latest
        self.journal = Journal(out, self.start)

    def close(self) -> None:
        self.journal.close()
        if self.kept is not None:
            self.kept.close()

    def state_at_start(self) -> TrainState:
        if self.start == 0 or self.kept is None:
            return self.stepper.init()
        entry, abstract = self.stepper.entry, self.stepper.abstract()
        return self.kept.restore(self.start, entry, abstract)

    def to_the_end(self) -> TrainState:
        state, steps = self.state_at_start(), self.stepper.settings.steps
        saved = logged = time.perf_counter()
        window = []
        for number in range(self.start, steps):
            batch = self.stepper.batch(self.data, number)
            state, metrics = self.stepper.step(state, number, batch)
            window.append((number, metrics))
            last = number + 1 == steps
            if len(window) < LOG_EVERY and not last:
                continue
            self.look_at(window, logged)
            window, logged = [], time.perf_counter()
            if self.kept is not None and (last or logged - saved > SAVE_SECONDS):
                entry, settings = self.stepper.entry, self.stepper.settings
                self.kept.save(number + 1, state, entry, settings)
                self.start, saved = number + 1, time.perf_counter()
        return state

    def look_at(self, window, since: float) -> None:
        """Write down the metrics of some steps; stop at one that is not finite."""
        found = [(number, jax.device_get(metrics)) for number, metrics in window]
        entry, settings = self.stepper.entry, self.stepper.settings
        count = len(window) * settings.batch * entry.units
        rate = count / (time.perf_counter() - since)
        for number, metrics in found:
            values = {name: float(value) for name, value in metrics.items()}
            self.journal.write(number, values | {f"{entry.unit}_per_second": rate})
            if not all(map(math.isfinite, values.values())):
                raise self.refusal(number, values)
        number, metrics = found[-1]
        self.show(
            f"step {number + 1} of {settings.steps}, loss {metrics['loss']:.4f}, "
            f"{rate:,.0f} {entry.unit}/s"
        )

    def refusal(self, number: int, values: dict[str, float]) -> NonFiniteError:
        """Repeat the way to the step that failed, and find the node that did."""
        state = self.state_at_start()
        for earlier in range(self.start, number):
            batch = self.stepper.batch(self.data, earlier)
            state, _ = self.stepper.step(state, earlier, batch)
        batch = self.stepper.batch(self.data, number)
        node = first_non_finite(self.stepper.gradient, state.variables, number, batch)
        kept = "nothing was kept (no --out)"
        if self.kept is not None:
            step = self.kept.latest()
            kept = f"the checkpoint of step {step} is kept" if step else "none was due"
        said = ", ".join(f"{name} {value:g}" for name, value in values.items())
        return NonFiniteError(
            f"{self.stepper.entry.name}: step {number + 1} is not finite ({said}); "
            f"{described(node)}; {kept}. A smaller --lr is the usual remedy",
            number,
            node,
        )
