"""The table of block sizes: what tiles follow from, and what else is worth timing.

The arithmetic behind each number stands where tiles are made of it: `_tiles` for work
on rows, `_products` for products, `attention._tile` for attention. It says which sizes
fit a multiprocessor; which of those is the fastest only a GPU can say, and `torchlean
kernels bench` asks it. Products of modes have one size, which follows from their
registers.
"""

import contextlib
import itertools
import operator
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import astuple, dataclass, replace


@dataclass(frozen=True)
class Blocks:
    """Sizes, all powers of two.

    held: elements of all arrays that a program on whole rows holds; per_warp: elements
    of a tile that one of its warps moves; turns: the most tiles of rows that it takes
    where they share vectors. sums, depth: rows and columns of a tile of a
    product, terms of a step; warps: of such a program. side: queries or keys in a tile
    of attention; kept: elements of the queries that its program keeps. steps: of a
    chunk of the scan.
    """

    held: int = 8192
    per_warp: int = 512
    turns: int = 8
    sums: int = 64
    depth: int = 32
    warps: int = 4
    side: int = 64
    kept: int = 8192
    steps: int = 16


DEFAULT = Blocks()
_current: ContextVar[Blocks] = ContextVar("blocks", default=DEFAULT)


def blocks() -> Blocks:
    """The sizes that a kernel traced now is made with."""
    return _current.get()


@contextlib.contextmanager
def using(sizes: Blocks) -> Iterator[None]:
    """Trace kernels with these sizes. What was traced before stays as it is, so a
    function under `jit` has to be a new one."""
    token = _current.set(sizes)
    try:
        yield
    finally:
        _current.reset(token)


# Half and twice what the arithmetic gives; of turns, only whether they help. Twice the
# sums of a product are 128 registers of each thread of four warps, 64 of eight; a step
# of attention with more than 64 keys spilled (see `attention._tile`), and is asked for
# all the same, since whether a spill costs time depends on the cache.
_ROWS = {"held": (4096, 8192, 16384), "per_warp": (256, 512, 1024), "turns": (1, 8)}
_PRODUCTS = {"sums": (32, 64, 128), "depth": (16, 32, 64), "warps": (4, 8)}
_ATTENTION = {"side": (32, 64, 128), "kept": (4096, 8192, 16384)}
_SCAN = {"steps": (8, 16, 32)}


def table() -> tuple[Blocks, ...]:
    """All sizes worth timing, the default and what is nearest to it first. They vary
    for one kind of kernel at a time: no kernel is of two kinds."""
    found = [DEFAULT]
    for kind in (_ROWS, _PRODUCTS, _ATTENTION, _SCAN):
        for sizes in itertools.product(*kind.values()):
            found.append(replace(DEFAULT, **dict(zip(kind, sizes, strict=True))))
    usual = astuple(DEFAULT)
    changes = lambda sizes: sum(map(operator.ne, astuple(sizes), usual))  # noqa: E731
    return tuple(sorted(dict.fromkeys(found), key=changes))
