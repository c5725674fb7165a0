"""The question that `verify` is asked: its parts, checked.

How it is answered is in `_verify`.
"""

import dataclasses
import hashlib
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax
from torchlean_jax import _snapshot
from torchlean_jax._halfspaces import Halfspaces
from torchlean_jax._problem import is_set
from torchlean_jax._trace import as_function
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.fp32 import ErrorModel
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.interpreters._reference import kernels_in
from torchlean_jax.spec import Formula, Spec


@dataclass(frozen=True, eq=False)
class Question:
    """Does `formula` hold of what `model` returns for all `args`?

    args: the arguments, in which sets stand for any of their points. where: constraints
    that these satisfy, or None. errors: the error model if the question is about
    floating-point executions; None if it is about the real numbers.
    """

    model: _snapshot.Snapshot
    args: tuple
    formula: Formula
    where: Halfspaces | None
    errors: ErrorModel | None

    @property
    def contracts(self) -> tuple[str, ...]:
        """What is assumed of the fused kernels that the model calls."""
        names = ", ".join(kernels_in(self.model.trace.jaxpr))
        if not names:
            return ()
        if self.errors is not None:
            return (f"runs compute the formulas of {names}, as on a CPU, not kernels",)
        return (f"fused kernels keep their contracts: {names} (torchlean kernels)",)

    def digest(self, *how: str) -> str:
        """A SHA-256 of the question and of `how` it is answered, in this version."""
        limits = () if self.where is None else (self.where.A, self.where.b)
        text = jax.tree.structure(self.args), self.formula.shape, self.errors, how
        found = hashlib.sha256(self.model.digest().encode())
        found.update(f"{torchlean_jax.__version__} {text}".encode())
        arrays = *jax.tree.leaves(self.args), self.formula.rows, self.formula.offset
        for array in (*arrays, *limits):
            _snapshot.add_array(found, array)
        return found.hexdigest()


def question(model, box, spec, semantics, where, errors) -> Question:
    """The question of the arguments of `verify`; InputError if they do not fit."""
    _check_options(spec, semantics, where, errors)
    errors = errors or ErrorModel.xla_cpu() if semantics == "fp32" else None
    args = box if isinstance(box, tuple) else (box,)
    args = jax.tree.map(_checked_leaf, args, is_leaf=is_set)
    _check_sets(args, where)
    current = _snapshot.snapshot(as_function(model), args, is_set)
    formula = spec.formula(current.trace.out_avals)
    return Question(current, args, formula, where, errors)


def _check_options(spec, semantics, where, errors):
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
