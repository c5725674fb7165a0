"""Metrics of a training, step by step: JSON lines, and TensorBoard if it is there."""

import json
import math
from pathlib import Path

from torchlean_jax.domains._errors import InputError


class Journal:
    """`metrics.jsonl` in a folder, and beside it what TensorBoard reads.

    Rows of steps that come after `start`, written by a training that was interrupted,
    are dropped: it repeats them.
    """

    def __init__(self, folder: Path | None, start: int):
        self._file = self._writer = None
        if folder is None:
            return
        path = folder / "metrics.jsonl"
        kept = _kept(path, start)
        self._file = path.open("w", encoding="utf-8")
        self._file.writelines(f"{line}\n" for line in kept)
        try:
            from tensorboardX import SummaryWriter  # pyright: ignore
        except ModuleNotFoundError:
            return
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=start)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        if self._file is not None:
            finite = {k: v if math.isfinite(v) else None for k, v in metrics.items()}
            self._file.write(json.dumps({"step": step, **finite}) + "\n")
            self._file.flush()
        if self._writer is not None:
            for name, value in metrics.items():
                if math.isfinite(value):  # TensorBoard draws no others
                    self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._writer is not None:
            self._writer.close()


def _kept(path: Path, start: int) -> list[str]:
    if start == 0 or not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    # A process that was killed may have left half a line, the last.
    whole = lines[:-1] if lines and not lines[-1].endswith("}") else lines
    try:
        return [line for line in whole if json.loads(line)["step"] < start]
    except (ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
