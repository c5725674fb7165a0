"""Input sets around a centre in the L1 or L2 norm.

A linear form A . x over {x : |x - c|_p <= r} is least at A . c - r |A|_q, q the dual
norm of p (Hoelder). Nonlinear steps see the box around the ball.
"""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._exact import exact_cast, working_dtype
from torchlean_jax.domains.interval._functions import sqrt_bounds
from torchlean_jax.domains.interval._rounding import round_down, round_up


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True)
class Ball:
    """All points within `radius` of `center` in the norm `norm` (1 or 2).

    center: an array of the model's dtype; radius: a scalar of that dtype. `tl.ball`
    checks.
    """

    center: Array
    radius: Array
    norm: int = field(default=2, metadata={"static": True})

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.shape(self.center)

    @property
    def dtype(self):
        return jnp.result_type(self.center)

    @property
    def hull(self) -> Interval:
        """The smallest box around the ball, rounded outward."""
        return Interval(
            round_down(self.center - self.radius), round_up(self.center + self.radius)
        )

    def lift(self) -> "Ball":
        """The same ball at working precision."""
        dtype = working_dtype()
        center = jnp.asarray(exact_cast(self.center, dtype))
        radius = jnp.asarray(exact_cast(self.radius, dtype))
        # what hardware reads as 0 of the center is as much as it could move
        tiny = float(jnp.finfo(dtype).smallest_normal)
        center = jnp.where(jnp.abs(center) < tiny, 0, center)
        return Ball(center, round_up(radius + 2 * center.size * tiny), self.norm)


def minimum_over_ball(rows, ball: Ball):
    """(lower bound of rows . x over x in the ball, what flushing may take from it)."""
    flat, center = rows.reshape(rows.shape[0], -1), ball.center.reshape(-1)
    count, kind = flat.shape[1], jnp.finfo(flat.dtype)
    slack = gamma(count + 16, flat.dtype)
    tiny = float(kind.smallest_normal)
    lost = (jnp.abs(flat) * jnp.abs(center)).sum(-1) * (2 * slack * (1 + 4 * slack))
    dual = _largest(flat) if ball.norm == 1 else _euclidean(flat, slack, tiny)
    reach = round_up(round_up(ball.radius * dual) + round_up(lost, ulps=4))
    bound = round_down((flat * center).sum(-1) - reach)
    return bound, jnp.full_like(bound, 8 * count * tiny)


def _largest(flat):
    return jnp.max(jnp.abs(flat), axis=-1, initial=0)


def _euclidean(flat, slack, tiny):
    """An upper bound of the L2 norm of each row, scaled so that no square underflows
    without being paid for."""
    size = _largest(flat)
    scale = jnp.where(size > 0, size, 1)
    squares = ((flat / scale[:, None]) ** 2).sum(-1)
    squares = round_up(squares * (1 + 2 * slack) + 4 * flat.shape[1] * tiny, ulps=2)
    return round_up(size * sqrt_bounds(squares)[1])
