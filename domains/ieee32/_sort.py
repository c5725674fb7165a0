"""Rules for sorting: by integer keys, so that no comparison meets a float."""

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.ieee32._arithmetic import words
from torchlean_jax.domains.ieee32._kernels import _order
from torchlean_jax.domains.ieee32._rules import operation_rule
from torchlean_jax.domains.ieee32._value import FloatBits


@operation_rule("sort")
def _sort(domain, operation, *operands):
    """Ascending, -0 equal to +0, NaNs last; always stable, which the model may not have
    asked for."""
    params = operation.params
    values = [domain.lift(x) for x in operands]
    keys = [
        _order.sort_key(v.format, words(domain, v)) if domain.is_value(v) else v
        for v in values[: params["num_keys"]]
    ]
    leaves, tree = jax.tree.flatten(values)
    moved = lax.sort(
        (*keys, *leaves),
        dimension=params["dimension"],
        is_stable=True,
        num_keys=len(keys),
    )
    return jax.tree.unflatten(tree, moved[len(keys) :])


@operation_rule("top_k")
def _top_k(domain, operation, operand):
    """The largest, in descending order; equal ones in the order of their places.

    XLA ranks by the total order: NaNs without a sign above all, -0 below +0.
    """
    x = domain.lift(operand)
    keys = _order.key(x.format, x.bits.astype(jnp.uint32))
    _, places = operation(keys)
    axis = operation.params.get("dimension", operation.params.get("axis", -1))
    taken = jax.tree.map(lambda a: jnp.take_along_axis(a, places, axis), x)
    return [FloatBits(taken.bits, x.format, taken.flags), places]
