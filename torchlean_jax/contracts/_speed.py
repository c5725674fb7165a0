"""How long a kernel takes at each of its block sizes, beside its formula under XLA.

Sizes that make the same kernel at a shape are one choice. All programs of a kernel take
turns, so that all meet the same weather; compilation is timed apart. What comes of it
is a record and no promise: contracts are checked with the sizes that kernels have.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from torchlean_jax.pallas_kernels._blocks import Blocks, table, using
from torchlean_jax.pallas_kernels._terms import Arrays, Program

Clock = Callable[[], float]

ROUNDS = 20
# a turn lasts so long, or a clock of microseconds and the launch would be what is timed
TURN = 0.005
MOST_CALLS = 1000

# bytes a second of the memory, as published by NVIDIA
BANDWIDTH = {
    "NVIDIA A100-SXM4-40GB": 1.555e12,
    "NVIDIA A100-SXM4-80GB": 2.039e12,
    "NVIDIA H100 80GB HBM3": 3.35e12,
}


@dataclass(frozen=True)
class Timing:
    """Seconds: to compile, and of a call, one number for each turn."""

    compile: float
    turns: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.turns)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, _, high = statistics.quantiles(self.turns, n=4, method="inclusive")
        return low, high


@dataclass(frozen=True)
class Trial:
    """A program that was timed, or why it was not. blocks: none, of the formula."""

    blocks: Blocks | None
    timing: Timing | None
    error: str = ""


@dataclass(frozen=True)
class Speed:
    """`trials`: the kernel, first with the sizes that it has. `chosen`: the fastest of
    them, or none if none ran. `moved`: bytes of arguments and results, the least that
    any program has to move."""

    formula: Trial
    trials: tuple[Trial, ...]
    chosen: Trial | None
    moved: int


def measured(program: Program, args: Arrays, clock: Clock = time.perf_counter) -> Speed:
    """The program's kernel at each of its choices, and its formula, where JAX runs."""
    sizes: list[Blocks | None] = [None, *choices(program, args)]
    ready = [_compiled(program, size, args, clock) for size in sizes]
    running = [entry for entry in ready if isinstance(entry, tuple)]
    times = iter(in_turns([call for _, call in running], clock))
    formula, *trials = (
        Trial(size, Timing(entry[0], next(times)))
        if isinstance(entry, tuple)
        else Trial(size, None, entry)
        for size, entry in zip(sizes, ready, strict=True)
    )
    results = jax.tree.leaves(jax.eval_shape(program.formula, *args))
    moved = sum(x.size * x.dtype.itemsize for x in (*jax.tree.leaves(args), *results))
    return Speed(formula, tuple(trials), fastest(trials), moved)


def choices(program: Program, args: Arrays) -> list[Blocks]:
    """The sizes of the table, one for each different kernel that they make."""
    found: dict[str, Blocks] = {}
    for sizes in table():
        with using(sizes):
            made = jax.make_jaxpr(_anew(program.kernel))(*args)
        found.setdefault(str(made), sizes)
    return list(found.values())


def _compiled(
    program: Program, sizes: Blocks | None, args: Arrays, clock: Clock
) -> tuple[float, Callable[[], Any]] | str:
    """(seconds to compile, the call), called once; or why it cannot be."""
    try:
        start = clock()
        if sizes is None:
            run = jax.jit(program.formula).lower(*args).compile()
        else:
            with using(sizes):
                run = jax.jit(_anew(program.kernel)).lower(*args).compile()
        seconds = clock() - start
        jax.block_until_ready(run(*args))
    except Exception as error:  # no memory, no registers: of this choice alone
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[0]}"
    return seconds, lambda: run(*args)


def _anew(kernel):
    """The kernel as a function of its own, or JAX would answer with what it traced
    before, with other sizes."""

    def function(*args):
        return kernel(*args)

    return function


def in_turns(
    calls: Sequence[Callable[[], Any]], clock: Clock
) -> list[tuple[float, ...]]:
    """Seconds of a call, for each of them and each round: A B C A B C ...

    A turn is as many calls as last about `TURN`, waited for together.
    """

    def turn(call, number):
        start, result = clock(), None
        for _ in range(number):
            result = call()
        jax.block_until_ready(result)
        return (clock() - start) / number

    once = [max(turn(call, 1), TURN / MOST_CALLS) for call in calls]
    numbers = [max(1, round(TURN / seconds)) for seconds in once]
    rounds = [list(map(turn, calls, numbers)) for _ in range(ROUNDS)]
    return list(zip(*rounds, strict=True)) if calls else []


def fastest(trials: Sequence[Trial]) -> Trial | None:
    """The first, unless one is faster beyond the noise: three quarters of its turns
    before three quarters of the first's."""
    timed = [(t, t.timing) for t in trials if t.timing is not None]
    if not timed:
        return None
    first, timing = timed[0]
    if first is trials[0]:
        low, _ = timing.quartiles
        timed = [(first, timing), *(e for e in timed[1:] if e[1].quartiles[1] < low)]
    return min(timed, key=lambda entry: entry[1].median)[0]
