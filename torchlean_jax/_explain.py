"""`bounds(...).explain`: which source lines lose the tightness of a bound."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._problem import How, Task
from torchlean_jax.domains._errors import InputError

METHODS = ("crown-ibp", "crown")


@dataclass(frozen=True)
class Loss:
    """What the relaxations on one source line add to the widths of all outputs.

    source: (file, line, text), or None. nodes: the values that are relaxed there, by
    the numbers of `tl.inspect`. width: in units of the outputs; at most what exact
    relaxations there could win back. share: of the total width.
    """

    source: tuple[str, int, str] | None
    primitives: tuple[str, ...]
    nodes: tuple[int, ...]
    width: float
    share: float

    @property
    def place(self) -> str:
        """File name and line number, or an empty string."""
        if self.source is None:
            return ""
        return f"{self.source[0].rsplit('/', 1)[-1]}:{self.source[1]}"


@dataclass(frozen=True)
class Explanation:
    """Where the widths of some bounds come from, largest loss first.

    width: of all outputs together, as the final backward pass gives it. (Where interval
    arithmetic alone gives less, `bounds` takes that.) reached: how far apart the values
    of the outputs are at the points where their two bounds are taken: no sound bounds
    are narrower. width = reached + the widths of `losses` + rounding.
    """

    losses: tuple[Loss, ...]
    width: float
    reached: float
    rounding: float

    def __str__(self) -> str:
        head = (
            f"width {self.width:.6g} over all outputs, of which {self.reached:.6g} is "
            f"reached and {self.width - self.reached:.6g} lost:"
        )
        rows = [
            (
                f"{100 * loss.share:.1f}%",
                f"{loss.width:.4g}",
                " ".join(loss.primitives),
                loss.place,
                loss.source[2] if loss.source else "",
            )
            for loss in self.losses
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  "
            + "  ".join(
                cell.rjust(w) if k < 2 else cell.ljust(w)
                for k, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join(line.rstrip() for line in [head, *lines])


def explain(task: Task, chosen: How, leaves) -> Explanation:
    """The explanation of the bounds of a task on concrete arguments."""
    if chosen.method not in METHODS:
        raise InputError(
            f"{chosen.method} is not explained: ask for the method "
            f"{' or '.join(METHODS)}"
        )
    with jax.enable_x64(True):
        compiled = task.compiled("losses", chosen)
        sizes = [task.graph.avals[n].size for n in task.graph.outputs]
        total, chunk = 2 * sum(sizes), _rows_at_once(task, chosen.memory)
        parts = []
        for first in range(0, total, chunk):
            chosen_rows = jnp.arange(first, first + chunk)
            lost, reached, width = compiled(task.wide_consts, leaves, chosen_rows)
            parts.append(jax.tree.map(float, (lost, reached, width)))
    lost = {k: sum(part[0][k] for part in parts) for k in parts[0][0]}
    reached, width = (sum(part[k] for part in parts) for k in (1, 2))
    rows = _by_line(task.graph, lost, width)
    explained = sum(row.width for row in rows)
    return Explanation(rows, width, reached, width - reached - explained)


def _rows_at_once(task, memory):
    """How many rows the values at their points, a few arrays each, leave room for."""
    held = sum(aval.size for aval in task.graph.avals)
    rows = max(1, memory // (64 * max(held, 1)))
    total = 2 * sum(task.graph.avals[n].size for n in task.graph.outputs)
    return min(rows, max(total, 1))


def _by_line(graph, lost, width) -> tuple[Loss, ...]:
    lines = {}
    for position, amount in lost.items():
        equation = graph.equations[position]
        # what moves or adds up numbers exactly loses nothing but rounding
        if abs(amount) > 1e-9 * max(width, 0) and np.isfinite(amount):
            lines.setdefault(equation.source, []).append((equation, amount))
    found = [
        Loss(
            source,
            tuple(dict.fromkeys(equation.name for equation, _ in parts)),
            tuple(n for equation, _ in parts for n in equation.outputs),
            sum(amount for _, amount in parts),
            sum(amount for _, amount in parts) / width,
        )
        for source, parts in lines.items()
    ]
    return tuple(sorted(found, key=lambda loss: -loss.width))
