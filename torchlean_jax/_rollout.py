"""`rollout`: a policy and its dynamics, iterated, as one function of the first state.

What is asked of the states on the way is a spec (`spec.always`, `spec.eventually`), and
whether it holds from a whole set of first states is the business of `tl.verify`.
"""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError


def rollout(step: Callable, steps: int) -> Callable:
    """The function from a first state to all states of `steps` steps.

    step: from a state, an array or a pytree of arrays, to the next one, of the same
    structure, shapes and dtypes: usually `lambda x: dynamics(x, policy(x))`. Arguments
    after the state (parameters, disturbances that stay) are handed on as they are.
    Returns `f(state, *rest)`, whose result has `steps + 1` states along a new leading
    axis, the first one included. Each step is computed as `step` computes it, so with
    `semantics="fp32"` a verdict speaks of the controller as it runs, in every rounding.

    Raises InputError for a number of steps below 1 and, when called, for a step that
    does not return a state.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> halved = tl.rollout(lambda x: 0.5 * x, 3)
    >>> halved(jnp.array([8.0])).tolist()
    [[8.0], [4.0], [2.0], [1.0]]
    >>> below = tl.spec.eventually([-1.0], -0.3, states=4)  # x_t < 0.3 at some t
    >>> tl.verify(halved, tl.box([0.0], [2.0]), below).status
    'proved'
    """
    try:
        count = operator.index(steps)
    except TypeError:
        count = 0
    if count < 1 or isinstance(steps, bool):
        raise InputError(f"a rollout has at least one step; got {steps!r}")

    def states(state: Any, *rest: Any) -> Any:
        def following(before, _):
            after = _next(step, before, rest)
            return after, after

        first = jax.tree.map(jnp.asarray, state)
        _, later = jax.lax.scan(following, first, length=count)
        return jax.tree.map(
            lambda x, more: jnp.concatenate([x[None], more]), first, later
        )

    states.__name__ = f"{getattr(step, '__name__', 'step')}_{count}_times"
    return states


def _next(step, state, rest):
    after = step(state, *rest)
    before = _kinds(state)
    if _kinds(after) != before:
        raise InputError(
            f"a step returns a state like the one it was given: {before[1]}; this one "
            f"returns {_kinds(after)[1]}"
        )
    return after


def _kinds(state):
    leaves, tree = jax.tree.flatten(state)
    return tree, [f"{jnp.result_type(x)}{list(jnp.shape(x))}" for x in leaves]
