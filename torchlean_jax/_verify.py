"""`verify`: does a property of the outputs hold for every input in a set?

The order of work is here: bounds first, then an attack, then the rigorous confirmation
of what it found. What the parts mean is in `spec`, `search` and `_bounds`.
"""

import dataclasses
import math
import operator
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import _bounds, _snapshot
from torchlean_jax._problem import is_set
from torchlean_jax._trace import as_function
from torchlean_jax._verdict import Verdict, at_least
from torchlean_jax.domains._errors import CertificateWriteError, InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.search import _attack, _confirm
from torchlean_jax.spec import Formula, Spec

_REAL = (
    "parameters and inputs are exactly the numbers they hold",
    "arithmetic is real: what rounding does to a floating-point run is not part of the "
    "claim",
)


def verify(
    model: Any,
    box: Any,
    spec: Any,
    *,
    method: str = "crown",
    semantics: str = "real",
    attack: Any = True,
    seed: int = 0,
    certificate: bool = True,
) -> Verdict:
    """Whether `spec` holds for every input in `box`: proved, refuted or unknown.

    "proved" rests on sound bounds (`method`); "refuted" on a counterexample inside the
    box at which the spec fails over the reals, by rigorous arithmetic; otherwise the
    answer is "unknown". Both are statements about real arithmetic on the exact
    parameters: a float32 run rounds, and may do otherwise near a margin of zero.

    Args:
      model: a function, flax nnx module, (linen module, variables) or equinox module.
        It is traced anew at each call, so parameters that changed since are seen; what
        was compiled is used again if the trace is the same.
      box: the model's argument, in which boxes (`tl.box`) stand for sets of inputs and
        arrays (as `jnp.asarray` makes them) for themselves; or a tuple of all its
        arguments: `verify(f, (params, box), spec)`. (An argument that is itself a
        tuple is written `((a, b),)`.)
      spec: from `tl.spec`.
      method: ibp, crown-ibp, crown or alpha-crown.
      semantics: the number system of the claim; "real".
      attack: False for none, or a `search.Attack` that says how hard to look.
      seed: of the attack, which is deterministic.
      certificate: whether to write one for "proved".

    Raises InputError for arguments that do not fit each other and MissingRuleError,
    listing every primitive of the model that `method` cannot bound. An unknown answer
    is not an error.

    >>> import torchlean_jax as tl
    >>> f = lambda x: jnp.stack([x[0] + x[1], x[0] - x[1]])
    >>> tl.verify(f, tl.box([0.0, 0.5], radius=0.25), tl.spec.margin(0)).status
    'proved'
    >>> print(tl.verify(f, tl.box([0.0, 0.0], radius=0.25), tl.spec.margin(0)).status)
    refuted
    """
    start = time.perf_counter()
    options = _attack_options(attack)
    _check_options(spec, semantics, seed)
    args = box if isinstance(box, tuple) else (box,)
    if any(isinstance(x, Ball) for x in jax.tree.leaves(args, is_leaf=is_set)):
        raise InputError("verify takes boxes; tl.bounds takes balls as well")
    args = jax.tree.map(_checked_leaf, args, is_leaf=Interval.is_value)
    _check_sets(args)
    current = _snapshot.snapshot(as_function(model), args, Interval.is_value)
    formula = spec.formula(current.trace.out_avals)
    found = _by_bounds(current, args, formula, method, certificate)
    if found["status"] != "proved" and options is not None:
        found |= _by_attack(current, args, formula, options, int(seed), found)
        if found["status"] == "refuted" and not isinstance(box, tuple):
            (found["counterexample"],) = found["counterexample"]
    return Verdict(
        **found,
        spec=spec,
        semantics=semantics,
        assumptions=_REAL,
        method=method,
        seconds=time.perf_counter() - start,
    )


def _by_bounds(current, args, formula: Formula, method, certificate) -> dict:
    lower, slopes = _bounds.row_bounds_and_slopes(
        current, args, formula.rows, formula.offset, _bounds.how(method)
    )
    lower = np.asarray(lower, np.float64)
    # a bound that is no number bounds nothing; NaN would also escape min and max
    lower = np.where(np.isnan(lower), -math.inf, lower)
    margin = float(formula.robustness(lower.tolist()))
    found = {
        "status": "proved" if margin > 0 else "unknown",
        "margin": margin,
        "tried": f"{method} bounds, margin at least {at_least(margin)}",
    }
    if margin > 0 and certificate:
        found |= _certificate(current, args, formula, method, slopes)
    return found


def _certificate(current, args, formula, method, slopes) -> dict:
    from torchlean_jax.certificate import _writer

    try:
        return {
            "certificate": _writer.certify(current, args, formula.tree, method, slopes)
        }
    except CertificateWriteError as error:
        return {"why_no_certificate": str(error)}


