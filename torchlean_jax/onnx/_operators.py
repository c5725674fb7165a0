"""The table of operators: name -> what it means in JAX, and which versions were read.

An operator's meaning is a function `rule(node, *arrays)`; here is what it gets to see
of the node, and how it says what it needs. The rules themselves are in the files named
after groups of operators.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import FileFormatError

MOST_ELEMENTS = 2**31  # of one tensor: XLA counts them in 32 bits
MOST_FOLDED = 2**24  # of one tensor that is computed while the file is translated


class UnsupportedError(Exception):
    """A use of a known operator that has no translation. Becomes a
    MissingOperatorError."""


@dataclass(frozen=True)
class Operator:
    """versions: the opset versions at which the operator changed, all of which the rule
        was written for.
    static: positions of inputs that must be known when the network is traced (shapes,
        axes); they arrive as NumPy arrays.
    fixed: positions of inputs that arrive as NumPy arrays whenever they are known.
    foldable: the rule also runs on NumPy (`node.xp`), so that shapes can be computed.
    """

    rule: Callable[..., Any]
    versions: tuple[int, ...]
    static: frozenset[int]
    fixed: frozenset[int]
    foldable: bool


TABLE: dict[str, Operator] = {}


def define(
    names: str, versions: dict[str, str] | str, *, static=(), fixed=(), foldable=False
):
    """Decorator: the rule of the operators in `names` (separated by spaces).

    versions: the opset versions, separated by spaces; or a dict from name to these.
    """

    def add(rule):
        for name in names.split():
            listed = versions if isinstance(versions, str) else versions[name]
            if name in TABLE:
                raise ValueError(f"a second rule for {name}")
            TABLE[name] = Operator(
                rule,
                tuple(map(int, listed.split())),
                frozenset(static),
                frozenset(fixed),
                foldable,
            )
        return rule

    return add


@dataclass
class Node:
    """One node as its rule sees it: attributes, and the version of its operator.

    Attributes that a rule does not ask for are an error afterwards: they would have
    changed the meaning. version: the opset at which this meaning of the operator began.
    xp: `jax.numpy`, or `numpy` while folding.
    """

    label: str
    op_type: str
    version: int
    attributes: dict[str, Any]
    outputs: int = 1
    xp: Any = jnp
    asked: set[str] = field(default_factory=set)

    def attribute(self, name: str, default: Any, kind: Any) -> Any:
        self.asked.add(name)
        value = self.attributes.get(name, default)
        if value is not default and not isinstance(value, kind):
            raise FileFormatError(f"attribute {name} has the wrong type")
        return value

    def ignore(self, *names: str) -> None:
        """These attributes say nothing about inference."""
        self.asked.update(names)

    def integer(self, name: str, default: int | None = None) -> Any:
        return self.attribute(name, default, int)

    def number(self, name: str, default: float | None = None) -> Any:
        """Defaults are rounded to 32 bits, as attributes in a file are."""
        if default is not None:
            default = float(np.float32(default))
        return self.attribute(name, default, float)

    def text(self, name: str, default: str | None = None) -> Any:
        return self.attribute(name, default, str)

    def integers(self, name: str, default: Any = None) -> Any:
        return self._listed(name, default, (int, float))

    def texts(self, name: str, default: Any = None) -> Any:
        return self._listed(name, default, str)

    def _listed(self, name: str, default: Any, kind: Any) -> Any:
        found = self.attribute(name, default, list)
        if found is not default and not all(isinstance(x, kind) for x in found):
            raise FileFormatError(f"attribute {name} has the wrong type")
        return found

    def unasked(self) -> list[str]:
        return sorted(set(self.attributes) - self.asked)

    def axis(self, axis: int, rank: int, *, extra: int = 0) -> int:
        """An axis counted from the front; `extra` more than the rank are allowed."""
        if not -rank <= axis < rank + extra:
            raise FileFormatError(f"axis {axis} of a tensor with {rank} axes")
        return axis + rank if axis < 0 else axis

    def axes(self, axes: Any, rank: int) -> tuple[int, ...]:
        found = tuple(self.axis(int(a), rank) for a in axes)
        if len(set(found)) < len(found):
            raise FileFormatError(f"an axis is named twice: {list(axes)}")
        return found

    def room(self, shape: Any) -> tuple[int, ...]:
        """`shape` as a tuple, refused before anyone allocates a tensor that large."""
        shape = tuple(map(int, shape))
        limit = MOST_FOLDED if self.xp is np else MOST_ELEMENTS
        if min(shape, default=0) < 0:
            raise FileFormatError(f"shape {list(shape)} has a negative size")
        count = 1
        for size in shape:
            count *= size
        if count > limit:
            raise FileFormatError(
                f"a tensor of shape {list(shape)}: {count} elements, more than {limit}"
            )
        return shape


def same_dtype(*arrays) -> None:
    """JAX would promote what ONNX forbids."""
    # what is known is still as wide as in the file
    found = {str(jax.dtypes.canonicalize_dtype(a.dtype)) for a in arrays}
    if len(found) > 1:
        raise FileFormatError(
            f"operands of different types: {', '.join(sorted(found))}"
        )


def is_floating(x) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def flag(node: Node, name: str, default: int) -> bool:
    return bool(node.integer(name, default))


def known_ints(array) -> list[int]:
    """The numbers of a static input."""
    return [int(n) for n in np.asarray(array).ravel()]
