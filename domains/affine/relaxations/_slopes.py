"""Where free slopes come from: a rule's own choice, or parameters to be optimised.

A smooth rule has two parameters per element, stacked as [2, *shape] (lower line, upper
line), each in [0, 1]: the share of the way from one end of the valid tangent points to
the other. `max`, `min`, `abs` and the like have one per element, the lower (for `min`
the upper) slope. Parameters where a line is a chord are ignored. `parameters(name)`
says how many there are.
"""

import jax.numpy as jnp

_COUNT = {}


def declare(count: int, *names: str) -> None:
    """Say that the rules of these primitives take `count` parameters per element."""
    _COUNT.update(dict.fromkeys(names, count))


def parameters(name: str) -> int:
    """How many parameters per element the rule of `name` takes: 0, 1 (shape of the
    result) or 2 (stacked in front)."""
    return _COUNT.get(name, 0)


def point_between(first, last, preferred, share):
    """The tangent point: nearest to `preferred`, or where the parameter `share` puts
    it."""
    if share is None:
        return jnp.clip(preferred, first, last)
    return first + jnp.clip(share, 0, 1) * (last - first)
