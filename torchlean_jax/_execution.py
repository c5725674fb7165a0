"""Rows of a spec at what a machine returns, beside their values over the reals.

`semantics="fp32"` asks about every floating-point execution of a model. Its outputs
differ from the real ones by at most what the FP32 domain says (`float_error`), so a row
of the spec differs by at most that, weighted. What an error model assumes is said in
the verdict, and whether its figures were measured on the backend that is here.
"""

import dataclasses
from fractions import Fraction

import jax
import numpy as np

from torchlean_jax._constants import wide
from torchlean_jax._faithful import faithful_jit
from torchlean_jax._long_programs import unfused_options
from torchlean_jax._problem import How, Task, is_set, problem_of
from torchlean_jax._snapshot import Snapshot
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.fp32 import FP32, ErrorModel
from torchlean_jax.domains.fp32._result import narrowed
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters._eager import is_float
from torchlean_jax.interpreters._forward import walk_graph
from torchlean_jax.interpreters._missing import require_rules


def lowered_by_rounding(
    lower, current: Snapshot, args, rows, errors: ErrorModel, how: How
):
    """Lower bounds of rows over the reals, lowered to hold of every execution.

    lower: float64[R], for rows float64[R, n] over the flattened outputs; -inf where a
    run may overflow or return no number. how: the bound method that encloses values,
    which rounding is relative to. Raises MissingRuleError for a primitive whose
    executions are not known.
    """
    found = _output_errors(current, args, errors, how)
    return lowered_by(np.concatenate([np.ravel(e) for e in found]), lower, rows)


def _output_errors(current: Snapshot, args, errors: ErrorModel, how: How):
    """How far executions are from the reals, in float64 for each output; compiled once
    (zonotopes, which are compiled by pieces, give way to intervals)."""
    leaves, tree = jax.tree.flatten((args, {}), is_leaf=is_set)
    task = problem_of(current).at(leaves, tree)
    how = dataclasses.replace(how, method="ibp") if how.method == "zonotope" else how

    def program(consts, leaves, given):
        values = task.enclosed(how, consts, leaves).values
        return traced_errors(current, task, values, given, errors)

    key = "errors", errors, how, tree, tuple(map(is_set, leaves))
    compiled = current.once(
        key, lambda: jax.jit(program, compiler_options=unfused_options())
    )
    with jax.enable_x64(True):
        fixed = [leaf if is_set(leaf) else wide(leaf) for leaf in leaves]
        given = [leaf.hull if isinstance(leaf, Ball) else leaf for leaf in leaves]
        return [np.asarray(e) for e in compiled(task.wide_consts, fixed, given)]


def traced_errors(
    current: Snapshot, task: Task, values: dict, leaves, errors: ErrorModel
) -> list:
    """How far executions are from the reals, for each output: the bounds of
    `float_error`, where every result over the reals is also in `values`.

    values: enclosures of values of the graph, by number. leaves: of the arguments; a
    set is a box, or an FP32Value.
    """
    domain, graph = FP32(errors), task.plain_graph

    def is_lifted(x):
        return domain.is_value(x) or is_float(x)

    def lifted(x):
        return domain.lift(x) if is_lifted(x) else x

    def known(number, value):
        known = values.get(number)
        if known is None or not value.is_float:
            return value
        return narrowed(value, Interval.lift(known))

    name, abstract = f"`{current.__name__}`", list(map(is_lifted, leaves))
    require_rules(current.trace.jaxpr, abstract, domain, what=name)
    constants = {n: lifted(x) for n, x in graph.constants.items()}
    given = dict(zip(graph.inputs, map(lifted, leaves), strict=True))
    outputs = walk_graph(graph, constants | given, domain, known)
    return [domain.lift(y).error for y in outputs]


def lowered_by(error, lower, rows):
    """The same where the errors of the outputs are known: `error` float64[..., n], of
    parts of a region, for lower float64[..., R]."""
    terms = np.where(rows != 0, np.abs(rows) * error[..., None, :], 0.0)
    kind = np.finfo(np.float64)
    count = terms.shape[-1]
    # n products and n sums, each within one part in 2^53 and one subnormal
    slack = terms.sum(-1) * (1 + 4 * (count + 2) * kind.eps) + count * kind.tiny
    lowered = lower - slack
    lowered = np.nextafter(lowered, -np.inf)
    return np.where(np.isnan(lowered), -np.inf, lowered)


def run(model: Snapshot, args: tuple) -> list[Fraction] | None:
    """The outputs of one execution, flattened and exact; None if one is not finite."""
    compiled = model.once("faithful", lambda: faithful_jit(model))
    outputs = [np.ravel(y) for y in jax.tree.leaves(compiled(*args))]
    y = np.concatenate([np.asarray(y).astype(np.float64) for y in outputs])
    return [Fraction(float(v)) for v in y] if np.isfinite(y).all() else None


def assumptions(errors: ErrorModel) -> tuple[str, ...]:
    """What a claim about executions rests on, here."""
    unmeasured = errors.unmeasured()
    return (
        "parameters are exactly the numbers they hold, and the inputs those of the set "
        "that the model's dtype can hold",
        "each equation rounds once in its own dtype, in any order of summation, fused "
        f"or not, within the error model {errors.name!r} (tl.faithful_jit runs so, and "
        "a plain jit whose audit is clean)",
        *([unmeasured] if unmeasured else []),
    )
