"""What the recurrent networks share: digits read row by row, and their claims.

Each entry names its cell, one of flax, and writes down the recurrence that was
published for it. Everything that is not about one cell is here.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.zoo import _classifiers as shared
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._images import CLASSES
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.digits._models import centred

ROWS, COLUMNS = 8, 8


@dataclass(frozen=True)
class Cell:
    """A cell of flax and its definition.

    states: how many arrays it carries, the output last. published(params, state, row):
    the next state, of the cell's parameters by name.
    """

    make: Callable[..., nnx.Module]
    states: int
    published: Callable[[dict, Any, Any], Any]


class Recurrent(nnx.Module):
    """Logits of images of 64 pixels in [0, 1], of the last state of the cell."""

    def __init__(self, rngs: nnx.Rngs, cell: Cell, width: int):
        self.width, self.states = width, cell.states
        self.cell: Any = cell.make(COLUMNS, width, rngs=rngs)
        self.last = nnx.Linear(width, CLASSES, rngs=rngs)

    def start(self, shape):
        """The state before the first row of images with these leading axes."""
        zero = jnp.zeros((*shape, self.width))
        return zero if self.states == 1 else (zero,) * self.states

    def step(self, state, row):
        return tl.cut(self.cell(state, row)[0])  # an identity

    def after(self, state, rows):
        """The state after rows [n, ..., 8], and the outputs on the way."""

        def one(state, row):
            state = self.step(state, row)
            return state, jax.tree.leaves(state)[-1]

        return jax.lax.scan(one, state, rows)

    def __call__(self, image):
        rows = centred(image).reshape(*image.shape[:-1], ROWS, COLUMNS)
        start = jax.tree.map(
            lambda x: x.astype(rows.dtype), self.start(image.shape[:-1])
        )
        _, outputs = self.after(start, jnp.moveaxis(rows, -2, 0))
        return self.last(outputs[-1])


def network(cell: Cell, width: int) -> Network:
    return Network(functools.partial(Recurrent, cell=cell, width=width))


def claims(model: Network, cell: Cell) -> tuple:
    """What is claimed of a recurrent network with that cell."""
    row = jax.ShapeDtypeStruct((COLUMNS,), jnp.float32)
    rows = jax.ShapeDtypeStruct((3, COLUMNS), jnp.float32)

    def state_of(trained: Trained):
        def start():
            return model.apply(trained.variables, (), method="start")[0]

        return jax.eval_shape(start)

    def a_step_is_the_published_one(trained: Trained):
        """One step of the cell is the recurrence that was published for it, for all
        weights, states and rows."""

        def published(variables, state, row):
            params = {
                name.removeprefix("cell."): x for name, x in variables.params.items()
            }
            return tl.cut(cell.published(params, state, row))  # as `step` does

        @tl.claims.equals(published)
        @tl.claims.example(trained.shapes, state_of(trained), row)
        def step(variables, state, row):
            return model.apply(variables, state, row, method="step")[0]

        return step

    def rows_are_read_one_by_one(trained: Trained):
        """Three rows at once, by a scan, lead to the state that three steps lead to;
        so do two of them and then the third, for all weights, states and rows."""

        def steps(variables, state, rows):
            for row in rows:
                state = model.apply(variables, state, row, method="step")[0]
            return state, state

        @tl.claims.equals(steps)
        @tl.claims.example(trained.shapes, state_of(trained), rows)
        def scans(variables, state, rows):
            def after(state, rows):
                return model.apply(variables, state, rows, method="after")[0][0]

            return after(state, rows), after(after(state, rows[:2]), rows[2:])

        return scans

    def outputs_see_no_later_row(trained: Trained):
        """The output at row t depends on rows 0 to t, for all weights and rows."""

        @tl.claims.causal(axis=0, argnums=2)
        @tl.claims.example(trained.shapes, state_of(trained), rows)
        def outputs(variables, state, rows):
            return model.apply(variables, state, rows, method="after")[0][1]

        return outputs

    classifier = shared.Classifier(model.apply)
    return (
        a_step_is_the_published_one,
        rows_are_read_one_by_one,
        outputs_see_no_later_row,
        shared.deterministic(model),
        shared.apart(classifier),
        shared.differentiable(classifier),
    )
