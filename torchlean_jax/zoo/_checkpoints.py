"""Checkpoints by orbax: each whole or absent, and refused by any other model."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np

from torchlean_jax._named_arrays import differences, require_none
from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._entry import Entry, Trained
from torchlean_jax.zoo._extras import import_extra
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo._step import Stepper, TrainState

KEPT = 2


class CheckpointError(InputError):
    """A checkpoint that is not there, is damaged, or is of another model."""


class Checkpoints:
    """The checkpoints of one training, in `folder`: the newest two are kept.

    orbax writes beside and renames, so that an interrupted save leaves the last one.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder).absolute() / "checkpoints"
        self._orbax = import_extra(
            "orbax.checkpoint", extra="zoo", purpose="checkpoints"
        )
        options = self._orbax.CheckpointManagerOptions(
            max_to_keep=KEPT, create=False, enable_async_checkpointing=False
        )
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
        self._manager = self._orbax.CheckpointManager(self.folder, options=options)

    def close(self) -> None:
        self._manager.close()

    def latest(self) -> int | None:
        """The step of the newest checkpoint: how many updates it has seen."""
        return self._manager.latest_step()

    def save(self, step: int, state: TrainState, entry: Entry, settings: Settings):
        about = {
            "entry": entry.name,
            "settings": asdict(settings),
            "arrays": {name: _shown(x) for name, x in _named(state).items()},
            "digests": {name: _digest(x) for name, x in _named(state).items()},
        }
        args = self._orbax.args
        self._manager.save(
            step,
            args=args.Composite(
                state=args.StandardSave(_named(state)), about=args.JsonSave(about)
            ),
        )

    def about(self, step: int, entry: Entry) -> Settings:
        """The settings of a checkpoint, once it is known to be of this entry."""
        args = self._orbax.args
        try:
            found = self._manager.restore(
                step, args=args.Composite(about=args.JsonRestore())
            )
            found = found["about"]
            name, settings = found["entry"], Settings(**found["settings"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise CheckpointError(
                f"{self.folder}/{step} is damaged: {error}"
            ) from error
        if name != entry.name:
            raise CheckpointError(
                f"{self.folder} is of {name}, not of {entry.name}: give --checkpoint "
                f"(or --out) of a training of {entry.name}"
            )
        self._arrays = found["arrays"]
        self._digests = found.get("digests", {})  # older checkpoints have none
        return settings

    def restore(self, step: int, entry: Entry, abstract: TrainState) -> TrainState:
        """The state after `step` updates, on the devices that `abstract` names."""
        self.about(step, entry)
        named = _named(abstract)
        recorded = {name: _Recorded(text) for name, text in self._arrays.items()}
        try:
            require_none(
                differences(recorded, named),
                said=f"{self.folder}/{step} does not fit this model",
            )
        except InputError as error:
            raise CheckpointError(str(error)) from None
        args = self._orbax.args
        try:
            found = self._manager.restore(
                step, args=args.Composite(state=args.StandardRestore(named))
            )
        except (ValueError, KeyError, OSError) as error:
            said = str(error).partition("\n")[0]
            raise CheckpointError(f"{self.folder}/{step} is damaged: {said}") from error
        for name, digest in self._digests.items():
            if _digest(found["state"][name]) != digest:
                raise CheckpointError(
                    f"{self.folder}/{step} is damaged: {name} is not what was saved"
                )
        leaves = [found["state"][name] for name in named]
        return jax.tree.unflatten(jax.tree.structure(abstract), leaves)


def load_trained(entry: Entry, folder: Path, *, data=None) -> Trained:
    """The entry with the variables of the newest checkpoint in `folder`.

    Of an entry that reads published checkpoints: also of a `.safetensors` file, or a
    folder with `model.safetensors`; it then has the sizes of that model.
    Raises CheckpointError if there is none, or if it is of another model.
    """
    folder = Path(folder)
    if entry.read and (folder.is_file() or (folder / "model.safetensors").is_file()):
        return entry.read(folder)
    if not (folder / "checkpoints").is_dir():
        raise CheckpointError(
            f"{folder} holds no checkpoints: torchlean train {entry.name} --out "
            f"{folder} makes them"
        )
    kept = Checkpoints(folder)
    try:
        step = kept.latest()
        if step is None:
            raise CheckpointError(f"{folder} holds no finished checkpoint")
        settings = kept.about(step, entry)
        state = kept.restore(step, entry, Stepper(entry, settings).abstract())
    finally:
        kept.close()
    metrics = folder / "metrics.json"
    measured = json.loads(metrics.read_text()) if metrics.is_file() else {}
    # Off the devices: arrays that are bound to a mesh leave it in the jaxpr of a claim,
    # as `reshard`, which is no part of the model.
    variables = jax.device_get(state.variables)
    return Trained(entry, variables, settings, step, data, measured)


class _Recorded:
    """A dtype and a shape as a checkpoint notes them."""

    def __init__(self, text: str):
        self.dtype, _, shape = text.partition("[")
        self.shape = tuple(int(n) for n in shape.rstrip("]").split(",") if n)


def _shown(x) -> str:
    return f"{x.dtype}[{','.join(map(str, x.shape))}]"


def _digest(x) -> str:
    """Of the bytes of an array: a flipped bit can leave numbers that look like any."""
    return hashlib.sha256(np.asarray(x).tobytes()).hexdigest()


def _named(state: TrainState) -> dict:
    """Every array of the state, by its path."""
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