def _by_attack(current, args, formula, options, seed, found) -> dict:
    leaves, tree = jax.tree.flatten(args, is_leaf=Interval.is_value)
    where = tuple(i for i, leaf in enumerate(leaves) if Interval.is_value(leaf))
    proposals = _attack.propose(current, args, formula, options, seed)
    how = (
        "gradient attack" if proposals.used_gradient else "random search (no gradient)"
    )
    tried = f"{found['tried']}; {how}, {options}, seed {seed}: "
    inside = [p for p in proposals.points if _confirm.is_inside(leaves, p)]
    open_signs = 0
    for point in inside:
        real = _confirm.over_reals(current, point, where, formula)
        open_signs += real.undecided
        if not real.violated:
            continue
        x = [jnp.asarray(a) if i in where else a for i, a in enumerate(point)]
        x = jax.tree.unflatten(tree, x)
        return {
            "status": "refuted",
            "margin": _float_above(real.hi),
            "counterexample": x,
            "confirmed": {
                "real": f"by {real.how}",
                "runtime": _confirm.by_runtime(current, x, formula),
            },
            "tried": tried + "found it",
        }
    return {"tried": tried + _no_violation(proposals, len(inside), open_signs)}


def _no_violation(proposals, inside, open_signs):
    if not proposals.points:
        return "could not run this model on a batch of points"
    least = proposals.losses[0]
    said = f"no violation, smallest margin seen {least:.6g}"
    if least == math.inf:
        said = "the model returned no number at any point tried"
    if inside < len(proposals.points):
        said += f"; {len(proposals.points) - inside} proposals lay outside of the box"
    if open_signs:
        said += (
            f"; at {open_signs} of {inside} points its sign over the reals stayed open"
        )
    return said


def _float_above(value) -> float:
    """The float at or just above a rational that is at most zero."""
    near = float(value)
    return near if near >= value else math.nextafter(near, math.inf)


def _attack_options(attack):
    if isinstance(attack, _attack.Attack):
        return attack
    if not isinstance(attack, bool):
        raise InputError(
            f"attack is True, False or a search.Attack; got {type(attack).__name__}"
        )
    return _attack.Attack() if attack else None


def _check_options(spec, semantics, seed):
    if not isinstance(spec, Spec):
        raise InputError(f"a spec is made by tl.spec; got {type(spec).__name__}")
    if semantics != "real":
        raise InputError(
            f'semantics "{semantics}" does not exist; "real" does ("fp32" arrives with '
            "the number systems)"
        )
    try:
        valid = -(2**63) <= operator.index(seed) < 2**63
    except TypeError:
        valid = False
    if not valid:
        raise InputError(f"a seed is a 64-bit integer; got {seed!r}")


def _checked_leaf(leaf):
    """A leaf of the arguments; a box built without `tl.box` is checked as there."""
    if not Interval.is_value(leaf):
        return _fixed(leaf)
    if is_tracer(leaf.lo, leaf.hi):
        raise InputError(_TRACED)
    lo, hi = np.asarray(leaf.lo), np.asarray(leaf.hi)
    if (lo.shape, lo.dtype) != (hi.shape, hi.dtype):
        raise InputError(
            "the corners of a box have one shape and dtype; got "
            f"{lo.dtype}{list(lo.shape)} and {hi.dtype}{list(hi.shape)}"
        )
    if not jnp.issubdtype(lo.dtype, jnp.floating):
        raise InputError(f"a box holds real numbers; its corners have dtype {lo.dtype}")
    if jax.dtypes.canonicalize_dtype(lo.dtype) != lo.dtype:
        raise InputError(
            f"a {lo.dtype} box would be rounded on its way into the model; cast it, or "
            "enable 64-bit types (jax.enable_x64)"
        )
    if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
        raise InputError("a box needs finite corners")
    if not (lo <= hi).all():
        at = np.argwhere(~(lo <= hi))[0].tolist()
        raise InputError(
            f"a box needs lo <= hi; index {at} has {lo[tuple(at)]} > {hi[tuple(at)]}"
        )
    return dataclasses.replace(leaf, lo=jnp.asarray(lo), hi=jnp.asarray(hi))


def _fixed(leaf):
    """A fixed argument as the array that the model sees: 0.1 becomes float32(0.1).

    Left as it is, it would be another number, float64(0.1), where bounds are computed.
    """
    if is_tracer(leaf):
        raise InputError(_TRACED)
    return jnp.asarray(leaf) if isinstance(leaf, _NUMBERS) else leaf


_NUMBERS = (bool, int, float, complex, np.ndarray, np.generic)
_TRACED = (
    "verify answers for concrete inputs and runs its own compiled code; call it "
    "outside of jit, vmap and grad (inside them, use tl.bounds)"
)


def _check_sets(args):
    leaves = jax.tree.leaves(args, is_leaf=Interval.is_value)
    boxes = [leaf for leaf in leaves if Interval.is_value(leaf)]
    if not boxes:
        raise InputError(
            "none of the model's arguments is a box; use tl.box(lo, hi) or "
            "tl.box(x, radius=r) (radius 0 is a single point)"
        )
    if all(leaf.size == 0 for leaf in boxes):
        raise InputError(
            f"the box has shape {list(boxes[0].shape)}: it holds no numbers "
            "(an empty batch?)"
        )
