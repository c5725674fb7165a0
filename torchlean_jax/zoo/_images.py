"""Labelled images as batches: scikit-learn's digits, or the user's own file.

The split of the digits is that of `digits.load`; models are not here.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._epochs import chosen
from torchlean_jax.zoo._tables import read_table
from torchlean_jax.zoo.digits._data import Digits, load

PIXELS, CLASSES = 64, 10


@dataclass(frozen=True)
class Images:
    """Digits to train on, in an order that the seed fixes, and held-out ones."""

    digits: Digits

    def batch(self, step: int, size: int, seed: int) -> dict:
        """Images and labels of a step (`_epochs.chosen`).

        >>> batch = Images(load()).batch(step=7, size=16, seed=0)
        >>> batch["image"].shape, batch["label"].shape
        ((16, 64), (16,))
        """
        total = len(self.digits.train_labels)
        rows = chosen(total, step, size, seed, "images")
        return {
            "image": self.digits.train_images[rows],
            "label": self.digits.train_labels[rows],
        }


def images(path: str | None = None) -> Images:
    """The digits, or a `.csv` or `.npy` table of 64 pixels in [0, 1] and a label a row.

    Of a user's table every fifth row is held out. Raises InputError, which says what is
    wrong with the table, and MissingExtraError without scikit-learn.
    """
    if path is None:
        return Images(load())
    table = _table(Path(path))
    if table.ndim != 2 or table.shape[1] != PIXELS + 1 or len(table) < 5:
        raise InputError(
            f"{path}: rows of {PIXELS} pixels and a label are needed, five at least; "
            f"this is {list(table.shape)}"
        )
    pixels, labels = table[:, :-1].astype(np.float32), table[:, -1]
    if not ((pixels >= 0) & (pixels <= 1)).all():
        raise InputError(f"{path}: pixels are numbers in [0, 1]")
    if not np.isin(labels, np.arange(CLASSES)).all():
        raise InputError(f"{path}: labels (the last column) are 0 to {CLASSES - 1}")
    held = np.arange(len(table)) % 5 == 4
    kind = labels.astype(np.int32)
    return Images(Digits(pixels[~held], kind[~held], pixels[held], kind[held]))


def moved(image, key):
    """Each image moved by up to one pixel in each direction; black comes in.

    >>> moved(jnp.ones((2, 64)), jax.random.key(0)).shape
    (2, 64)
    """
    framed = jnp.pad(image.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    starts = jax.random.randint(key, (len(image), 2), 0, 3)
    cut = jax.vmap(lambda x, at: jax.lax.dynamic_slice(x, tuple(at), (8, 8)))
    return cut(framed, starts).reshape(image.shape)


def patches(image, side: int):
    """[..., 64 pixels] as [..., patches, pixels of a patch], row by row.

    >>> patches(jnp.arange(64), 4)[1, :5].tolist()
    [4, 5, 6, 7, 12]
    """
    count = 8 // side
    x = image.reshape(*image.shape[:-1], count, side, count, side)
    return jnp.swapaxes(x, -3, -2).reshape(*image.shape[:-1], count**2, side**2)


def unpatched(x):
    """What `patches` took apart: [..., patches, pixels of a patch] as [..., 64].

    >>> unpatched(patches(jnp.arange(64), 2)).tolist() == list(range(64))
    True
    """
    count, side = 8 // int(x.shape[-1] ** 0.5), int(x.shape[-1] ** 0.5)
    x = x.reshape(*x.shape[:-2], count, count, side, side)
    return jnp.swapaxes(x, -3, -2).reshape(*x.shape[:-4], 64)


def pictured(pixels) -> str:
    """Some images side by side, as text.

    >>> len(pictured(np.zeros((2, 64))).splitlines())
    8
    """
    shades = np.array(list(" .:-=+*#@"))
    pictures = [
        ["".join(shades[np.rint(row * 8).astype(int)]) for row in image]
        for image in np.asarray(pixels).reshape(-1, 8, 8)
    ]
    return "\n".join("   ".join(rows) for rows in zip(*pictures, strict=True))


def _table(path: Path) -> np.ndarray:
    readers = {
        ".csv": lambda path: np.loadtxt(path, delimiter=",", ndmin=2),
        ".npy": lambda path: np.load(path, allow_pickle=False),
    }
    return read_table(path, readers)
