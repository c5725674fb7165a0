"""The attack of `verify`: points that may violate a spec, and their confirmation.

Where points come from is in `search`; what they are worth is decided here, rigorously.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from torchlean_jax import _execution
from torchlean_jax._problem import is_set
from torchlean_jax._question import Question
from torchlean_jax.search import _attack, _confirm, _inside


class Refuting:
    """Points tried against the formula of a question, over the reals or, with an error
    model, in an execution.

    inside, undecided: how many points lay in the sets, and at how many of them the
    sign of the robustness stayed open.
    """

    def __init__(self, asked: Question):
        self._leaves, self._tree = jax.tree.flatten(asked.args, is_leaf=is_set)
        self._places = tuple(i for i, x in enumerate(self._leaves) if is_set(x))
        self._where = asked.where
        confirm = _fails_over_reals if asked.errors is None else _fails_when_run
        self._fails: Callable = functools.partial(confirm, asked.model, asked.formula)
        self.inside = self.undecided = 0

    def try_points(self, points: list) -> dict | None:
        """What makes the verdict "refuted", by the first point that does, or None."""
        for point in points:
            if not _inside.is_inside(self._leaves, point, self._where):
                continue
            self.inside += 1
            x = [
                jnp.asarray(a) if i in self._places else a for i, a in enumerate(point)
            ]
            x = jax.tree.unflatten(self._tree, x)
            fails = self._fails(point, self._places, x)
            if isinstance(fails, dict):
                return {"status": "refuted", "counterexample": x, **fails}
            self.undecided += fails is None
        return None


def by_attack(asked: Question, options, seed) -> dict:
    """What the attack found, and `tried`: in words what it did."""
    proposals = _attack.propose(
        asked.model, asked.args, asked.formula, options, seed, asked.where
    )
    how = (
        "gradient attack" if proposals.used_gradient else "random search (no gradient)"
    )
    tried = f"{how}, {options}, seed {seed}: "
    refuting = Refuting(asked)
    found = refuting.try_points(proposals.points)
    if found is not None:
        return found | {"tried": tried + "found it"}
    return {"tried": tried + _no_violation(proposals, refuting)}


def _no_violation(proposals, refuting):
    if not proposals.points:
        return "could not run this model on a batch of points"
    inside, open_signs = refuting.inside, refuting.undecided
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


def _fails_over_reals(current, formula, point, places, x):
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


def _fails_when_run(current, formula, point, places, x):
    """The same of one execution; None if it returns something that is no number."""
    y = _execution.run(current, x)
    if y is None:
        return None
    value = formula.robustness(_confirm.row_values(formula, y))
    if value > 0:
        return False
    place = f"tl.faithful_jit on {jax.default_backend()}"
    return {"margin": _float_above(value), "confirmed": {"execution": f"by {place}"}}


def _float_above(value) -> float:
    """The float at or just above a rational that is at most zero."""
    near = float(value)
    return near if near >= value else math.nextafter(near, math.inf)
