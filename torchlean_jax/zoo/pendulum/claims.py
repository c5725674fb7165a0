"""What is claimed of the controller: how it was trained, and that it is safe."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._policy_gradient import rows_are_independent
from torchlean_jax.zoo.pendulum import swing
from torchlean_jax.zoo.pendulum.model import NETWORK

LOW, HIGH = (0.15, -0.05), (0.2, 0.05)  # first angles and speeds
TICKS, SAFE, REACHED = 8, 0.25, 0.14
SECONDS = 150.0


def dynamics_are_lagranges(trained: Trained):
    """The acceleration solves the equation of motion of a uniform rod on a hinge,
    m l^2 angle'' - (3/2) m g l sin(angle) = 3 torque, for all angles, torques and
    gravities, at this and at another mass and length."""
    rods = ((swing.MASS, swing.LENGTH), (0.5, 4.0))

    def given(angle, torque, gravity):
        return jnp.stack([3 * torque] * len(rods))

    @tl.claims.equals(given)
    @tl.claims.example("f32[]", "f32[]", "f32[]")
    def needed(angle, torque, gravity):
        found = []
        for mass, length in rods:
            rate = swing.acceleration(angle, torque, gravity, mass, length)
            inertia, arm = mass * length**2, 1.5 * length
            found.append(inertia * rate - mass * gravity * arm * jnp.sin(angle))
        return jnp.stack(found)

    return needed


def closed_loop(trained: Trained):
    """All states of TICKS ticks from a first one, under the controller as deployed."""
    torque = trained.function("torque")
    return tl.rollout(lambda state: swing.moved(state, torque(state)), TICKS)


def is_brought_back(trained: Trained) -> Answer:
    near = [[1.0, 0.0], [-1.0, 0.0]]  # both rows above -r: the angle is within r
    spec = tl.spec.always(near, -SAFE, states=TICKS + 1)
    spec &= tl.spec.eventually(near, -REACHED, states=TICKS + 1)
    # Boxes of one state after another lose how the numbers of a state hang together,
    # and are compiled in seconds: many small parts are the cheaper way with two inputs.
    found = tl.verify(
        closed_loop(trained), tl.box(LOW, HIGH), spec, method="ibp", timeout=SECONDS
    )
    holds = {"proved": True, "refuted": False}.get(found.status)
    said = f"{found.status} over the real numbers"
    if found.status == "proved":
        said = f"{said}, margin at least {found.margin:.2g}, in {found.parts} parts"
    return Answer(holds, found, said)


is_brought_back.__doc__ = (
    f"From every angle of {LOW[0]:g} to {HIGH[0]:g} radians and every speed within "
    f"{HIGH[1]:g} the trained controller keeps the pendulum within {SAFE:g} radians of "
    f"upright for {TICKS} ticks, and brings it within {REACHED:g}."
)

CLAIMS = (
    dynamics_are_lagranges,
    rows_are_independent(NETWORK, state=2, action="torque"),
    is_brought_back,
)
