"""Residuals of networks as documents that `torchlean_check` re-derives.

Conditions on faces become claims of the same kind, on boxes that are flat: what is
claimed there is how far u, or a derivative of it, is from what is prescribed.
"""

from collections.abc import Callable
from fractions import Fraction

import jax

from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.science._documents import _accepted, _text
from torchlean_jax.science._pinn import ENOUGH, Certified, Condition, Problem
from torchlean_jax.science._program import written

_INSIDE, _FACE = 2, 6  # degrees of Taylor's remainders
_OFF_FACE = (
    "no certificate: {!r} is not a condition on a face, or on two that are parallel"
)


def residual_document(problem: Problem, u: Callable, found: Certified) -> bytes:
    """A certificate of the bounds of `found`, from `certify(problem, u)`.

    u: of exp, log, tanh, logistic, sin, cos, sums, products and quotients. The claims
    are the residual's bound and, for every condition, that of its misfit, or 1e-6 where
    it is less. What theory derives from them is not in the document.

    Raises CertificateWriteError if the checker does not follow or a condition is not on
    a face; MissingRuleError listing the primitives that have no step in its programs.
    """
    size = len(problem.lo)
    with jax.enable_x64(True):
        function = written(u, [(size,)])
        claims = [_residual(problem, found.bound)]
        for each in problem.conditions:
            bound = max(found.conditions[each.name].bound, ENOUGH)
            claims.append(_misfit(problem, each, bound))
    return _accepted({
        "format": "torchlean-residual", "version": 1, "size": size,
        "fields": problem.fields, "function": function, "claims": claims,
    })  # fmt: skip


def _residual(problem: Problem, bound: float) -> dict:
    size, zero = len(problem.lo), [Fraction(0)] * len(problem.lo)

    def equation(z):
        found = _values(problem, z[size:])
        return problem.residual(z[:size], dict(zip(problem.orders, found, strict=True)))

    box = [_exact(*ends) for ends in zip(problem.lo, problem.hi, strict=True)]
    return _claim(problem, box, problem.orders, [zero], equation, bound, _INSIDE)


def _misfit(problem: Problem, condition: Condition, bound: float) -> dict:
    size = len(problem.lo)
    axis, here = _face(condition, condition.point)
    shifts = [[Fraction(0)] * size]
    if condition.partner is not None:
        other, there = _face(condition, condition.partner)
        if other != axis:
            raise CertificateWriteError(_OFF_FACE.format(condition.name))
        shifts.append([b - a for a, b in zip(here, there, strict=True)])

    def off(z):
        value, *partner = _values(problem, z[size:])
        return value - sum(partner) - condition.target(z[axis])

    box = [(x, x) for x in here]
    box[axis] = _exact(condition.lo, condition.hi)
    return _claim(problem, box, [condition.order], shifts, off, bound, _FACE)


def _values(problem: Problem, z) -> list:
    """Of u and its derivatives, one after the other."""
    if problem.fields == 1:
        return [z[k] for k in range(len(z))]
    return list(z.reshape(-1, problem.fields))


def _exact(lo: float, hi: float) -> tuple[Fraction, Fraction]:
    return Fraction(float(lo)), Fraction(float(hi))


def _face(condition: Condition, point: Callable) -> tuple[int, list[Fraction]]:
    """The coordinate that s is, and the others, which must not depend on it."""
    entry = written(point, [()])
    axes, here = [], []
    for k, number in enumerate(entry["outputs"]):
        kind, constant, terms = entry["steps"][number - 1] if number else ("", "0", ())
        if number == 0:
            axes.append(k)
        elif kind != "linear" or terms:
            axes = []
            break
        here.append(Fraction(constant))
    if len(axes) != 1:
        raise CertificateWriteError(_OFF_FACE.format(condition.name))
    return axes[0], here


def _claim(problem, box, orders, shifts, equation, bound, degree) -> dict:
    """Of `equation(z)`, z the point and then the derivatives at every shift of it."""
    size = len(problem.lo)
    count = size + len(shifts) * len(orders) * problem.fields
    return {
        "orders": [[order.count(k) for k in range(size)] for order in orders],
        "shifts": [list(map(str, shift)) for shift in shifts],
        "equation": written(lambda z: equation(z).reshape(-1), [(count,)]),
        "box": _text(box), "bound": str(Fraction(bound)), "degree": degree,
    }  # fmt: skip
