"""`tl.spec`: properties of a model's outputs.

A spec is a positive boolean combination of strict linear inequalities on the outputs.
Here are the ways to write one and the normal form that the bounds, the attack and the
certificate read. Whether a spec holds on a set of inputs is the business of
`tl.verify`.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._rows import exact_rows
from torchlean_jax.domains._errors import InputError


@dataclass(frozen=True, eq=False)
class Formula:
    """A spec for outputs of known shapes; y is all of them, flattened, concatenated.

    tree: `{"all": [...]}`, `{"any": [...]}` or `{"rows": C, "offset": d}`, nested.
    rows, offset: the C and d of all leaves in order, float64[R, n] and float64[R].
    shape: the tree with row ranges instead of numbers: `("all" | "any", children)` or
        `("rows", start, stop)`. Hashable: equal shapes can share compiled code.
    """

    tree: dict
    rows: np.ndarray
    offset: np.ndarray
    shape: tuple

    def robustness(self, values: Sequence) -> Any:
        """The least over conjunctions, the greatest over disjunctions, of row values.

        Positive exactly where the formula holds. It grows with each of the values, so
        lower bounds of the rows give a lower bound, and upper bounds an upper bound.
        """
        return combine(self.shape, values, min, max)


def combine(shape: tuple, values: Any, least: Callable, greatest: Callable) -> Any:
    """`Formula.robustness` with the minimum and maximum to use (of `jnp`, say)."""
    kind, *rest = shape
    if kind == "rows":
        return least(values[rest[0] : rest[1]])
    parts = [combine(part, values, least, greatest) for part in rest[0]]
    return least(parts) if kind == "all" else greatest(parts)


class Spec:
    """A property of outputs. `a & b` and `a | b` combine two."""

    def formula(self, outputs: Sequence) -> Formula:
        """The normal form of the spec for output leaves of these shapes and dtypes.

        Raises InputError if the outputs are not floating or empty, or do not fit the
        spec.
        """
        _check_outputs(outputs)
        tree = self._tree(outputs)
        rows, offset = [], []
        shape = _shape_of(tree, rows, offset)
        return Formula(tree, np.concatenate(rows), np.concatenate(offset), shape)

    def _tree(self, outputs) -> dict:
        raise TypeError("use tl.spec.margin, linear, all_of or any_of")

    def __and__(self, other: "Spec") -> "Spec":
        return all_of(self, other)

    def __or__(self, other: "Spec") -> "Spec":
        return any_of(self, other)


@dataclass(frozen=True, repr=False)
class Margin(Spec):
    """Output `label` is greater than every other one."""

    label: int

    def _tree(self, outputs):
        count = outputs[0].shape[-1] if outputs[0].shape else 1
        if len(outputs) != 1 or math.prod(outputs[0].shape) != count:
            shapes = ", ".join(str(tuple(y.shape)) for y in outputs)
            raise InputError(
                "a margin compares the elements of one vector; the model returns "
                f"{shapes}. Verify a batch one box at a time, or write the property as "
                "linear(C, d)"
            )
        if count < 2:
            raise InputError(
                "a margin compares at least two outputs; the model returns one"
            )
        if self.label >= count:
            raise InputError(
                f"label {self.label} is out of range: the model has {count} outputs, "
                f"0 to {count - 1}"
            )
        others = np.delete(-np.eye(count), self.label, axis=0)
        others[:, self.label] = 1
        return {"rows": others, "offset": np.zeros(count - 1)}

    def __repr__(self):
        return f"margin(label={self.label})"


@dataclass(frozen=True, eq=False, repr=False)
class Linear(Spec):
    """Every row of `C @ y - d` is positive."""

    C: np.ndarray
    d: np.ndarray

    def _tree(self, outputs):
        width = sum(math.prod(y.shape) for y in outputs)
        if self.C.shape[1] != width:
            raise InputError(
                f"C has {self.C.shape[1]} columns; the model returns {width} numbers"
            )
        return {"rows": self.C, "offset": self.d}

    def __repr__(self):
        return f"linear(C={_brief(self.C)}, d={_brief(self.d)})"


@dataclass(frozen=True, repr=False)
class AllOf(Spec):
    """Each of `specs` holds."""

    specs: tuple[Spec, ...]

    def _tree(self, outputs):
        return {"all": [spec._tree(outputs) for spec in self.specs]}

    def __repr__(self):
        return f"all_of({', '.join(map(repr, self.specs))})"


@dataclass(frozen=True, repr=False)
class AnyOf(Spec):
    """At least one of `specs` holds, at each point perhaps another one."""

    specs: tuple[Spec, ...]

    def _tree(self, outputs):
        return {"any": [spec._tree(outputs) for spec in self.specs]}

    def __repr__(self):
        return f"any_of({', '.join(map(repr, self.specs))})"


def margin(label: Any) -> Spec:
    """Output number `label` exceeds every other output, strictly: the class is `label`.

    At a tie the spec does not hold. The model must return one vector.

    >>> margin(3)
    margin(label=3)
    """
    try:
        # bool is an int to Python, but `margin(True)` is a slip
        index = None if isinstance(label, (bool, np.bool_)) else operator.index(label)
    except (TypeError, jax.errors.JAXTypeError):
        index = None
    if index is None:
        given = type(label).__name__ if np.ndim(label) == 0 else "an array"
        raise InputError(
            f"a label is one integer, known now; got {given}. For a batch, verify one "
            "box at a time"
        )
    if index < 0:
        raise InputError(f"label {index} is out of range: labels count from 0")
    return Margin(index)


def linear(C: Any, d: Any = 0) -> Spec:
    """Every row of `C @ y - d` is positive, strictly.

    y: all outputs of the model, flattened and concatenated in the order of
    `jax.tree.leaves`. C: [R, n], or [n] for a single row. d: [R] or a scalar. Both are
    taken as the exact numbers they hold, and must be representable in float64, not
    subnormal there.

    >>> linear([1, -1], 0.5)
    linear(C=[[1.0, -1.0]], d=[0.5])
    """
    return Linear(*exact_rows(C, d, "C", "d"))


def all_of(*specs: Any) -> Spec:
    """Each of `specs` holds. Also written `a & b`."""
    return AllOf(_parts(specs, AllOf))


def any_of(*specs: Any) -> Spec:
    """At least one of `specs` holds at each point. Also written `a | b`.

    >>> margin(0) | margin(1) | linear([1.0, 1.0])
    any_of(margin(label=0), margin(label=1), linear(C=[[1.0, 1.0]], d=[0.0]))
    """
    return AnyOf(_parts(specs, AnyOf))


def always(C: Any, d: Any = 0, *, states: int) -> Spec:
    """Every row of `C @ x_t - d` is positive in each state x_t of a trajectory.

    The model returns the states along the leading axis of one array, as `tl.rollout`
    does: `steps + 1` of them. C: [R, n] for a flattened state, or [n]; d: [R] or a
    scalar; exact, as for `linear`.

    >>> always([1.0], states=3)  # x_0, x_1 and x_2 are positive
    all_of(linear(C=[[1.0, 0.0, 0.0]], d=[0.0]), linear(C=[[0.0, 1.0, 0.0]], d=[0.0]), \
linear(C=[[0.0, 0.0, 1.0]], d=[0.0]))
    """
    return all_of(*_in_each(C, d, states))


def eventually(C: Any, d: Any = 0, *, states: int) -> Spec:
    """Every row of `C @ x_t - d` is positive in one state x_t, of each trajectory
    perhaps another one. Otherwise as `always`; `always(...) & eventually(...)` is
    reach-avoid.

    >>> eventually([1.0], 0.5, states=2)
    any_of(linear(C=[[1.0, 0.0]], d=[0.5]), linear(C=[[0.0, 1.0]], d=[0.5]))
    """
    return any_of(*_in_each(C, d, states))


def _in_each(C, d, states):
    """The spec of one state, for each of them."""
    if isinstance(states, bool) or not isinstance(states, int) or states < 1:
        raise InputError(f"a trajectory has at least one state; got {states!r}")
    rows, offset = exact_rows(C, d, "C", "d")
    wide = np.kron(np.eye(states), rows).reshape(states, len(rows), -1)
    wide = wide + 0.0  # no zeros with a sign, which would be printed
    return [Linear(part, offset) for part in wide]


def _parts(specs, kind):
    """`specs` with nested ones of the same kind spliced in: chains stay flat."""
    if not specs:
        raise InputError("give at least one spec: an empty combination says nothing")
    for spec in specs:
        if not isinstance(spec, Spec):
            raise InputError(f"a spec is made by tl.spec; got {type(spec).__name__}")
    nested = [spec.specs if isinstance(spec, kind) else (spec,) for spec in specs]
    return tuple(spec for group in nested for spec in group)


def _check_outputs(outputs):
    if not outputs or sum(math.prod(y.shape) for y in outputs) == 0:
        raise InputError(
            "the model returns no numbers (an empty batch?); there is nothing to verify"
        )
    wrong = [str(y.dtype) for y in outputs if not jnp.issubdtype(y.dtype, jnp.floating)]
    if wrong:
        raise InputError(
            f"a spec speaks of floating outputs; the model returns {', '.join(wrong)}. "
            "Verify the scores from which it is computed"
        )


def _shape_of(tree, rows, offset):
    for kind in ("all", "any"):
        if kind in tree:
            return kind, tuple(_shape_of(part, rows, offset) for part in tree[kind])
    start = sum(map(len, offset))
    rows.append(tree["rows"])
    offset.append(tree["offset"])
    return "rows", start, start + len(tree["offset"])


def _brief(array):
    if array.size <= 16:
        return repr(array.tolist())
    return f"float64[{','.join(map(str, array.shape))}]"
