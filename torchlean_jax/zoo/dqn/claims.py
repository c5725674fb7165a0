"""What is claimed of GridWorld, of the target, and of the policy that was learned."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo._claims import counted
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo.dqn import gridworld
from torchlean_jax.zoo.dqn.gridworld import ACTIONS, CELLS, DISCOUNT
from torchlean_jax.zoo.dqn.model import NETWORK, squared_error, target

VALUES = jax.ShapeDtypeStruct((CELLS,), jnp.float32)


def operator_is_bellmans(trained: Trained):
    """The operator is the greatest, over the actions, of the reward plus the discounted
    sum of the values of all cells by their probabilities: for all values."""

    def written_out(values):
        found = []
        for cell in range(CELLS):
            each = [
                float(gridworld.REWARD[action, cell])
                + DISCOUNT
                * sum(
                    float(share) * values[after]
                    for after, share in enumerate(gridworld.MOVE[action, cell])
                    if share
                )
                for action in range(ACTIONS)
            ]
            found.append(jnp.stack(each).max())
        return jnp.stack(found)

    @tl.claims.equals(written_out)
    @tl.claims.example(VALUES)
    def operator(values):
        return gridworld.bellman(values)

    return operator


def operator_contracts(trained: Trained) -> Answer:
    """The operator brings any two sets of values closer by the discount, in the largest
    difference of a cell.

    |max x - max y| <= max |x - y|, and x - y = D (v - w) for the matrix D of all values
    of actions. That they are affine, with this D, is decided for all values; then that
    no row of D has magnitudes that add up to more than the discount, in exact
    arithmetic (Puterman 1994, proposition 6.2.4).
    """
    zero = jnp.zeros(CELLS)
    slopes = jax.jacobian(gridworld.values_of_actions)(zero)
    start = gridworld.values_of_actions(zero)

    def affine(values):
        return slopes @ values + start

    report = tl.equivalent(gridworld.values_of_actions, affine)(VALUES)
    if report.equal is not True:
        return Answer(None, report, f"not seen to be affine: {report}")
    rows = np.asarray(slopes).reshape(-1, CELLS).tolist()
    most = max(sum(abs(Fraction(x)) for x in row) for row in rows)
    said = f"{len(rows)} rows of slopes, sums of magnitudes at most {most}"
    return Answer(most <= Fraction(DISCOUNT), report, f"{said}; discount {DISCOUNT}")


def gradient_leaves_the_target_alone(trained: Trained):
    """The gradient of the error in the weights is twice the error times the gradient of
    the value of the action alone, for all weights, cells that follow, and rewards."""
    params = trained.shapes.params
    cell, after, action = jnp.array([3]), jnp.array([7]), jnp.array([1])
    one = jax.ShapeDtypeStruct((1,), jnp.float32)

    def values(params, cell):
        return NETWORK.function(Variables(params, {}))(cell)

    def declared(params, reward, goes_on):
        def taken(params):
            return values(params, cell)[0, 1]

        best = values(params, after)[0].max()
        off = taken(params) - (reward[0] + DISCOUNT * goes_on[0] * best)
        return jax.tree.map(lambda g: 2 * off * g, jax.grad(taken)(params))

    @tl.claims.equals(declared)
    @tl.claims.example(params, one, one)
    def gradient(params, reward, goes_on):
        def error(params):
            aim = target(values(params, after), reward, goes_on)
            return squared_error(values(params, cell), action, aim).sum()

        return jax.grad(error)(params)

    return gradient


def policy_is_the_best(trained: Trained) -> Answer:
    """From every cell, no policy does better than the one that was learned: their
    values are solved for in exact arithmetic."""
    cells = jnp.arange(CELLS)
    policy = np.asarray(trained.function()(cells).argmax(-1)).tolist()
    best, own = gridworld.solution(), gridworld.of_policy(policy)
    held = [a == b for a, b in zip(best, own, strict=True)]
    where = held.index(False) if not all(held) else None
    return counted(sum(held), CELLS, "cells", f"not from cell {where}")


CLAIMS = (
    operator_is_bellmans,
    operator_contracts,
    gradient_leaves_the_target_alone,
    policy_is_the_best,
)
