"""How cells are laid out in arrays, and how programs run on many of them.

All that is cut lies end to end; choices are the leaves of a tree, one array for each.
"""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters._ascent import Choices
from torchlean_jax.search._frontier import Rows
from torchlean_jax.search._region import Region

TOGETHER = 32  # cells in one vmap


class Layout:
    """The arrays of cells of a region. first: choices to begin with.

    size: of all that is cut. ends: where each part of it begins, and the size.
    """

    def __init__(self, region: Region, first: Choices):
        self._region = region
        self._first, self._tree = jax.tree.flatten(jax.tree.map(np.asarray, first))
        enclosures = region.shared.enclosures
        self._shapes = [enclosures[part.operand].shape for part in region.parts]
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        self.ends = np.cumsum([0, *sizes])
        self.size = int(self.ends[-1])

    def root(self, count: int = 1) -> Rows:
        """The whole, so many times."""
        rows = {f"choice{k}": narrow(c) for k, c in enumerate(self._first)}
        rows = {n: np.repeat(a[None], count, 0) for n, a in rows.items()}
        return rows | {"phases": np.zeros((count, self.size), np.int8)}

    def ends_at_first(self) -> Rows:
        """The ends (float32) of what is cut, for cells with enclosures of their own."""
        shared = self._region.shared.enclosures
        lo, hi = outward([shared[part.operand] for part in self._region.parts])
        return {"lo": lo[None], "hi": hi[None]}

    def rows_of(self, choices: Choices) -> Rows:
        return {f"choice{k}": c for k, c in enumerate(jax.tree.leaves(choices))}

    def choices(self, rows: Rows) -> Choices:
        kept = [rows[f"choice{k}"] for k in range(len(self._first))]
        return jax.tree.unflatten(self._tree, kept)

    def by_part(self, array) -> dict[int, np.ndarray]:
        """[..., M], all that is cut end to end, by the operand of each."""
        lead = array.shape[:-1]
        return {
            part.operand: array[..., a:b].reshape((*lead, *shape))
            for part, (a, b), shape in zip(
                self._region.parts,
                itertools.pairwise(self.ends),
                self._shapes,
                strict=True,
            )
        }

    def end_to_end(self, arrays: dict[int, np.ndarray]) -> np.ndarray:
        """Of cells with one row, [n, 1, *shape] by operand, as [n, M]."""
        parts = [arrays[part.operand] for part in self._region.parts]
        return np.concatenate([a.reshape(len(a), -1) for a in parts], axis=1)

    def of_switches(self, slopes: dict[int, np.ndarray]) -> np.ndarray:
        """The same of slopes, [n, 1, *shape] by position."""
        by_operand = {p.operand: slopes[p.position] for p in self._region.parts}
        return self.end_to_end(by_operand)

    def place(self, operand: int) -> int:
        """Where what is cut of that value begins."""
        operands = [part.operand for part in self._region.parts]
        return int(self.ends[operands.index(operand)])

    def enclosures(self, rows: Rows) -> dict[int, Interval]:
        """Of what is cut, on cells or on a single one."""
        if "lo" in rows:
            ends = (rows[n].astype(np.float64) for n in ("lo", "hi"))
            lo, hi = map(self.by_part, ends)
            return {n: _interval(lo[n], hi[n]) for n in lo}
        lead, found = rows["phases"].shape[:-1], {}
        for n, v in self._region.shared.enclosures.items():
            ends = (np.broadcast_to(e, (*lead, *e.shape)) for e in (v.lo, v.hi))
            found[n] = _interval(*ends)
        return found

    def in_turns(
        self,
        program: Callable,
        rows: Rows,
        target: Callable,
        watch: Callable[[], None] = lambda: None,
    ):
        """A program on all rows, `TOGETHER` at a time, as NumPy arrays.

        target(at): (rows, offset) of what is bounded on the cells at some places.
        watch: called before each turn; what it raises ends them.
        """
        count, found = len(rows["phases"]), []
        for start in range(0, count, TOGETHER):
            watch()
            at = np.minimum(np.arange(start, start + TOGETHER), count - 1)
            here = {n: a[at] for n, a in rows.items() if n in _OF_A_CELL}
            kept = {
                n: a[at].astype(np.float64) for n, a in rows.items() if _CHOICE in n
            }
            options = (
                self.enclosures(here),
                self.by_part(here["phases"]),
                self.choices(kept),
                *target(at),
            )
            with jax.enable_x64(True):
                part = program(self._region.shared, *options)
                found.append(jax.tree.map(np.asarray, part))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *found)


_OF_A_CELL = ("phases", "lo", "hi")
_CHOICE = "choice"


def narrow(choice):
    """Any choice is sound, so open cells keep theirs in half the memory."""
    return np.asarray(choice, np.float32)


def outward(values) -> tuple[np.ndarray, np.ndarray]:
    """(lo, hi) of enclosures end to end, in half the memory."""
    lo, hi = (
        np.concatenate([np.ravel(getattr(v, end)) for v in values])
        for end in ("lo", "hi")
    )
    return rounded(lo, -np.inf), rounded(hi, np.inf)


def rounded(exact: np.ndarray, out: float) -> np.ndarray:
    """In single precision, towards `out`."""
    with np.errstate(over="ignore"):
        near = exact.astype(np.float32)
    is_inside = near > exact if out < 0 else near < exact
    return np.where(is_inside, np.nextafter(near, np.float32(out)), near)


def _interval(lo: Any, hi: Any) -> Interval:
    """Of NumPy arrays, which become JAX's where they are used."""
    return Interval(lo, hi)
