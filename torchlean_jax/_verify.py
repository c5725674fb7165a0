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

from torchlean_jax import _bounds, _execution, _snapshot
from torchlean_jax._halfspaces import Halfspaces
from torchlean_jax._problem import is_set
from torchlean_jax._trace import as_function
from torchlean_jax._verdict import Verdict, at_least
from torchlean_jax.domains._errors import CertificateWriteError, InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.fp32 import ErrorModel
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.search import _attack, _confirm, _inside
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
    where: Any = None,
    errors: ErrorModel | None = None,
) -> Verdict:
    """Whether `spec` holds for every input in `box`: proved, refuted or unknown.

    "proved" rests on sound bounds (`method`); "refuted" on a counterexample inside the
    set at which the spec fails over the reals, by rigorous arithmetic; otherwise the
    answer is "unknown". Both are statements about real arithmetic on the exact
    parameters: a float32 run rounds, and may do otherwise near a margin of zero.

    With `semantics="fp32"` both speak of floating-point executions instead. "proved":
    the spec holds of what *every* execution returns, in any order of summation, within
    the error model `errors`; the real bound is lowered by what `tl.float_error` says.
    "refuted": there is an input in the set at which one execution, that of
    `tl.faithful_jit`, violates it.

    Args:
      model: a function, flax nnx module, (linen module, variables) or equinox module.
        It is traced anew at each call, so parameters that changed since are seen; what
        was compiled is used again if the trace is the same.
      box: the model's argument, in which boxes and balls (`tl.box`, `tl.ball`) stand
        for sets of inputs and arrays (as `jnp.asarray` makes them) for themselves; or
        a tuple of all its arguments: `verify(f, (params, box), spec)`. (An argument
        that is itself a tuple is written `((a, b),)`.)
      spec: from `tl.spec`.
      method: ibp, forward, crown-ibp, crown or alpha-crown, as for `tl.bounds`.
      semantics: the number system of the claim; "real" or "fp32".
      attack: False for none, or a `search.Attack` that says how hard to look.
      seed: of the attack, which is deterministic.
      certificate: whether to write one for "proved".
      where: from `tl.halfspaces`: only inputs that satisfy these constraints count. If
        none does, the answer is "proved", and the verdict says that it is vacuous.
      errors: with "fp32", what is assumed of operations: `ErrorModel.xla_cpu()`.

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
    _check_options(spec, semantics, seed, where, errors)
    errors = errors or ErrorModel.xla_cpu() if semantics == "fp32" else None
    args = box if isinstance(box, tuple) else (box,)
    args = jax.tree.map(_checked_leaf, args, is_leaf=is_set)
    _check_sets(args, where)
    current = _snapshot.snapshot(as_function(model), args, is_set)
    formula = spec.formula(current.trace.out_avals)
    found = _by_bounds(current, args, formula, method, certificate, where, errors)
    if found["status"] != "proved" and options is not None:
        confirm = _fails_over_reals if errors is None else _fails_when_run
        found |= _by_attack(
            current, args, formula, options, int(seed), found, where, confirm
        )
        if found["status"] == "refuted" and not isinstance(box, tuple):
            (found["counterexample"],) = found["counterexample"]
    return Verdict(
        **found,
        spec=spec,
        semantics=semantics,
        assumptions=_REAL if errors is None else _execution.assumptions(errors),
        method=method,
        seconds=time.perf_counter() - start,
    )


def _by_bounds(
    current, args, formula: Formula, method, certificate, where, errors
) -> dict:
    task = current, args, formula.rows, formula.offset, _bounds.how(method)
    if where is None:
        lower, slopes = _bounds.row_bounds_and_slopes(*task)
        proof = {"method": method, "slopes": slopes}
    else:
        best = _bounds.constrained_row_bounds(*task, where)
        lower, proof = best.lower, {"method": best.method, "slopes": best.slopes}
        proof |= {"where": where, "multipliers": best.multipliers}
        if best.empty:
            # about executions there is no certificate, not even of an empty claim
            asked = certificate and errors is None
            return _vacuous(current, args, formula, proof, asked)
    lower = np.asarray(lower, np.float64)
    # a bound that is no number bounds nothing; NaN would also escape min and max
    lower = np.where(np.isnan(lower), -math.inf, lower)
    if errors is not None:
        lower = _execution.lowered_by_rounding(
            lower, current, args, formula.rows, errors
        )
    margin = float(formula.robustness(lower.tolist()))
    found = {
        "status": "proved" if margin > 0 else "unknown",
        "margin": margin,
        "tried": f"{method} bounds, margin at least {at_least(margin)}",
    }
    if margin > 0 and certificate and errors is not None:
        found["why_no_certificate"] = (
            "the checker cannot re-derive rounding errors of executions; "
            'semantics="real" has a certificate'
        )
    elif margin > 0 and certificate:
        found |= _certificate(current, args, formula, proof)
    return found


def _vacuous(current, args, formula, proof, certificate) -> dict:
    found = {
        "status": "proved",
        "margin": math.inf,
        "vacuous": True,
        "tried": "the constraints contradict each other, by exact rational arithmetic",
    }
    if certificate:
        found |= _certificate(current, args, formula, proof)
    return found


def _certificate(current, args, formula, proof) -> dict:
    from torchlean_jax.certificate import _writer

    try:
        return {"certificate": _writer.certify(current, args, formula.tree, **proof)}
    except CertificateWriteError as error:
        return {"why_no_certificate": str(error)}


def _by_attack(current, args, formula, options, seed, found, where, confirm) -> dict:
    leaves, tree = jax.tree.flatten(args, is_leaf=is_set)
    places = tuple(i for i, leaf in enumerate(leaves) if is_set(leaf))
    proposals = _attack.propose(current, args, formula, options, seed, where)
    how = (
        "gradient attack" if proposals.used_gradient else "random search (no gradient)"
    )
    tried = f"{found['tried']}; {how}, {options}, seed {seed}: "
    inside = [p for p in proposals.points if _inside.is_inside(leaves, p, where)]
    open_signs = 0
    for point in inside:
        x = [jnp.asarray(a) if i in places else a for i, a in enumerate(point)]
        x = jax.tree.unflatten(tree, x)
        fails = confirm(current, point, places, x, formula)
        if isinstance(fails, dict):
            found = {"status": "refuted", "counterexample": x, **fails}
            return found | {"tried": tried + "found it"}
        open_signs += fails is None
    return {"tried": tried + _no_violation(proposals, len(inside), open_signs)}


def _fails_over_reals(current, point, places, x, formula):
    """The evidence that the spec fails at a point; False if it holds, None if that
    stays open."""
    real = _confirm.over_reals(current, point, places, formula)
    if not real.violated:
        return None if real.undecided else False
    return {
        "margin": _float_above(real.hi),
        "confirmed": {
            "real": f"by {real.how}",
            "runtime": _confirm.by_runtime(current, x, formula),
        },
    }


def _fails_when_run(current, point, places, x, formula):
    """The same of one execution; None if it returns something that is no number."""
    y = _execution.run(current, x)
    if y is None:
        return None
    value = formula.robustness(_confirm.row_values(formula, y))
    if value > 0:
        return False
    place = f"tl.faithful_jit on {jax.default_backend()}"
    return {"margin": _float_above(value), "confirmed": {"execution": f"by {place}"}}


def _no_violation(proposals, inside, open_signs):
    if not proposals.points:
        return "could not run this model on a batch of points"
    least = proposals.losses[0]
    said = f"no violation, smallest margin seen {least:.6g}"
    if least == math.inf:
        said = "the model returned no number at any point tried"
    if inside < len(proposals.points):
        said += f"; {len(proposals.points) - inside} proposals lay outside of the set"
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


def _check_options(spec, semantics, seed, where, errors):
    if where is not None and not isinstance(where, Halfspaces):
        raise InputError(
            f"constraints are made by tl.halfspaces; got {type(where).__name__}"
        )
    if not isinstance(spec, Spec):
        raise InputError(f"a spec is made by tl.spec; got {type(spec).__name__}")
    if semantics not in ("real", "fp32"):
        raise InputError(
            f'semantics "{semantics}" does not exist; "real" and "fp32" do'
        )
    if errors is not None and semantics != "fp32":
        raise InputError('an error model is for semantics="fp32"')
    try:
        valid = -(2**63) <= operator.index(seed) < 2**63
    except TypeError:
        valid = False
    if not valid:
        raise InputError(f"a seed is a 64-bit integer; got {seed!r}")


def _checked_leaf(leaf):
    """A leaf of the arguments; a set built by hand is checked as `tl.box` would."""
    if isinstance(leaf, Ball):
        return _checked_ball(leaf)
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
    _check_dtype(lo.dtype, "box")
    if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
        raise InputError("a box needs finite corners")
    if not (lo <= hi).all():
        at = np.argwhere(~(lo <= hi))[0].tolist()
        raise InputError(
            f"a box needs lo <= hi; index {at} has {lo[tuple(at)]} > {hi[tuple(at)]}"
        )
    return dataclasses.replace(leaf, lo=jnp.asarray(lo), hi=jnp.asarray(hi))


def _checked_ball(ball):
    if is_tracer(ball.center, ball.radius):
        raise InputError(_TRACED)
    center, radius = np.asarray(ball.center), np.asarray(ball.radius)
    _check_dtype(center.dtype, "ball")
    if ball.norm not in (1, 2):
        raise InputError(f"norm {ball.norm!r}: balls have norm 1 or 2; use tl.box")
    if radius.shape != () or radius.dtype != center.dtype:
        raise InputError(
            f"a ball's radius is one number of its centre's dtype, {center.dtype}; got "
            f"{radius.dtype}{list(radius.shape)}"
        )
    if not (np.isfinite(center).all() and 0 <= radius < math.inf):
        raise InputError("a ball needs a finite centre and a finite radius, 0 or more")
    return Ball(jnp.asarray(center), jnp.asarray(radius), ball.norm)


def _check_dtype(dtype, noun):
    if not jnp.issubdtype(dtype, jnp.floating):
        raise InputError(f"a {noun} holds real numbers; this one has dtype {dtype}")
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise InputError(
            f"a {dtype} {noun} would be rounded on its way into the model; cast it, or "
            "enable 64-bit types (jax.enable_x64)"
        )


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


def _check_sets(args, where):
    sets = [leaf for leaf in jax.tree.leaves(args, is_leaf=is_set) if is_set(leaf)]
    if not sets:
        raise InputError(
            "none of the model's arguments is a box or a ball; use tl.box(lo, hi), "
            "tl.box(x, radius=r) (radius 0 is a single point) or tl.ball(x, r)"
        )
    if all(math.prod(leaf.shape) == 0 for leaf in sets):
        raise InputError(
            f"the box has shape {list(sets[0].shape)}: it holds no numbers "
            "(an empty batch?)"
        )
    if where is not None:
        where.parts([leaf.shape for leaf in sets])
