"""Rows of a spec at what a machine returns, beside their values over the reals.

`semantics="fp32"` asks about every floating-point execution of a model. Its outputs
differ from the real ones by at most what the FP32 domain says (`float_error`), so a row
of the spec differs by at most that, weighted. What an error model assumes is said in
the verdict, and whether its figures were measured on the backend that is here.
"""

from fractions import Fraction

import jax
import numpy as np

from torchlean_jax._faithful import faithful_jit
from torchlean_jax._float_error import output_errors
from torchlean_jax._problem import is_set
from torchlean_jax._snapshot import Snapshot
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.fp32 import ErrorModel


def lowered_by_rounding(lower, current: Snapshot, args, rows, errors: ErrorModel):
    """Lower bounds of rows over the reals, lowered to hold of every execution.

    lower: float64[R], for rows float64[R, n] over the flattened outputs; -inf where a
    run may overflow or return no number. Raises MissingRuleError for a primitive whose
    executions are not known.
    """
    leaves = [
        leaf.hull if isinstance(leaf, Ball) else leaf
        for leaf in jax.tree.leaves(args, is_leaf=is_set)
    ]
    found = output_errors(current, leaves, errors)
    return lowered_by(np.concatenate([np.ravel(e) for e in found]), lower, rows)


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
