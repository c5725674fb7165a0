"""What is claimed of the policy: how it was trained, and that it is safe."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._policy_gradient import (
    CLIP,
    advantages,
    rows_are_independent,
    surrogate,
)
from torchlean_jax.zoo.ppo.cartpole import CONSTANTS, WIDEST, accelerations, moved
from torchlean_jax.zoo.ppo.model import NETWORK
from torchlean_jax.zoo.ppo.reach import reached, within

TICKS, RADIUS, ANGLE = 15, 1 / 64, 0.2  # of the trajectories that are proved safe
PARTS, MOST = 8, 200_000  # of each side at the start, and boxes in all


def advantages_are_their_definition(trained: Trained):
    """The advantage at t is the sum over k of (discount decay)^k times the k-th error
    after t, up to the end of its episode: for all errors, ends, discounts, decays."""
    time = 5
    numbers = jax.ShapeDtypeStruct((time,), jnp.float32)
    one = jax.ShapeDtypeStruct((), jnp.float32)

    def definition(errors, alive, discount, decay):
        def of(t):
            total = 0.0
            for k in range(time - t):
                weight = (discount * decay) ** k * errors[t + k]
                for j in range(t, t + k):
                    weight *= alive[j]
                total += weight
            return total

        return jnp.stack([of(t) for t in range(time)])

    asked = tl.claims.example(numbers, numbers, one, one)(_named(advantages))
    return tl.claims.equals(definition)(asked)


def dynamics_are_lagranges(trained: Trained):
    """The accelerations are those that solve the two equations of motion of cart and
    pole, by Cramer's rule, for all states and forces."""
    gravity, cart, pole, length = exactly = tuple(map(jnp.float32, CONSTANTS))

    def cramers(state, force):
        cos, sin = jnp.cos(state[2]), jnp.sin(state[2])
        # (cart + pole) place'' + pole length cos angle'' = pushed
        # 3 cos place'' + 4 length angle'' = fallen
        pushed = force + pole * length * state[3] ** 2 * sin
        fallen = 3 * gravity * sin
        mass = cart + pole
        area = 4 * length * mass - 3 * cos * pole * length * cos
        place = 4 * length * pushed - pole * length * cos * fallen
        return place / area, (mass * fallen - 3 * cos * pushed) / area

    @tl.claims.equals(cramers)
    @tl.claims.example("f32[4]", "f32[]")
    def found(state, force):
        return accelerations(state, force, *exactly)

    return found


def objective_is_clipped_as_declared(trained: Trained) -> Answer:
    """The gradient of the objective is the ratio times the advantage, and 0 where the
    ratio is beyond the clip on the side that the advantage favours: in bits."""
    shift, advantage = np.meshgrid(np.linspace(-1, 1, 400), [-2.0, -0.7, 0.3, 1.0])
    given = jnp.asarray([shift, advantage], jnp.float32)
    slope = jax.vmap(jax.vmap(jax.grad(surrogate), (0, None, 0)), (0, None, 0))
    found = np.asarray(slope(given[0], 0.0, given[1]))
    ratio, advantage = np.asarray(jnp.exp(given[0])), np.asarray(given[1])
    low, high = np.float32(1 - CLIP), np.float32(1 + CLIP)
    beyond = np.where(advantage > 0, ratio > high, ratio < low)
    declared = np.where(beyond, np.float32(0), ratio * advantage)
    held = found == declared
    wrong = np.argwhere(~held)[:1].tolist()
    return counted(int(held.sum()), held.size, "cases", f"not case {wrong}")


def stays_upright(trained: Trained) -> Answer:
    margin, push = trained.function("margin"), trained.function("push")
    tick, start, said = 0, within(RADIUS, PARTS), ""
    for tick, boxes in enumerate(reached(margin, start, TICKS, MOST), 1):
        far = np.maximum(-boxes.lo, boxes.hi).max(0)
        said = (
            f"{len(boxes.lo):,} boxes after {tick} ticks, within {far[0]:.3f} m and "
            f"{far[2]:.3f} radians"
        )
        # a NaN is not within anything
        if not (far[0] < WIDEST and far[2] < ANGLE):
            return Answer(_falls(push), None, said)
    return Answer(True if tick == TICKS else None, None, said)


stays_upright.__doc__ = (
    f"From every state within {RADIUS:g} of rest the trained policy keeps the pole "
    f"within {ANGLE:g} radians and the cart within {WIDEST:g} m for {TICKS} ticks."
)


def _falls(push) -> bool | None:
    """False if some corner is seen to fall, else None: nothing is known."""
    corners = np.stack(np.meshgrid(*[[-RADIUS, RADIUS]] * 4), -1).reshape(-1, 4)
    states = tl.rollout(lambda state: moved(state, push(state)), TICKS)(
        jnp.asarray(corners, jnp.float32)
    )
    off = abs(np.asarray(states)).max((0, 1))
    return False if off[0] >= WIDEST or off[2] >= ANGLE else None


def _named(function):
    def asked(*args):
        return function(*args)

    return asked


CLAIMS = (
    advantages_are_their_definition,
    dynamics_are_lagranges,
    objective_is_clipped_as_declared,
    rows_are_independent(NETWORK, state=4),
    stays_upright,
)
