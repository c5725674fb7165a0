"""Which node of a program is the first that is not finite at some arguments."""

import jax.numpy as jnp

from torchlean_jax._inspect import Node, inspect
from torchlean_jax.domains._errors import TorchLeanError


class NonFiniteError(TorchLeanError, ArithmeticError):
    """A training whose loss or gradient is no longer finite.

    step: the update that was refused; node: the first that became infinite or NaN.
    """

    def __init__(self, message: str, step: int, node: Node | None):
        super().__init__(message)
        self.step, self.node = step, node


def first_non_finite(function, *args) -> Node | None:
    """The first node that is not finite although what it is computed from is.

    An infinity that the program was given, as masks are, is no fault, nor is what it
    makes of one; a NaN made of no NaN is. None if there is no such node.

    >>> first_non_finite(lambda x: 1 / jnp.log(x), jnp.ones(2)).primitive
    'div'
    """
    report = inspect(function)(*args)
    nan, finite = {}, {}
    for node in report:
        value = node.value
        is_float = jnp.issubdtype(node.dtype, jnp.floating)
        nan[node.id] = is_float and bool(jnp.isnan(value).any())
        finite[node.id] = not is_float or bool(jnp.isfinite(value).all())
        if not node.inputs:
            continue
        makes_nan = nan[node.id] and not any(nan.get(i, False) for i in node.inputs)
        from_finite = all(finite.get(i, True) for i in node.inputs)
        if makes_nan or (not finite[node.id] and from_finite):
            return node
    return None


def described(node: Node | None) -> str:
    if node is None:
        return "no single node is the first: evaluated one by one, all are finite"
    where = f" at {node.place}: {node.source[2]}" if node.source else ""
    shape = ",".join(map(str, node.shape))
    name = f"node {node.id}, `{node.primitive}` {node.dtype}[{shape}]"
    return f"first not finite: {name}{where}"
