"""A four by four world with slippery ground, a goal and a hole, and its exact solution.

Every probability, reward and discount is a binary fraction, so that floats hold the
world exactly. How it is learned is not here. Source: Puterman 1994, sections 6.2 to
6.4 (Bellman's operator, policy iteration).
"""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np

SIDE = 4
CELLS, ACTIONS = SIDE * SIDE, 4  # up, right, down, left
GOAL, HOLE = 15, 5  # cells that end an episode, worth 1 and -1
DISCOUNT, SLIP = 15 / 16, 1 / 8  # SLIP: to each side of the direction that was meant
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


def _neighbour(cell: int, direction: int) -> int:
    row, column = (
        min(max(place + step, 0), SIDE - 1)
        for place, step in zip(divmod(cell, SIDE), MOVES[direction], strict=True)
    )
    return row * SIDE + column


def _world():
    """Probabilities [action, cell, next cell] and expected rewards [action, cell]."""
    move = np.zeros((ACTIONS, CELLS, CELLS))
    for action in range(ACTIONS):
        for cell in range(CELLS):
            if cell in (GOAL, HOLE):
                continue  # nothing follows
            for turn, share in ((0, 1 - 2 * SLIP), (1, SLIP), (3, SLIP)):
                direction = (action + turn) % ACTIONS
                move[action, cell, _neighbour(cell, direction)] += share
    worth = np.zeros(CELLS)
    worth[[GOAL, HOLE]] = 1, -1
    return move, move @ worth


MOVE, REWARD = _world()


def values_of_actions(values):
    """[action, cell]: the reward, and the discounted value of where it leads."""
    move, reward = jnp.asarray(MOVE, values.dtype), jnp.asarray(REWARD, values.dtype)
    return reward + DISCOUNT * (move @ values)


def bellman(values):
    """The best that one action does, from values [cell] of the cells after it."""
    return values_of_actions(values).max(0)


def of_policy(policy) -> list[Fraction]:
    """The exact value of each cell under a policy: one action for each cell."""
    discount = Fraction(DISCOUNT)
    rows = []
    for cell, action in enumerate(policy):
        row = [-discount * Fraction(p) for p in MOVE[action, cell]]
        row[cell] += 1
        rows.append([*row, Fraction(REWARD[action, cell])])
    return _solved(rows)


def solution() -> list[Fraction]:
    """The exact value of each cell under the best policy, by policy iteration."""
    policy = [0] * CELLS
    while True:
        values = of_policy(policy)
        better = [
            max(range(ACTIONS), key=lambda a, c=cell: (_after(values, a, c), -a))
            for cell in range(CELLS)
        ]
        improved = any(
            _after(values, new, cell) > _after(values, old, cell)
            for cell, (new, old) in enumerate(zip(better, policy, strict=True))
        )
        if not improved:
            return values
        policy = better


def _after(values, action: int, cell: int) -> Fraction:
    following = zip(MOVE[action, cell], values, strict=True)
    expected = sum((Fraction(p) * v for p, v in following), Fraction(0))
    return Fraction(REWARD[action, cell]) + Fraction(DISCOUNT) * expected


def _solved(rows: list[list[Fraction]]) -> list[Fraction]:
    """Gauss and Jordan; the matrices here are diagonally dominant, no pivot is 0."""
    for k in range(len(rows)):
        pivot = rows[k] = [x / rows[k][k] for x in rows[k]]
        for j, row in enumerate(rows):
            if j != k and row[k]:
                pairs = zip(row, pivot, strict=True)
                rows[j] = [x - row[k] * y for x, y in pairs]
    return [row[-1] for row in rows]
