"""Two inputs that differ at one position and give different outputs: a dependence seen.

Both run through one compiled program, so that any difference of bits at an output comes
from the input. The slope says where to look first; then numbers are drawn.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._positions import Positions

# Inputs are moved by so much, in units of their own size.
_SCALES = (1.0, 0.01, 30.0)
# So many of the pairs in question are looked for along their slopes, and by drawing.
_TRIES = 8


@dataclass(frozen=True, eq=False)
class Witness:
    """Two inputs that differ at one position, and what the model makes of them.

    pair: (output, input) positions. before, after: the arguments, flattened. element:
    the index of an output element that differs, in leaf `leaf`; values: what it is.
    """

    pair: tuple[int, int]
    before: list
    after: list
    leaf: int
    element: tuple[int, ...]
    values: tuple[Any, Any]
    change: str

    def __str__(self) -> str:
        old, new = self.values
        return f"{self.change}, output element {self.element} goes from {old} to {new}"


@dataclass(frozen=True, eq=False)
class Program:
    """A model at its arguments, with the numbers of their positions."""

    function: Callable
    args: tuple
    kwargs: dict
    inputs: Positions
    outputs: Positions

    def find(self, wanted: np.ndarray) -> Witness | None:
        """A witness for one of the `wanted` pairs, if one is found."""
        for base in self._bases if wanted.any() else []:
            for number in self._candidates(base, wanted):
                for after in self._moved(base, number):
                    found = self._compared(base, after, wanted, number)
                    if found is not None:
                        return found
        return None

    def exhibited(self, possible: np.ndarray) -> np.ndarray:
        """The pairs for which a witness was found."""
        found = np.zeros_like(possible)
        for base in self._bases:
            expected = self._run(base)
            for number in range(self.inputs.count):
                for after in self._moved(base, number):
                    missing = possible[:, number] & ~found[:, number]
                    if not missing.any():
                        break
                    got = self._run(after)
                    found[:, number] |= self._differing(expected, got)
        return found & possible

    @functools.cached_property
    def _compiled(self):
        tree = jax.tree.structure((self.args, self.kwargs))

        def flat(leaves):
            args, kwargs = jax.tree.unflatten(tree, leaves)
            return jax.tree.leaves(self.function(*args, **kwargs))

        return jax.jit(flat)

    def _run(self, leaves) -> list[np.ndarray]:
        return list(map(np.asarray, self._compiled(leaves)))

    @functools.cached_property
    def _bases(self) -> list[list]:
        """The arguments as given, and with other numbers at the positions asked for."""
        random = np.random.default_rng(0)
        leaves = [
            _drawn(x, random) if isinstance(x, jax.ShapeDtypeStruct) else x
            for x in jax.tree.leaves((self.args, self.kwargs))
        ]
        other = [
            x if places is None else _moved(x, np.True_, 1.0, random)
            for x, places in zip(leaves, self.inputs.positions, strict=True)
        ]
        return [leaves, other]

    def _candidates(self, base, wanted):
        """Input positions to move: the steepest of some outputs, then others."""
        seen = set()
        rows = np.flatnonzero(wanted.any(axis=1))
        for row in rows[np.linspace(0, len(rows) - 1, _TRIES, dtype=int)]:
            slopes = self._slopes(base, row)
            if slopes is None:
                break
            slopes = np.where(wanted[row], slopes, 0)
            if slopes.any():
                seen.add(int(slopes.argmax()))
        yield from seen
        columns = np.flatnonzero(wanted.any(axis=0))
        some = columns[np.linspace(0, len(columns) - 1, _TRIES, dtype=int)]
        yield from (n for n in map(int, dict.fromkeys(some)) if n not in seen)

    def _slopes(self, base, row):
        """|d(output row) / d(input)| for each input position; None without any."""
        if not any(self._is_differentiated):
            return None
        try:
            gradients = self._gradient(base, row)
        except (TypeError, ValueError, NotImplementedError):
            return None  # a primitive without a derivative, or a loop without one
        slopes = np.zeros(self.inputs.count)
        gradients = iter(gradients)
        for places, is_float in zip(
            self.inputs.positions, self._is_differentiated, strict=True
        ):
            if is_float:
                sizes = np.abs(np.asarray(next(gradients), np.float64))
                np.add.at(slopes, places, np.nan_to_num(sizes))
        return slopes

    @functools.cached_property
    def _is_differentiated(self) -> list[bool]:
        return [
            places is not None and jnp.issubdtype(jnp.result_type(x), jnp.floating)
            for x, places in zip(self._bases[0], self.inputs.positions, strict=True)
        ]

    @functools.cached_property
    def _gradient(self):
        """The gradient of a weighted sum of the elements of one output position."""
        random = np.random.default_rng(1)
        weights = [random.normal(size=p.shape) for p in self.outputs.positions]

        def total(moving, base, row):
            moving = iter(moving)
            leaves = [
                next(moving) if is_float else x
                for x, is_float in zip(base, self._is_differentiated, strict=True)
            ]
            outputs = self._compiled(leaves)
            return sum(
                (
                    jnp.sum(jnp.where(places == row, y * w.astype(y.dtype), 0))
                    for y, w, places in zip(
                        outputs, weights, self.outputs.positions, strict=True
                    )
                    if jnp.issubdtype(y.dtype, jnp.floating)
                ),
                jnp.zeros(()),
            )

        def gradient(base, row):
            pairs = zip(base, self._is_differentiated, strict=True)
            return jax.grad(total)([x for x, is_float in pairs if is_float], base, row)

        return jax.jit(gradient)

    def _moved(self, base, number):
        """Copies of `base` with other numbers at one position."""
        random = np.random.default_rng(number)
        for scale in _SCALES:
            yield [
                x
                if places is None or not (here := places == number).any()
                else _moved(x, here, scale, random)
                for x, places in zip(base, self.inputs.positions, strict=True)
            ]

    def _differing(self, expected, got):
        rows = np.zeros(self.outputs.count, bool)
        for a, b, places in zip(expected, got, self.outputs.positions, strict=True):
            np.logical_or.at(rows, places, _differ(a, b))
        return rows

    def _compared(self, before, after, wanted, number) -> Witness | None:
        expected, got = self._run(before), self._run(after)
        rows = np.flatnonzero(self._differing(expected, got) & wanted[:, number])
        if not rows.size:
            return None
        row = int(rows[0])
        for leaf, (a, b, places) in enumerate(
            zip(expected, got, self.outputs.positions, strict=True)
        ):
            differing = np.argwhere(_differ(a, b) & (places == row))
            if len(differing):
                element = tuple(map(int, differing[0]))
                values = a[element].item(), b[element].item()
                change = _change(before, after)
                return Witness(
                    (row, number), before, after, leaf, element, values, change
                )
        return None


def _differ(a, b):
    equal = a == b
    if jnp.issubdtype(a.dtype, jnp.inexact):
        equal |= (a != a) & (b != b)
    return ~equal


def _drawn(shape: jax.ShapeDtypeStruct, random):
    """An array of that shape and dtype."""
    if jnp.issubdtype(shape.dtype, jnp.inexact):
        return jnp.asarray(random.normal(size=shape.shape) / 2, shape.dtype)
    if shape.dtype == bool:
        return jnp.asarray(random.random(shape.shape) < 0.5)
    return jnp.asarray(random.integers(0, 2, shape.shape), shape.dtype)


def _moved(x, where, scale, random):
    """`x` with other numbers of its kind at `where`."""
    x = np.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.inexact):
        size = np.maximum(np.abs(x.astype(np.float64)), 1)
        change = scale * size * random.normal(size=x.shape)
        return np.where(where, (x + change).astype(x.dtype), x)
    if x.dtype == bool:
        return np.where(where, ~x, x)
    low, high = int(x.min(initial=0)), max(int(x.max(initial=1)), 1)
    other = random.integers(low, high + 1, x.shape).astype(x.dtype)
    other = np.where(other == x, np.where(x == high, low, x + 1), other)
    return np.where(where, other.astype(x.dtype), x)


def _change(before, after):
    """In words: the first input element that differs."""
    for leaf, (a, b) in enumerate(zip(before, after, strict=True)):
        differing = np.argwhere(_differ(np.asarray(a), np.asarray(b)))
        if len(differing):
            element = tuple(map(int, differing[0]))
            old, new = np.asarray(a)[element].item(), np.asarray(b)[element].item()
            more = f" and {len(differing) - 1} beside it" if len(differing) > 1 else ""
            return f"with input {leaf} at {element} changed from {old} to {new}{more}"
    return "with nothing changed"
