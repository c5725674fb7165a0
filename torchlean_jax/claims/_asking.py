"""How each claim is put to its verb, and what the verb's report means for it.

Every function here takes a `Given` and returns an Answer: the claim holds (True), a
witness shows that it does not (False), or neither was established (None).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import spec
from torchlean_jax._batch_invariant import batch_invariant as find_invariance
from torchlean_jax._bounds import bounds
from torchlean_jax._box import box
from torchlean_jax._depends import DependenceReport, depends
from torchlean_jax._equivalent import equivalent
from torchlean_jax._gradient_report import GradientCheck
from torchlean_jax._gradients import check_vjp
from torchlean_jax._verify import verify
from torchlean_jax.claims._given import Given
from torchlean_jax.domains._errors import DependenceError, InputError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import narrowed_ends


class Answer(NamedTuple):
    """What a verb said: its report, and why the claim holds or does not, in words."""

    holds: bool | None
    report: Any
    why: str


def equals(given: Given, reference, options) -> Answer:
    asked = equivalent(
        given.program, given.called(reference), **{"seed": given.seed} | options
    )
    report = asked(*given.args)
    return Answer(report.equal, report, str(report))


def causal(given: Given, axis, argnums, options) -> Answer:
    report = _dependence(given, argnums, {"in_axis": axis, "out_axis": axis} | options)
    return _asserted(report, report.assert_causal)


def batch_independent(given: Given, axis, argnums, options) -> Answer:
    report = _dependence(given, argnums, {"in_axis": axis, "out_axis": axis} | options)
    return _asserted(report, report.assert_batch_independent)


def independent_of(given: Given, argument, options) -> Answer:
    number = given.position(argument)
    report = _dependence(given, number, options)
    return _asserted(report, lambda: report.assert_independent_of(number))


def gradient(given: Given, options) -> Answer:
    report = check_vjp(given.program, **{"seed": given.seed} | options)(*given.numbers)
    return _of_gradients(given, report)


def derivative_of(given: Given, function, argnums, options) -> Answer:
    """`function` with the claiming one as its backward pass: its vjp is the claim."""
    args = given.numbers
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not all(0 <= number < len(args) for number in numbers):
        raise InputError(f"argnums={argnums}: the example has {len(args)} arguments")
    program, claimed = given.called(function), given.program

    def placed(moving):
        full = dict(enumerate(args)) | dict(zip(numbers, moving, strict=True))
        return [full[number] for number in range(len(args))]

    @jax.custom_vjp
    def ruled(*moving):
        return program(*placed(moving))

    def forward(*moving):
        return ruled(*moving), moving

    def backward(moving, cotangent):
        derivative = claimed(*placed(moving))
        whole = (derivative,) if isinstance(argnums, int) else tuple(derivative)
        return jax.tree.map(
            lambda x, d: _pulled_back(cotangent, jnp.asarray(d), x), moving, whole
        )

    ruled.defvjp(forward, backward)
    moving = tuple(args[number] for number in numbers)
    ruled.__dict__["__name__"] = getattr(function, "__name__", "the function")
    report = check_vjp(ruled, **{"seed": given.seed} | options)(*moving)
    return _of_gradients(given, report)


def batch_invariant(given: Given, argnums, in_axis, out_axis, options) -> Answer:
    asked = find_invariance(given.program, argnums, in_axis, out_axis, **options)
    report = asked(*given.numbers)
    return Answer(report.bitwise, report, str(report))


def bounded_by(given: Given, limits, inputs, argnums, options) -> Answer:
    """`verify` of a strict spec; a bound that is attained is left to `bounds`."""
    args = tuple(
        jax.tree.map(lambda leaf: _input_set(leaf, inputs), arg)
        if number == argnums
        else jax.tree.map(_concrete, arg)
        for number, arg in enumerate(given.args)
    )
    outputs = jax.tree.leaves(jax.eval_shape(given.program, *given.args))
    lower, upper = (_flat(limit, outputs) for limit in limits)
    options = {"seed": given.seed} | options
    verdict = verify(given.program, args, _between(lower, upper), **options)
    if verdict.status == "proved":
        return Answer(True, verdict, str(verdict))
    is_shown = verdict.status == "refuted" and verdict.margin < 0
    if not is_shown and options.get("semantics", "real") == "real":
        method = options.get("method", "crown")
        found = bounds(given.program, method=method)(*args)
        if _within(found, lower, upper):
            return Answer(True, found, "proved: bounds over the reals are within")
    if verdict.status == "refuted" and not is_shown:
        # It shows a point where the bound is attained, which the claim allows.
        verdict = verify(
            given.program, args, _between(_below(lower), -_below(-upper)), **options
        )
    if verdict.status == "refuted":
        at = shown(given, verdict.counterexample)
        return Answer(False, verdict, f"{verdict}\n  {at}")
    return Answer(None, verdict, str(verdict))


def shown(given: Given, args) -> str:
    """The arguments of a witness, for a reader."""
    parts = []
    for name, arg in zip(given.names, args, strict=True):
        for path, leaf in jax.tree_util.tree_flatten_with_path(arg)[0]:
            text = np.array2string(
                np.asarray(leaf), precision=8, separator=", ", threshold=16, edgeitems=2
            )
            parts.append(f"{name}{jax.tree_util.keystr(path)} = {text}")
    return "at " + "\n     ".join(", ".join(parts).splitlines())


def _dependence(given, argnums, options) -> DependenceReport:
    return depends(given.program, argnums, **options)(*given.args)


def _asserted(report: DependenceReport, assertion) -> Answer:
    try:
        assertion()
    except DependenceError as error:
        return Answer(False if error.witness else None, report, str(error))
    return Answer(True, report, "\n".join(_said(report)))


def _said(report: DependenceReport):
    yield "no such dependence, whatever the inputs are"
    yield from (f"  assuming {assumption}" for assumption in report.assumptions)


def _of_gradients(given: Given, report: GradientCheck) -> Answer:
    return Answer(report.ok, report, str(report))


def _pulled_back(cotangent, derivative, x):
    """The cotangent through a derivative that is a gradient, a Jacobian with the axes
    of the output first (`jax.jacrev`), or one number for each element."""
    if derivative.shape == cotangent.shape + x.shape:
        return jnp.tensordot(cotangent, derivative, cotangent.ndim).astype(x.dtype)
    if derivative.shape == cotangent.shape == x.shape:
        return (cotangent * derivative).astype(x.dtype)
    raise InputError(
        f"a derivative of {cotangent.shape} by {x.shape} has the shape "
        f"{cotangent.shape + x.shape}; this one has {derivative.shape}"
    )


def _input_set(leaf, inputs):
    """The box around an array, or between two corners, in the dtype of the leaf."""
    dtype = jnp.dtype(leaf.dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        return leaf
    if not isinstance(inputs, tuple):
        return box(_concrete(leaf), radius=inputs)
    lo, hi = (np.broadcast_to(np.asarray(x, np.float64), leaf.shape) for x in inputs)
    box(lo, hi)  # refuses corners that are no numbers, or the wrong way round
    return Interval(*narrowed_ends(lo, hi, dtype))


def _concrete(leaf):
    if isinstance(leaf, jax.ShapeDtypeStruct):
        raise InputError(
            f"the example gives {leaf.dtype}{list(leaf.shape)} by its shape only; "
            "bounds need its numbers, or the box that it ranges over"
        )
    return leaf


def _flat(limit, outputs) -> np.ndarray:
    limit = np.asarray(limit, np.float64)
    return np.concatenate([np.broadcast_to(limit, y.shape).ravel() for y in outputs])


def _between(lower, upper):
    """lower < y < upper, as a spec of the outputs; an infinite limit says nothing."""
    identity = np.eye(len(lower))
    below, above = np.isfinite(lower), np.isfinite(upper)
    rows = np.concatenate([identity[below], -identity[above]])
    return spec.linear(rows, np.concatenate([lower[below], -upper[above]]))


def _below(limit: np.ndarray) -> np.ndarray:
    """A little less: what is not above it is below the limit."""
    return limit - np.maximum(np.abs(limit) * 2.0**-50, 2.0**-500)


def _within(found, lower, upper) -> bool:
    leaves = jax.tree.leaves(found, is_leaf=lambda x: isinstance(x, Interval))
    lo = np.concatenate([np.asarray(y.lo, np.float64).ravel() for y in leaves])
    hi = np.concatenate([np.asarray(y.hi, np.float64).ravel() for y in leaves])
    return bool((lo >= lower).all() and (hi <= upper).all())
