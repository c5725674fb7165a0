"""`check_vjp`, `check_jvp`: is what JAX returns the derivative of the function?"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._gradient_point import AtPoint, Question
from torchlean_jax._gradient_report import (
    GradientCheck,
    LeafCheck,
    leaf_names,
    verdict_of,
    worst,
)
from torchlean_jax._pure import pure_trace
from torchlean_jax._trace import as_function, aval_of
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.domains.real import Real
from torchlean_jax.equivalence._derivatives import equal_as_functions
from torchlean_jax.interpreters._derivative import Derivative, is_differentiable
from torchlean_jax.interpreters._jaxpr import open_jaxpr, subjaxprs
from torchlean_jax.interpreters._missing import require_rules


def check_vjp(f, *, points=2, seed=0, nodes=False, allow_stopped=False):
    """Whether what `jax.vjp` (and so `jax.grad`) returns is the derivative of `f`.

    `check_vjp(f)(*args)` pulls a random cotangent back through `f` and compares the
    result with a difference quotient of `f`, both over the reals: no derivative rule is
    taken for granted, neither JAX's nor those of a `custom_vjp` or `custom_jvp` in `f`.
    By the mean-value theorem the quotient is a derivative somewhere on a segment of
    length 2^-192, and the claim, evaluated on the ball of that segment, must enclose
    it: where the two do not meet, the claim is refuted. A wrong element of a Jacobian
    is missed with chance 2^-21 at most, over the directions that `seed` draws.

    It is checked at `args` and at points - 1 others close by (an element x moves by up
    to an eighth of |x|, or of the size of its array), since a wrong rule may be right
    where an argument is 0 or 1; the claim is about these points. All float leaves of
    the arguments count as inputs, others are held. Where `f` has a kink the claim has
    to lie in Clarke's subdifferential, as the pieces of `f` close by show it.

    Rational functions and exponentials are compared *as functions* too: J v comes from
    running `f` on dual numbers over finite fields, <y, J v> = <J' y, v> is tried at
    random points of them, and `.scope` is "as functions" where it holds there, with
    `.error_probability` as in `tl.equivalent`. Else it is "at points".

    nodes: also check each equation alone, `<y, J v> = <J' y, v>`: by composition this
    certifies the whole graph. allow_stopped: whether the derivative with everything
    behind `lax.stop_gradient` held fixed is as good.

    Returns a GradientCheck: `.ok` (True, False, or None where that stays open),
    `.leaves`, `.failures` with witnesses and the equation to blame, and a readable
    `str`. The check is about the mathematics of the rule; how far the gradient computed
    in floating point is from it is measured beside (`float_error` of a leaf).

    Raises InputError for functions without float inputs or outputs, for complex ones,
    where JAX cannot differentiate, under a transformation; MissingRuleError for
    primitives that `tl.Real` cannot pass. Needs the extra `real`.

    >>> import jax, jax.numpy as jnp, torchlean_jax as tl
    >>> report = tl.check_vjp(jax.nn.softmax)(jnp.arange(3.0))
    >>> report.ok, report.scope, report.error_probability < 1e-20
    (True, 'as functions', True)
    >>> @jax.custom_vjp
    ... def cube(x):
    ...     return x**3
    >>> cube.defvjp(lambda x: (x**3, x), lambda x, ct: (2 * x**2 * ct,))
    >>> report = tl.check_vjp(cube)(2.0)
    >>> report.ok, report.failures[0].entry
    (False, 'd output / d x is 12, claimed 8')
    """
    return _checked(f, "vjp", points, seed, nodes, allow_stopped)


def check_jvp(f, *, points=2, seed=0, nodes=False, allow_stopped=False):
    """Whether what `jax.jvp` (and so `jax.jacfwd`) returns is the derivative of `f`.

    The same as `check_vjp` for forward mode: a random tangent is pushed through `f`,
    and what comes out is compared with the difference quotient along that tangent. The
    floating-point error is the largest over the outputs, and stands at each leaf.

    Raises InputError also for a `custom_vjp`, which has no forward mode.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> tl.check_jvp(jnp.tanh)(jnp.ones(2)).ok
    True
    """
    return _checked(f, "jvp", points, seed, nodes, allow_stopped)


def _checked(f, mode, points, seed, nodes, allow_stopped):
    if not isinstance(points, int) or points < 1:
        raise InputError(f"points is a whole number from 1, got {points!r}")
    function = as_function(f)
    name = getattr(function, "__name__", type(function).__name__)
    allowed = ("stopped",) if allow_stopped else ()

    @functools.wraps(function, updated=())
    def checked(*args, **kwargs) -> GradientCheck:
        question, inputs = _question(function, args, kwargs, mode, name)
        rng = np.random.default_rng(seed)
        whole = equal_as_functions(
            question.derivative, question.others, seed, allow_stopped=allow_stopped
        )
        rows, skipped, first = [], [], AtPoint(question, inputs, rng)
        for number in range(points + _MORE):
            if number >= points and not _is_hidden(whole, rows):
                break
            at = AtPoint(question, _jittered(inputs, rng), rng) if number else first
            results = at.leaves()
            verdict = verdict_of([r.status for r in results], allowed)
            if verdict is None and number:
                status = worst([r.status for r in results])
                skipped.append(f"a point close by is left out: {status} there")
                continue
            rows.append(results)
            if verdict is False:
                break
        at = first if nodes else None
        return _report(question, mode, rows, skipped, at, allowed, whole)

    return checked


# Points that are tried beyond those asked for, where a fault is known to be somewhere.
_MORE = 4


def _is_hidden(whole, rows) -> bool:
    """Whether it is another function for certain, and all points say it agrees."""
    statuses = {result.status for row in rows for result in row}
    return whole.equal is False and statuses == {"agrees"}


def _report(question, mode, rows, skipped, at, allowed, whole) -> GradientCheck:
    columns = list(zip(*rows, strict=True))
    avals = question.derivative.inputs
    leaves = [
        _merged(name, aval.shape, column)
        for name, aval, column in zip(question.names, avals, columns, strict=True)
    ]
    failures = [next((r.failure for r in c if r.failure), None) for c in columns]
    nodes = tuple(at.nodes) if at else ()
    statuses = [leaf.status for leaf in leaves]
    statuses += ["wrong" for n in nodes if n.verdict in ("differs", "value")]
    statuses += ["undecided"] if _is_hidden(whole, rows) else []
    return GradientCheck(
        question.name,
        mode,
        verdict_of(statuses, allowed),
        tuple(leaves),
        tuple(f for f in failures if f and f.kind not in allowed),
        len(rows),
        whole,
        nodes,
        tuple(skipped),
    )


def _merged(name, shape, results) -> LeafCheck:
    """All points of a leaf: the worst of them."""
    status = worst([r.status for r in results])
    errors = [r.float_error for r in results if r.float_error is not None]
    notes = [r.note for r in results if r.note and r.status == status]
    digits = min([r.digits for r in results if r.status == "agrees"], default=0)
    largest = max(errors, default=None)
    return LeafCheck(name, shape, status, digits, largest, notes[0] if notes else "")


def _question(function, args, kwargs, mode, name) -> tuple[Question, list]:
    """What is asked, and the float arrays among the arguments."""
    leaves, tree = jax.tree.flatten((args, kwargs))
    if is_tracer(*leaves):
        raise InputError(f"check_{mode} runs on arrays, not under jit, vmap or grad")
    avals = [aval_of(x) for x in leaves]
    moving = [k for k, a in enumerate(avals) if is_differentiable(a)]
    rest = [k for k in range(len(leaves)) if k not in moving]
    _require_real(avals, moving, name)
    out_names: list[str] = []

    def arguments(floats, others):
        full = dict(zip((*moving, *rest), (*floats, *others), strict=True))
        return jax.tree.unflatten(tree, [full[k] for k in range(len(leaves))])

    def outputs(floats, others):
        args, kwargs = arguments(floats, others)
        found = jax.tree_util.tree_flatten_with_path(function(*args, **kwargs))[0]
        real = [(path, y) for path, y in found if is_differentiable(aval_of(y))]
        out_names[:] = [jax.tree_util.keystr(path) for path, _ in real]
        _require_real_outputs([y for _, y in found], name)
        return [jnp.asarray(y) for _, y in real]

    shapes = [[avals[k] for k in ks] for ks in (moving, rest)]
    derivative = _derivative(outputs, shapes, mode, name)
    names = leaf_names(function, args, kwargs)
    names, others = [names[k] for k in moving], [leaves[k] for k in rest]
    floats = [np.asarray(leaves[k]).astype(avals[k].dtype) for k in moving]
    return Question(name, derivative, names, out_names, others, arguments), floats


def _jittered(arrays, rng) -> list[np.ndarray]:
    """Each finite element moved by up to an eighth of its size."""
    moved = []
    for x in arrays:
        values = x.astype(np.float64)
        finite = np.isfinite(values)
        sizes = np.abs(np.where(finite, values, 0.0))
        typical = sizes.mean() if x.size and sizes.any() else 1.0
        step = np.where(sizes > 0, sizes, typical) * rng.uniform(-1, 1, x.shape) / 8
        moved.append(np.where(finite, values + step, values).astype(x.dtype))
    return moved


def _require_real(avals, moving, name):
    if any(jnp.issubdtype(a.dtype, jnp.complexfloating) for a in avals):
        raise InputError(
            f"`{name}` takes complex numbers; wrap it in a function of their real and "
            "imaginary parts"
        )
    if not any(avals[k].size for k in moving):
        given = ", ".join(str(a.dtype) for a in avals) or "no arguments"
        raise InputError(
            f"`{name}` has no float inputs to differentiate in ({given}); cast those "
            "that should move to a floating dtype"
        )


def _require_real_outputs(outputs, name):
    avals = [aval_of(y) for y in outputs]
    if any(jnp.issubdtype(a.dtype, jnp.complexfloating) for a in avals):
        raise InputError(
            f"`{name}` returns complex numbers; return their real and imaginary parts"
        )
    if not any(a.size for a in avals if is_differentiable(a)):
        raise InputError(f"`{name}` returns no floats: nothing to differentiate")


def _derivative(outputs, shapes, mode, name) -> Derivative:
    floats, others = shapes
    pure_trace(outputs, name, (floats, others), {}, lambda x: False)
    try:
        derivative = Derivative.of(outputs, floats, others, forward=mode == "jvp")
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"JAX cannot compute the {mode} of `{name}`: {error}"
        ) from error
    if _is_met(derivative.claim.jaxpr, "custom_lin"):
        raise InputError(
            f"JAX cannot compute the jvp of `{name}`: a custom_vjp in it has no "
            "forward mode; use check_vjp"
        )
    domain: Any = Real()
    for program in (derivative.function, derivative.claim):
        jaxpr = program.jaxpr
        floating = [jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in jaxpr.invars]
        require_rules(jaxpr, floating, domain, what=f"`{name}` and its {mode}")
    return derivative


def _is_met(jaxpr, primitive) -> bool:
    return any(
        eqn.primitive.name == primitive
        or any(_is_met(open_jaxpr(sub)[0], primitive) for sub in subjaxprs(eqn))
        for eqn in jaxpr.eqns
    )
