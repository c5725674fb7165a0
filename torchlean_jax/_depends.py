"""`depends`: which inputs can influence which outputs of a program."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from torchlean_jax._positions import Positions, of_inputs, of_outputs
from torchlean_jax._pure import pure_trace
from torchlean_jax._trace import as_function
from torchlean_jax._witness import Program, Witness
from torchlean_jax.domains._errors import DependenceError, InputError
from torchlean_jax.domains.dependence import Dependence, members
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.interpreters._missing import require_rules


def depends(
    model,
    argnums: int | Sequence[int] = 0,
    in_axis: int | None = None,
    out_axis: int | None = None,
    *,
    finite: bool = True,
    mask: float = -1e9,
):
    """Which outputs of `model` can depend on which inputs, for all values of them.

    `depends(f)(*args)` reads the jaxpr of `f` at the shapes of `args`. Where its
    `.matrix` is False, no values of the arguments in `argnums` make that output differ
    when only that input changes; a dependence that exists is never missed. Where it is
    True, `.witness` searches for two inputs that differ there and give different
    outputs, and `.certain` says for which pairs they were found; the rest are possible.

    argnums: the arguments whose influence is asked for; their values do not matter, but
    witnesses are searched around them. The others are taken at their values, so that an
    answer about a model with some weights at 0 speaks of those; an argument given as a
    `jax.ShapeDtypeStruct` (`jax.eval_shape` makes them) stands for any values.
    in_axis, out_axis: with an axis, positions along it are related (tokens, rows of a
    batch) in place of single elements.

    finite: assume that the program computes no infinity and no NaN but masks; then 0
    times an unknown number is 0. Without it a masked row still reaches an attention
    layer: its weight is 0, and 0 times an infinity is a NaN. mask: known numbers at or
    below it are masks, whose exponentials are 0 beside those of unmasked scores.
    What was assumed is in `.assumptions`.

    Sets are those of each element through each primitive, as in Weiser's program
    slicing (1984), with known values: a choice by a known predicate depends on what is
    chosen. Sums do not cancel: `x - x` counts as depending on x.

    Raises MissingRuleError, listing every primitive without a rule, and InputError,
    also for a function that calls back into Python. Random bits are those of the keys
    that it holds or is given.

    >>> import jax.numpy as jnp
    >>> import torchlean_jax as tl
    >>> report = tl.depends(jnp.cumsum)(jnp.ones(3))
    >>> report.matrix.astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [1, 1, 1]])
    >>> report.assert_causal()
    >>> tl.depends(lambda x: x[::-1])(jnp.ones(2)).assert_causal()
    Traceback (most recent call last):
        ...
    torchlean_jax.domains._errors.DependenceError: ...
    """
    function = as_function(model)
    asked = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(function, updated=())
    def related(*args, **kwargs) -> DependenceReport:
        name = getattr(function, "__name__", type(function).__name__)
        inputs = of_inputs(args, kwargs, asked, in_axis)
        domain = Dependence(inputs.count, finite, mask)
        traced = pure_trace(function, name, args, kwargs, domain.is_value)
        leaves = jax.tree.leaves((args, kwargs))
        values = inputs.values(domain, leaves)
        abstract = list(map(domain.is_value, values))
        require_rules(traced.jaxpr, abstract, domain, what=f"`{name}`")
        outputs = walk(traced.jaxpr, traced.consts, values, domain)
        rows = of_outputs(traced, out_axis)
        matrix = np.zeros((rows.count, inputs.count), bool)
        for output, places in zip(outputs, rows.positions, strict=True):
            sets = rows.union(domain.lift(output).words, places)
            matrix[np.unique(places)] |= members(sets)[:, : inputs.count]
        program = Program(function, args, kwargs, inputs, rows)
        assumptions = tuple(sorted(domain.assumed))
        return DependenceReport(name, matrix, inputs, rows, assumptions, program)

    return related


@dataclass(frozen=True)
class DependenceReport:
    """Which outputs can depend on which inputs.

    matrix: bool[outputs, inputs]; False is certain for all values of the inputs, under
    `assumptions`. inputs, outputs: what the numbers of columns and rows mean
    (`.describe(number)`).
    """

    name: str
    matrix: np.ndarray
    inputs: Positions
    outputs: Positions
    assumptions: tuple[str, ...]
    program: Program

    @functools.cached_property
    def certain(self) -> np.ndarray:
        """The pairs for which two inputs were found that exhibit the dependence: a
        bool matrix below `matrix`. It takes a few runs of the model for each input."""
        return self.program.exhibited(self.matrix)

    def witness(self, output: int, input: int) -> Witness | None:
        """Two inputs that differ at position `input` and whose outputs differ at
        `output`, if some are found."""
        wanted = np.zeros_like(self.matrix)
        wanted[output, input] = True
        return self.program.find(wanted & self.matrix)

    def assert_causal(self) -> None:
        """Raise DependenceError if an output depends on an input at a later position.

        Positions are compared by their number along `in_axis` and `out_axis`, of which
        there must be as many.
        """
        allowed = [
            np.tri(self._as_many(size), size, dtype=bool) for size in self._sizes
        ]
        self._require(np.hstack(allowed), "is not causal")

    def assert_batch_independent(self) -> None:
        """Raise DependenceError if a row of the output depends on another row of the
        input."""
        allowed = [
            np.eye(self._as_many(size), size, dtype=bool) for size in self._sizes
        ]
        self._require(np.hstack(allowed), "mixes the rows of a batch")

    def assert_independent_of(self, argument: int) -> None:
        """Raise DependenceError if an output depends on the argument of that number."""
        allowed = np.ones_like(self.matrix)
        for name, first, size in self.inputs.blocks:
            if name == f"argument {argument}":
                allowed[:, first : first + size] = False
                break
        else:
            raise InputError(
                f"argument {argument} is not among those asked for in argnums: "
                f"{', '.join(name for name, *_ in self.inputs.blocks)}"
            )
        self._require(allowed, f"depends on argument {argument}")

    @property
    def _sizes(self):
        return [size for *_, size in self.inputs.blocks]

    def _as_many(self, size):
        if self.outputs.count != size:
            raise InputError(
                f"the output has {self.outputs.count} positions and the input {size}: "
                "give in_axis and out_axis, so that they count the same thing"
            )
        return size

    def _require(self, allowed, complaint):
        wrong = self.matrix & ~allowed
        if not wrong.any():
            return
        witness = self.program.find(wrong)
        pair = np.argwhere(wrong)[0] if witness is None else witness.pair
        output, input = map(int, pair)
        others = f" ({wrong.sum()} such pairs)" if wrong.sum() > 1 else ""
        lines = [
            f"`{self.name}` {complaint}: {self.outputs.describe(output)} depends on "
            f"{self.inputs.describe(input)}{others}"
        ]
        if witness is None:
            lines.append(
                "  possible: no two inputs were found that exhibit it (the sets do not "
                "see that terms cancel, nor masks computed from the inputs)"
            )
        else:
            lines.append(f"  {witness}")
        raise DependenceError("\n".join(lines), output, input, witness)

    def __str__(self) -> str:
        rows, columns = self.matrix.shape
        lines = [
            f"`{self.name}`: {int(self.matrix.sum())} of {rows} x {columns} pairs of "
            "an output and an input may depend on each other; the others do not"
        ]
        if max(rows, columns) <= 64:
            lines += ["".join(".#"[int(e)] for e in row) for row in self.matrix]
        lines += [f"assumed: {assumption}" for assumption in self.assumptions]
        return "\n".join(lines)
