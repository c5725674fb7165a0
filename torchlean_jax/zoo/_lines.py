"""Lines of Python that have lost their first word, or texts of the user's own.

The word is the label. That it was the first of a statement is what Python's own
tokeniser says. Models are not here.
"""

import csv
import functools
import io
import random
import tokenize
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._tables import read_table
from torchlean_jax.zoo._text import library_files

WORDS = ("class", "def", "for", "from", "if", "raise", "return")
LENGTH = 48  # bytes of a line; what is longer is cut
HELD_OUT = 8  # one file in so many, or one row of a user's table


@dataclass(frozen=True)
class Labelled:
    """text: [n, LENGTH] bytes, 0 behind the end; length: how many there are, 1 or more;
    label: the place of the word in WORDS. All int32."""

    text: np.ndarray
    length: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Lines:
    """Lines to train on, and held-out ones, of which none is among the others."""

    train: Labelled
    held_out: Labelled

    @functools.cached_property
    def _of_each_label(self) -> list[np.ndarray]:
        found = (np.flatnonzero(self.train.label == k) for k in range(len(WORDS)))
        return [rows for rows in found if len(rows)]

    def batch(self, step: int, size: int, seed: int) -> dict[str, np.ndarray]:
        """Lines of a step: each label with the same chance, then any of its lines."""
        random, groups = np.random.default_rng([seed, step]), self._of_each_label
        chosen = [groups[k] for k in random.integers(0, len(groups), size)]
        rows = np.array([group[random.integers(0, len(group))] for group in chosen])
        return {
            "text": self.train.text[rows],
            "length": self.train.length[rows],
            "label": self.train.label[rows],
        }


def lines(path: str | None = None) -> Lines:
    """Those of the standard library's source, or a table of the user's own.

    A `.csv` has a text and its label, 0 to 6, in each row; a `.npy` is of integers
    [n, 1 + m]: a label, then the bytes of a text, with -1 behind its end. Every eighth
    row is held out; of the library, one file in eight. Raises InputError, which says
    what is wrong with the table.
    """
    if path is None:
        return _library()
    rows = _read(Path(path))
    if len(rows) < HELD_OUT:
        raise InputError(f"{path}: {HELD_OUT} rows at least; there are {len(rows)}")
    for number, (text, label) in enumerate(rows, 1):
        if not text or not 0 <= label < len(WORDS):
            raise InputError(
                f"{path}, row {number}: a text that is not empty and a label, 0 to "
                f"{len(WORDS) - 1}, are needed"
            )
    held = [row for n, row in enumerate(rows) if n % HELD_OUT == HELD_OUT - 1]
    kept = [row for n, row in enumerate(rows) if n % HELD_OUT != HELD_OUT - 1]
    return _split(kept, held, path)


def statements(source: bytes) -> list[tuple[bytes, int]]:
    """What follows the first word of each line of a source that begins a statement with
    one of WORDS, and the word's number; up to the end of the line.

    >>> statements(b"for x in y:\\n    return x\\n")
    [(b'x in y:', 2), (b'x', 6)]
    """
    found, begins = [], True
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if begins and token.type == tokenize.NAME and token.string in WORDS:
            rest = token.line[token.end[1] :].strip()
            if rest:
                found.append((rest.encode(), WORDS.index(token.string)))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            begins = token.type in BEFORE
    return found


# What a statement begins after. A line that is empty, a comment, or inside of brackets
# (it ends in NL too) leaves it as it was.
BEFORE = (tokenize.ENCODING, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


def naive_bayes(train: Labelled, held_out: Labelled) -> np.ndarray:
    """The label of each held-out line by its pairs of neighbouring bytes, each label as
    likely beforehand: multinomial, with one more of each pair.

    Source: Manning, Raghavan and Schuetze 2008, section 13.2.
    """
    pairs, inside = _pairs(train)
    counts = np.ones((len(WORDS), 2**16))
    of_pair = np.broadcast_to(train.label[:, None], pairs.shape)
    np.add.at(counts, (of_pair[inside], pairs[inside]), 1)
    rates = np.log(counts / counts.sum(1, keepdims=True))
    pairs, inside = _pairs(held_out)
    return np.where(inside, rates[:, pairs], 0).sum(-1).argmax(0)


def _pairs(lines: Labelled):
    """Numbers of the pairs of neighbouring bytes, and which lie within the line."""
    pairs = 256 * lines.text[:, :-1] + lines.text[:, 1:]
    return pairs, np.arange(1, LENGTH) < lines.length[:, None]


@functools.cache
def _library() -> Lines:
    sources = [file.read_bytes() for file in library_files()]
    random.Random(0).shuffle(sources)
    count = len(sources) // HELD_OUT
    held, kept = (
        [row for source in part for row in statements(source)]
        for part in (sources[:count], sources[count:])
    )
    return _split(kept, held, "the standard library")


def _split(kept, held, where: str) -> Lines:
    """Each line once. A held-out one that is among the others too, under whatever
    label, is left out."""
    kept = list(dict.fromkeys((text[:LENGTH], label) for text, label in kept))
    known = {text for text, _ in kept}
    held = dict.fromkeys((text[:LENGTH], label) for text, label in held)
    held = [row for row in held if row[0] not in known]
    if not held:
        raise InputError(f"{where}: no line that is held out is new")
    return Lines(_labelled(kept), _labelled(held))


def _labelled(rows: list[tuple[bytes, int]]) -> Labelled:
    text = np.zeros((len(rows), LENGTH), np.int32)
    for place, (line, _) in enumerate(rows):
        text[place, : len(line)] = np.frombuffer(line, np.uint8)
    length = np.array([len(line) for line, _ in rows], np.int32)
    return Labelled(text, length, np.array([k for _, k in rows], np.int32))


def _read(path: Path) -> list[tuple[bytes, int]]:
    return read_table(path, {".csv": _csv, ".npy": _npy})


def _csv(path: Path) -> list[tuple[bytes, int]]:
    with path.open(newline="", encoding="utf-8") as file:
        try:
            rows = list(csv.reader(file))
        except csv.Error as error:
            raise ValueError(error) from error
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise ValueError(f"row {number} is not of a text and a label")
    return [(text.encode(), int(label)) for text, label in rows]


def _npy(path: Path) -> list[tuple[bytes, int]]:
    table = np.load(path, allow_pickle=False)
    fits = table.ndim == 2 and table.shape[1] > 1
    if not fits or not np.issubdtype(table.dtype, np.integer):
        raise ValueError(
            f"integers [n, 1 + m] are needed; this is {table.dtype}{list(table.shape)}"
        )
    rows = []
    for number, (label, *line) in enumerate(table.tolist(), 1):
        text = line[: line.index(-1)] if -1 in line else line
        if any(not 0 <= byte < 256 for byte in text) or set(line[len(text) :]) - {-1}:
            raise ValueError(f"row {number}: bytes are 0 to 255, and -1 behind the end")
        rows.append((bytes(text), label))
    return rows
