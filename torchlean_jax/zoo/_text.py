"""Text as bytes: the source of Python's standard library, or files of the user's own.

A `.npy` holds tokens, the numbers 0 to 255 in one dimension; any other file is read as
it is.
Files are held out whole, so that no line of a held-out file was trained on.
"""

import functools
import random
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._tables import read_table

HELD_OUT = 20  # one file in so many
SEPARATOR = b"\0"


@dataclass(frozen=True)
class Text:
    """Bytes to train on and held-out ones; a batch is `[size, context + 1]`."""

    train: np.ndarray
    held_out: np.ndarray
    context: int

    def batch(self, step: int, size: int, seed: int) -> np.ndarray:
        """Pieces of the training text that begin anywhere."""
        return _pieces(self.train, self.context, size, [seed, step])

    def held_out_batch(self, number: int, size: int) -> np.ndarray:
        return _pieces(self.held_out, self.context, size, [number])


def encode(text: str) -> np.ndarray:
    """The tokens of a text: its bytes in UTF-8.

    >>> encode("dé").tolist()
    [100, 195, 169]
    """
    return np.frombuffer(text.encode(), np.uint8).astype(np.int32)


def decode(tokens) -> str:
    """The text of tokens. Raises InputError for numbers that are no bytes.

    >>> decode(encode("dé"))
    'dé'
    """
    tokens = np.asarray(tokens)
    if tokens.size and not (tokens.min() >= 0 and tokens.max() < 256):
        raise InputError(
            f"tokens are bytes, 0 to 255: got {tokens.min()} to {tokens.max()}"
        )
    return tokens.astype(np.uint8).tobytes().decode(errors="replace")


def text(path: str | None, context: int) -> Text:
    """The standard library's source, or the file or folder at `path`.

    One file in twenty is held out; of a single file, its last twentieth. Raises
    InputError if there is not enough of it.
    """
    if path is None:
        train, held_out = _library()
    else:
        train, held_out = _split(_files(Path(path)), str(path))
    if min(len(train), len(held_out)) <= context + 1:
        raise InputError(
            f"{path or 'the standard library'}: {len(train)} bytes to train on and "
            f"{len(held_out)} held out; each needs more than the context of {context}"
        )
    return Text(train, held_out, context)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder")
    return sorted(file for file in path.rglob("*") if file.is_file())


def library_files() -> list[Path]:
    """The source of the standard library, without its tests."""
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = ("site-packages", "test", "tests", "idlelib", "lib2to3")
    return [
        file
        for file in sorted(root.rglob("*.py"))
        if not any(part in skipped for part in file.relative_to(root).parts)
    ]


@functools.cache
def _library():
    return _split(library_files(), "the standard library")


def _split(files: list[Path], where: str):
    if not files:
        raise InputError(f"{where}: there are no files to train on")
    contents = [_content(file) for file in files]
    if len(contents) == 1:
        (whole,) = contents
        end = len(whole) - len(whole) // HELD_OUT
        return _bytes(whole[:end]), _bytes(whole[end:])
    random.Random(0).shuffle(contents)
    held = max(1, len(contents) // HELD_OUT)
    return _bytes(SEPARATOR.join(contents[held:])), _bytes(
        SEPARATOR.join(contents[:held])
    )


def _content(file: Path) -> bytes:
    if file.suffix != ".npy":
        return file.read_bytes()
    tokens = read_table(file, {".npy": lambda path: np.load(path, allow_pickle=False)})
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise InputError(
            f"{file}: integers [n] are needed; this is {tokens.dtype}"
            f"{list(tokens.shape)}"
        )
    for place in np.flatnonzero((tokens < 0) | (tokens > 255))[:1]:
        raise InputError(
            f"{file}: tokens are bytes, 0 to 255; number {place} is {tokens[place]}"
        )
    return tokens.astype(np.uint8).tobytes()


def _bytes(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)


def _pieces(content, context: int, size: int, seed: list[int]) -> np.ndarray:
    random = np.random.default_rng(seed)
    starts = random.integers(0, len(content) - context, size)
    return content[starts[:, None] + np.arange(context + 1)].astype(np.int32)
