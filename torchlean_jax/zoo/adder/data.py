"""Sums as tokens: `123+456=579`, every number with its least digit first.

A carry then goes the way in which the answer is written. Source of that order: Nogueira
et al. 2021 (arXiv:2102.13019); Lee et al. 2023 (arXiv:2307.03381), section 3.
"""

import functools
import re
from dataclasses import dataclass

import numpy as np

from torchlean_jax.domains._errors import InputError

PLUS, EQUALS = 10, 11  # after the ten digits
VOCABULARY = 12
SHARE = 100  # one sum in so many is held out


@dataclass(frozen=True)
class Sums:
    """All sums of two numbers of so many digits; a batch is `[size, 3 digits + 3]`.

    train, held_out: pairs (a, b) as a * 10^digits + b; together they are all pairs.
    """

    digits: int
    train: np.ndarray
    held_out: np.ndarray

    def batch(self, step: int, size: int, seed: int) -> np.ndarray:
        chosen = np.random.default_rng([seed, step]).integers(0, len(self.train), size)
        return self.tokens(self.train[chosen])

    def tokens(self, pairs) -> np.ndarray:
        """The texts of pairs, answers included.

        >>> sums(None, 2).tokens([9801]).tolist()
        [[8, 9, 10, 1, 0, 11, 9, 9, 0]]
        """
        first, second = np.divmod(np.asarray(pairs, np.int64), 10**self.digits)
        signs = (np.full_like(first[:, None], sign) for sign in (PLUS, EQUALS))
        parts = (
            _digits(first, self.digits),
            next(signs),
            _digits(second, self.digits),
            next(signs),
            _digits(first + second, self.digits + 1),
        )
        return np.concatenate(parts, -1).astype(np.int32)


@functools.cache
def _split(digits: int):
    order = np.random.default_rng(0).permutation(100**digits)
    held = len(order) // SHARE
    return order[held:], order[:held]


def sums(path: str | None, digits: int) -> Sums:
    """Raises InputError for a path: all sums there are, are here."""
    if path is not None:
        raise InputError(f"{path}: the adder makes its own sums, of no file")
    return Sums(digits, *_split(digits))


def question(text: str, digits: int) -> np.ndarray:
    """The tokens of `a+b`, which are asked for the rest.

    Raises InputError for another text, or a number with more digits.

    >>> question("12+3", 2).tolist()
    [2, 1, 10, 3, 0, 11]
    """
    found = re.fullmatch(r"\s*([0-9]+)\s*\+\s*([0-9]+)\s*=?\s*", text)
    if not found or max(map(len, found.groups())) > digits:
        raise InputError(
            f"{text!r}: two numbers of at most {digits} digits with a + between them"
        )
    first, second = map(int, found.groups())
    pair = np.array([first * 10**digits + second])
    return sums(None, digits).tokens(pair)[0, : 2 * digits + 2]


def number(digits) -> int:
    """What digits mean, the least of them first.

    >>> number([3, 2, 1])
    123
    """
    return sum(int(digit) * 10**place for place, digit in enumerate(digits))


def _digits(numbers: np.ndarray, count: int) -> np.ndarray:
    return numbers[:, None] // 10 ** np.arange(count) % 10
