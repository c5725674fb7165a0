"""All states that a cart can be in after so many ticks, as boxes.

A policy that pushes to one of two sides jumps where it changes its mind. A box in which
that is open is followed both ways, so that no box has to cover the jump.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.zoo.ppo.cartpole import FORCE, moved

CHUNK = 4096  # boxes at a time


def within(radius: float, parts: int) -> tl.Interval:
    """The states within `radius` of rest, as boxes with `parts` to a side.

    >>> within(0.25, 2).lo[:2].tolist()
    [[-0.25, -0.25, -0.25, -0.25], [-0.25, -0.25, -0.25, 0.0]]
    """
    edges = np.linspace(-radius, radius, parts + 1, dtype=np.float32)
    index = np.stack(np.meshgrid(*[np.arange(parts)] * 4, indexing="ij"), -1)
    index = index.reshape(-1, 4)
    return tl.Interval(edges[index], edges[index + 1])  # pyright: ignore


def reached(
    margin: Callable, boxes: tl.Interval, ticks: int, most: int
) -> Iterator[tl.Interval]:
    """Boxes [count, 4] that contain every state after 1, 2, ... ticks.

    margin: of states; the cart is pushed to the right where it is positive. Over the
    reals; endpoints are rounded outward. Ends early, with those that it has, when
    there are more than `most`.
    """
    decided = tl.interpret(margin, domain=tl.Interval)
    pushed = [
        tl.interpret(lambda state, f=f: moved(state, f), domain=tl.Interval)
        for f in (FORCE, -FORCE)
    ]

    @jax.jit
    def tick(box):
        return decided(box), *(push(box) for push in pushed)

    for _ in range(ticks):
        count = len(boxes.lo)
        found = [tick(chunk) for chunk in _chunks(boxes)]
        side, *after = jax.tree.map(
            lambda *parts, n=count: np.concatenate(parts)[:n], *found
        )
        right, left = side.hi > 0, side.lo <= 0
        # where nothing is known of the margin, a comparison with NaN would lose a box
        assert (right | left).all()
        to_right, to_left = after
        ends = (
            np.concatenate([getattr(to_right, end)[right], getattr(to_left, end)[left]])
            for end in ("lo", "hi")
        )
        boxes = tl.Interval(*ends)  # pyright: ignore
        yield boxes
        if len(boxes.lo) > most:
            return


def _chunks(boxes):
    """Parts of one size, the last filled up with copies of its own first box."""
    for start in range(0, len(boxes.lo), CHUNK):
        part = jax.tree.map(lambda x, n=start: x[n : n + CHUNK], boxes)
        fill = CHUNK - len(part.lo)
        yield jax.tree.map(
            lambda x, n=fill: jnp.concatenate([x, np.repeat(x[:1], n, 0)]), part
        )
