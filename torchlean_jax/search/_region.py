"""What the cells of a problem have in common: enclosures, and compiled programs.

Cells themselves, and what is done with them, are in `_cells`.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._constants import wide
from torchlean_jax._execution import traced_errors
from torchlean_jax._long_programs import options_of_search
from torchlean_jax._problem import DEFAULT_MEMORY, Task, is_set, problem_of
from torchlean_jax._snapshot import Snapshot
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.fp32 import ErrorModel
from torchlean_jax.interpreters._cells import Target, bound_cell, first_choices, forms
from torchlean_jax.interpreters._crown import crown, enclose
from torchlean_jax.interpreters._failing import where_it_fails
from torchlean_jax.interpreters._own_slopes import by_own_slopes
from torchlean_jax.interpreters._phases import (
    Bend,
    Whole,
    known_of,
    places_to_cut,
    whole,
)
from torchlean_jax.interpreters._splits import rank

_ITERATIONS = 20
_NARROWING = 12  # iterations
_CANDIDATES = 8
# Elements that are cut, in all: beyond, their own bounds are not followed, since what
# that would cost was not measured
MOST_FOLLOWED = 2048
# Cells with more elements of bends only if asked for: their memory was not measured
_MOST_BENDS = 2**14


class Region:
    """A model on its input sets: enclosures, and programs for cells of any rows.

    method: "crown", or "alpha-crown" for enclosures with slopes of their own; where
    ends of what is cut can be `settled` and a certificate is wanted (keeps), they wait
    for that, which has a word for them (is_unsettled). errors: of executions, if it is
    asked what these round on cells (`rounded`). Raises InputError if nothing inside the
    model can be cut.
    """

    def __init__(
        self,
        model: Snapshot,
        args: tuple,
        method: str,
        keeps=False,
        errors: ErrorModel | None = None,
    ):
        leaves, tree = jax.tree.flatten((args, {}), is_leaf=is_set)
        self.leaves, self.task = leaves, problem_of(model).at(leaves, tree)
        self.parts = _places(self.task, leaves)
        if not self.parts:
            raise InputError(
                "no value inside this model has phases to fix, as no bend comes after "
                "its inputs: cut these instead"
            )
        numbers = [part.operand for part in self.parts]
        sizes = [self.task.graph.avals[number].size for number in numbers]
        self.follows = sum(sizes) <= MOST_FOLLOWED
        self._followed = sum(sizes) if self.follows else 0
        only_switches = not any(isinstance(part, Bend) for part in self.parts)
        self.can_settle = self.follows and only_switches
        self.is_unsettled = keeps and self.can_settle and method == "alpha-crown"
        method = "crown" if self.is_unsettled else method
        graph = self.task.graph
        self.outputs = sum(graph.avals[number].size for number in graph.outputs)
        self.width = self.outputs + self._followed  # of rows of `bounded`, `ranked`
        key = "cells", tree, tuple(map(is_set, leaves))
        reaching = self.task.graph
        if self.follows:
            outputs = [*reaching.outputs, *numbers]
            reaching = dataclasses.replace(reaching, outputs=outputs)
        programs = functools.partial(_programs, self.task, reaching, self.parts)
        found = model.once(key, programs)
        self.bounded, self.ranked, self.first, self.forms, self.narrowed = found
        enclosed = functools.partial(_whole, self.task, self.parts, method)
        enclosed = model.once((*key, method), lambda: jax.jit(enclosed))
        with jax.enable_x64(True):
            given = [x if is_set(x) else wide(x) for x in leaves]
            self.shared = enclosed(self.task.wide_consts, given)
        self.rounded = None
        if errors is not None:
            rounding = functools.partial(_rounded, model, self.task, errors)
            options = options_of_search(model.trace.jaxpr, has_errors=True)
            rounding = model.once(
                (*key, errors), lambda: jax.jit(rounding, compiler_options=options)
            )
            given = [x.hull if isinstance(x, Ball) else x for x in leaves]
            self.rounded = functools.partial(rounding, given)

    def reaching(self, rows) -> np.ndarray:
        """Rows on the outputs as rows of `bounded` and `ranked`, which are on the
        outputs and on all that is cut, end to end, if it is little enough to be
        followed."""
        return np.pad(rows, ((0, 0), (0, self._followed)))


def has_phases(model: Snapshot, args: tuple) -> bool:
    """Whether a search would cut values inside the model on its input sets, unasked."""
    leaves, tree = jax.tree.flatten((args, {}), is_leaf=is_set)
    task = problem_of(model).at(leaves, tree)
    parts = _places(task, leaves)
    bends = [task.graph.avals[p.operand] for p in parts if isinstance(p, Bend)]
    return bool(parts) and sum(aval.size for aval in bends) <= _MOST_BENDS


def _places(task: Task, leaves):
    pairs = zip(task.graph.inputs, leaves, strict=True)
    return places_to_cut(task.graph, {number for number, leaf in pairs if is_set(leaf)})


def _whole(task: Task, parts, method, consts, leaves):
    sets, operands = {}, {}
    for number, leaf in zip(task.graph.inputs, leaves, strict=True):
        if is_set(leaf):
            sets[number] = leaf.lift(leaf) if hasattr(leaf, "lo") else leaf.lift()
        else:
            operands[number] = leaf
    refine = by_own_slopes(_ITERATIONS) if method == "alpha-crown" else crown
    options = {"memory": DEFAULT_MEMORY, "consts": consts, "refine": refine}
    return whole(enclose(task.graph, operands, sets, **options), parts)


def _rounded(model, task: Task, errors, given, shared: Whole, enclosures, phases, *_):
    """How far executions of the inputs of cells are from the reals, for all outputs."""

    def one(enclosures, phases):
        values = known_of(shared._replace(enclosures=enclosures), phases)
        found = traced_errors(model, task, values, given, errors)
        return jnp.concatenate([jnp.ravel(error) for error in found])

    return jax.vmap(one)(enclosures, phases)


def _programs(task: Task, reaching, parts):
    """The jitted functions that bound cells, rank their cuts (on many cells, each with
    rows of its own on the outputs of `reaching`), start an ascent and narrow
    enclosures."""
    graph, memory = task.graph, DEFAULT_MEMORY

    def bounded(shared, enclosures, phases, choices, rows, offset):
        def one(enclosures, phases, choices, rows, offset):
            shared_here = shared._replace(enclosures=enclosures)
            target = Target(phases, rows, offset)
            options = {"memory": memory, "iterations": _ITERATIONS}
            return bound_cell(reaching, shared_here, target, choices, **options)

        return jax.vmap(one)(enclosures, phases, choices, rows, offset)

    def ranked(shared, enclosures, phases, choices, rows, offset):
        def one(enclosures, phases, choices, rows, offset):
            shared_here = shared._replace(enclosures=enclosures)
            target = Target(phases, rows, offset)
            options = {"memory": memory, "candidates": _CANDIDATES}
            return rank(reaching, parts, shared_here, target, choices, **options)

        return jax.vmap(one)(enclosures, phases, choices, rows, offset)

    def first(shared, rows):
        return first_choices(graph, shared, memory, len(rows))

    def formed(shared, enclosures, phases, choices, rows, offset):
        shared = shared._replace(enclosures=enclosures)
        target = Target(phases, rows, offset)
        return forms(graph, shared, target, choices, memory=memory)

    def narrowed(shared, enclosures, phases, choices, rows, offset, scale):
        shared = shared._replace(enclosures=enclosures)
        target = Target(phases, rows, offset)
        options = {"memory": memory, "iterations": _NARROWING}
        return where_it_fails(graph, parts, shared, target, choices, scale, **options)

    return tuple(map(jax.jit, (bounded, ranked, first, formed, narrowed)))
