"""`verify`: does a property of the outputs hold for every input in a set?

The order of work is here: bounds first, then an attack, or a search by parts that does
both. What the question is made of is in `_question`, how points refute in `_refute`,
the search in `_parts`.
"""

import contextlib
import dataclasses
import math
import operator
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from torchlean_jax import _bounds, _execution
from torchlean_jax._certified import certified
from torchlean_jax._parts import Course, by_parts
from torchlean_jax._question import Question, question
from torchlean_jax._refute import by_attack
from torchlean_jax._verdict import Verdict, at_least
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.fp32 import ErrorModel
from torchlean_jax.search import Attack, Branching, Search
from torchlean_jax.search._executors import Executor
from torchlean_jax.search._hints import Hints, read_hints
from torchlean_jax.search._saved import Saved, Slot
from torchlean_jax.search._stop import on_signals

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
    split: Any = False,
    timeout: float | None = None,
    watch: Callable[[Search], None] | None = None,
    resume: str | os.PathLike | Slot | None = None,
    executor: Executor | None = None,
    hints: str | os.PathLike | Mapping | None = None,
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

    What one pass of bounds and the attack leave open, `split=True` or a `timeout` has
    decided by branch and bound: boxes are cut into parts until bounds prove each part
    or a counterexample turns up. That ends with an answer, given time, unless the
    margin is zero somewhere; it suits boxes of few elements that are not points.

    Args:
      model: a function, flax nnx module, (linen module, variables) or equinox module.
        It is traced anew at each call, so parameters that changed since are seen; what
        was compiled is used again if the trace is the same.
      box: the model's argument, in which boxes and balls (`tl.box`, `tl.ball`) stand
        for sets of inputs and arrays (as `jnp.asarray` makes them) for themselves; or
        a tuple of all its arguments: `verify(f, (params, box), spec)`. (An argument
        that is itself a tuple is written `((a, b),)`.)
      spec: from `tl.spec`.
      method: ibp, forward, zonotope, crown-ibp, crown or alpha-crown, as for
        `tl.bounds`.
      semantics: the number system of the claim; "real" or "fp32".
      attack: False for none, or a `search.Attack` that says how hard to look.
      seed: of the attack, which is deterministic.
      certificate: whether to write one for "proved". It is checked first; parts of a
        search that the checker does not derive are cut again. Without, a search may
        also trim boxes, narrow enclosures to where the spec would fail, or settle by
        small searches where inner values are, which takes fewer parts.
      where: from `tl.halfspaces`: only inputs that satisfy these constraints count. If
        none does, the answer is "proved", and the verdict says that it is vacuous.
      errors: with "fp32", what is assumed of operations: `ErrorModel.xla_cpu()`.
      split: whether to cut boxes into parts, True or a `search.Branching` with the
        options of the search. Not for alpha-crown and zonotope: the others bound parts;
        with `Branching(cut="phases")`, crown and alpha-crown do.
      timeout: seconds for the whole call, after which the answer is "unknown", with the
        best bound and the share of the set that is proved. It turns `split` on. (Where
        a proof leaves no time to have its certificate checked, and to cut the parts
        again that the checker bounds less well, there is none.) The
        clock is read between two batches of parts: the attack, a batch that has begun
        and the compilation of a model that was not met before (some seconds, for large
        networks up to a minute) are not interrupted, and count. JAX's compilation
        cache spares the last in later processes.
      watch: called with the `search.Search` after each batch of parts.
      resume: a file in which the search is kept, and from which it goes on if the file
        exists: to the same parts and the same answer, however often it is stopped. It
        turns `split` on; Ctrl-C (SIGINT) and SIGTERM then end the search between two
        batches, with the answer "unknown", and only a second one raises. (It may also
        be a `search.Slot`, the place of one search among several in a file, whose
        owner decides about signals.)
      executor: who bounds the parts: a `search.Processes`, `search.Devices` or
        `search.Ray`; by default this process on JAX's default device. It turns `split`
        on, and changes nothing about the answer.
      hints: cuts of the inputs (or of phases, if those are cut) and slopes of lower
        lines to begin with, as another verifier found them: a JSON file or what it
        holds, `{"format": "torchlean hints, version 1", "leaves": [[[input, "<=" or
        ">=", number], ...], ...], "slopes": [[0.5, ...], ...]}` (docs/searches.md).
        Cuts are made again and every part is bounded here, so wrong hints cost time and
        nothing else. Leaves turn `split` on.

    Raises InputError for arguments that do not fit each other and MissingRuleError,
    listing every primitive of the model that `method` cannot bound. With `resume`:
    InputError for the file of another problem, FileFormatError for a damaged one,
    SearchFileError where it cannot be read or written. An unknown answer is no error.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> f = lambda x: jnp.stack([x[0] + x[1], x[0] - x[1]])
    >>> tl.verify(f, tl.box([0.0, 0.5], radius=0.25), tl.spec.margin(0)).status
    'proved'
    >>> g = lambda x: x**4 - x**2 + 0.3
    >>> positive = tl.spec.linear([1.0])
    >>> tl.verify(g, tl.box(-1.0, 1.0), positive).status
    'unknown'
    >>> tl.verify(g, tl.box(-1.0, 1.0), positive, split=True, timeout=60).status
    'proved'
    >>> print(tl.verify(f, tl.box([0.0, 0.0], radius=0.25), tl.spec.margin(0)).status)
    refuted
    """
    start = time.perf_counter()
    options = _attack_options(attack)
    _check_seed(seed)
    hinted = Hints([]) if hints is None else read_hints(hints)
    if split is False and (resume is not None or executor is not None or hinted.leaves):
        split = True
    # what a trim cuts off is proved by forms of the whole part, which no leaf has
    course = _course(split, timeout, watch, start, trims=not certificate)
    _check_slopes(hinted, method, course)
    asked = question(model, box, spec, semantics, where, errors)
    if course is not None:
        course = dataclasses.replace(
            course, executor=executor, model=model, hints=hinted
        )
        found, proof = _by_parts(asked, method, course, resume, options, int(seed))
    else:
        found, proof = _by_bounds(asked, method, hinted.slopes)
        if found["status"] != "proved" and options is not None:
            tried = found["tried"]
            found |= by_attack(asked, options, int(seed))
            found["tried"] = f"{tried}; {found['tried']}"
    if found["status"] == "proved" and certificate:
        found |= certified(asked, proof, course)
    if found["status"] == "refuted" and not isinstance(box, tuple):
        (found["counterexample"],) = found["counterexample"]
    errors = asked.errors
    assumed = _REAL if errors is None else _execution.assumptions(errors)
    return Verdict(
        **found,
        spec=spec,
        semantics=semantics,
        assumptions=assumed + asked.contracts,
        method=method,
        seconds=time.perf_counter() - start,
    )


def _by_parts(asked: Question, method, course: Course, resume, attack, seed):
    if resume is None:
        return by_parts(asked, method, course, attack, seed)
    trims = "with trims" if course.trims else "without"  # which no certificate has
    problem = asked.digest(method, course.options.cut, trims)
    signals, slot = contextlib.nullcontext(), resume
    if not isinstance(slot, Slot):
        signals, slot = on_signals(), Saved(slot, problem).slot("search")
    # under a name that no other problem has, whoever keeps several in one file
    course = dataclasses.replace(course, slot=slot.under(problem))
    with signals:
        return by_parts(asked, method, course, attack, seed)


def _by_bounds(asked: Question, method, slopes) -> tuple[dict, dict]:
    """What one pass of bounds says, and what a certificate of it rests on."""
    formula = asked.formula
    how = _bounds.how(method)
    task = asked.model, asked.args, formula.rows, formula.offset, how
    if asked.where is None:
        lower, kept = _bounds.row_bounds_and_slopes(*task, slopes)
        proof = {"method": method, "slopes": kept}
    else:
        best = _bounds.constrained_row_bounds(*task, asked.where, slopes)
        lower, proof = best.lower, {"method": best.method, "slopes": best.slopes}
        proof |= {"where": asked.where, "multipliers": best.multipliers}
        if best.empty:
            return _VACUOUS, proof
    lower = np.asarray(lower, np.float64)
    # a bound that is no number bounds nothing; NaN would also escape min and max
    lower = np.where(np.isnan(lower), -math.inf, lower)
    if asked.errors is not None:
        lower = _execution.lowered_by_rounding(
            lower, asked.model, asked.args, formula.rows, asked.errors, how
        )
    margin = float(formula.robustness(lower.tolist()))
    found = {
        "status": "proved" if margin > 0 else "unknown",
        "margin": margin,
        "tried": f"{method} bounds, margin at least {at_least(margin)}",
    }
    return found, proof


_VACUOUS = {
    "status": "proved",
    "margin": math.inf,
    "vacuous": True,
    "tried": "the constraints contradict each other, by exact rational arithmetic",
}


def _course(split, timeout, watch, start, trims) -> Course | None:
    """How the search goes, or None for no search."""
    if not isinstance(split, bool | Branching):
        raise InputError(
            f"split is True, False or a search.Branching; got {type(split).__name__}"
        )
    if timeout is None and split is False:
        return None
    try:
        until = math.inf if timeout is None else start + float(timeout)
    except (TypeError, ValueError):
        until = math.nan
    if math.isnan(until) or until <= start:
        raise InputError(f"a timeout is a positive number of seconds; got {timeout!r}")
    options = split if isinstance(split, Branching) else Branching()
    return Course(options, until, watch, trims)


def _check_slopes(hints: Hints, method, course: Course | None):
    cut = None if course is None else course.options.cut
    if hints.slopes and not (cut == "phases" or (cut is None and method == _SLOPED)):
        raise InputError(
            f'slopes of hints are for method "{_SLOPED}" without a search, or for a '
            'search with split=search.Branching(cut="phases")'
        )


_SLOPED = "alpha-crown"


def _attack_options(attack):
    if isinstance(attack, Attack):
        return attack
    if not isinstance(attack, bool):
        raise InputError(
            f"attack is True, False or a search.Attack; got {type(attack).__name__}"
        )
    return Attack() if attack else None


def _check_seed(seed):
    try:
        valid = -(2**63) <= operator.index(seed) < 2**63
    except TypeError:
        valid = False
    if not valid:
        raise InputError(f"a seed is a 64-bit integer; got {seed!r}")
