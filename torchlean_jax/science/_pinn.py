"""Physics-informed networks: a residual that is small everywhere, and what follows.

A problem is a partial differential equation as a function of the point and of the
derivatives of u there, conditions on faces of the domain, and, where theory gives one,
a bound of the distance to the solution by the residual. A network is trained for it;
then its residual is enclosed on cells that are cut until the bound is near what points
attain. Which problems there are is in `_problems`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax

from torchlean_jax._interpret import interpret
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science import _supremum
from torchlean_jax.science._derivatives import derivatives, require_finite
from torchlean_jax.science._jets import Jets, Order
from torchlean_jax.science._supremum import Supremum
from torchlean_jax.science._taylor import taylor, undefined_in
from torchlean_jax.science._undefined import undefined

ENOUGH = 1e-6  # of a misfit, of which no better bound is looked for


@dataclass(frozen=True)
class Condition:
    """u(point(s)) = target(s) for s in [lo, hi]: a face of the domain.

    order: of the derivative of u that is meant. partner: where there is one, what is
    prescribed is how far u(point(s)) is from u(partner(s)): periodic conditions.
    """

    name: str
    point: Callable
    target: Callable
    lo: float
    hi: float
    order: Order = ()
    partner: Callable | None = None


@dataclass(frozen=True)
class Problem:
    """An equation residual(x, d) = 0 on the box [lo, hi], with conditions.

    residual: d maps orders of differentiation, such as (0,) or (1, 1), to the values of
        these derivatives of u at x. orders: those that it reads.
    form: u from the raw network and x; it may satisfy conditions by itself.
    fields: with more than one, u and the residual have shape (fields,), and the
        supremum is that of all components. features: how many numbers `form` gives the
        network, where they are not the coordinates.
    error: a bound of |u - solution| from the suprema of the residual and of the misfit
        in the conditions, or None; `theorem` says why it holds.
    """

    name: str
    equation: str
    lo: tuple[float, ...]
    hi: tuple[float, ...]
    orders: tuple[Order, ...]
    residual: Callable[[jax.Array, Mapping[Order, jax.Array]], jax.Array]
    conditions: tuple[Condition, ...]
    form: Callable
    error: Callable[[float, float], float] | None = None
    theorem: str = ""
    fields: int = 1
    features: int | None = None


@dataclass(frozen=True)
class Certified:
    """What is proved of a network for a problem, over all real points.

    residual, conditions: suprema of the magnitudes; `error`: a bound of the distance
    to the solution, or None where no theorem is at hand.
    """

    residual: Supremum
    conditions: dict[str, Supremum]
    error: float | None
    theorem: str

    @property
    def bound(self) -> float:
        return self.residual.bound


def train(
    problem: Problem, *, seed: int = 0, steps: int = 3000, width: int = 24
) -> Callable:
    """A network u(x) with two hidden layers of tanh, trained on the residual.

    Its parameters are float32 numbers; what is proved of it holds for these.
    """
    keys = jax.random.split(jax.random.key(seed), 4)
    weights = initial(problem, keys[:3], width)
    optimiser = optax.adam(optax.cosine_decay_schedule(5e-3, steps))
    lo, hi = (jnp.array(end, jnp.float32) for end in (problem.lo, problem.hi))

    def off(weights, points):
        return loss(problem, network(problem, weights), points)

    def step(carry, key):
        weights, state = carry
        points = jax.random.uniform(key, (256, len(lo)), minval=lo, maxval=hi)
        change, state = optimiser.update(jax.grad(off)(weights, points), state)
        return (optax.apply_updates(weights, change), state), None

    run = jax.jit(lambda start, keys: jax.lax.scan(step, start, keys)[0])
    start = weights, optimiser.init(weights)
    weights, _ = run(start, jax.random.split(keys[3], steps))
    return network(problem, weights)


def initial(problem: Problem, keys, width: int) -> list:
    """Weights before training, as `network` takes them, from three keys."""
    sizes = [problem.features or len(problem.lo), width, width, problem.fields]
    return [
        (jax.random.normal(k, (n, m)) / np.sqrt(n), jnp.zeros(m))
        for k, (n, m) in zip(keys, pairwise(sizes), strict=True)
    ]


def loss(problem: Problem, u: Callable, points: jax.Array) -> jax.Array:
    """The mean square of the residual at these points, and ten times that of the misfit
    in each condition at 64 points of its face.

    Source: Raissi et al. 2019 (doi:10.1016/j.jcp.2018.10.045), equation 4.
    """
    off = jax.vmap(residual_of(problem, u))(points)
    total = jnp.mean(off**2)
    for each in problem.conditions:
        s = jnp.linspace(each.lo, each.hi, 64)
        misfit = jax.vmap(_misfit(each, u))(s)
        total += 10 * jnp.mean(misfit**2)
    return total


def network(problem: Problem, weights) -> Callable:
    """u as a function of x, from a list of (matrix, bias)."""

    def raw(x):
        for matrix, bias in weights[:-1]:
            x = jnp.tanh(x @ matrix + bias)
        matrix, bias = weights[-1]
        x = x @ matrix + bias
        return x[0] if problem.fields == 1 else x

    return lambda x: problem.form(raw, x)


def residual_of(problem: Problem, u: Callable) -> Callable:
    """x -> the residual of u at x, as a plain JAX function."""
    values = derivatives(u, problem.orders)

    def residual(x):
        return problem.residual(x, dict(zip(problem.orders, values(x), strict=True)))

    return residual


def sampled(problem: Problem, u: Callable, *, count: int = 10**6, seed: int = 0):
    """The largest |residual| of u at random points, uniform over the domain: what a
    bound is to be compared with. In float64."""
    points = np.random.default_rng(seed).uniform(
        problem.lo, problem.hi, (count, len(problem.lo))
    )
    with jax.enable_x64(True):
        at = residual_of(problem, u)
        run = jax.jit(lambda x: jax.lax.map(at, x, batch_size=4096))
        return float(jnp.abs(run(points)).max())


def _misfit(condition: Condition, u: Callable) -> Callable:
    value = u
    if condition.order:
        each = derivatives(u, [condition.order])
        value = lambda x: each(x)[0]  # noqa: E731

    def misfit(s):
        found = value(condition.point(s))
        if condition.partner is not None:
            found = found - value(condition.partner(s))
        return found - condition.target(s)

    return misfit


def _largest(f: Callable) -> Callable:
    """The component of f that is furthest from 0."""
    return lambda x: jnp.abs(f(x)).max()


def _hull(x: Interval) -> Interval:
    """One interval for all components; no number where one of them is none."""
    return Interval(x.lo.min(), x.hi.max())


def certify(
    problem: Problem,
    u: Callable,
    *,
    tolerance: float = 0.25,
    seconds: float = 600.0,
    watch: Callable[[float, float, int], None] = lambda *_: None,
) -> Certified:
    """Bounds of |residual| on the whole domain and of |u - condition| on its faces.

    u: any smooth JAX function of the point, `train`'s or another. tolerance: how far a
    bound may exceed the largest value met, relative. After `seconds` the bounds are
    those reached, with `.residual.finished` False.

    Raises MissingRuleError and UndecidedError as `supremum` does.
    """
    residual = require_finite(
        _supremum.search(
            _enclosing(problem, u),
            _largest(residual_of(problem, u)),
            problem.lo,
            problem.hi,
            tolerance=tolerance,
            seconds=seconds,
            start=16,
            watch=watch,
        ),
        lambda lo, hi: undefined_in(u, problem.orders, problem.residual, lo, hi),
    )
    conditions = {
        each.name: _misfit_bound(each, u, tolerance) for each in problem.conditions
    }
    error = None
    if problem.error is not None:
        misfit = max((c.bound for c in conditions.values()), default=0.0)
        error = problem.error(residual.bound, misfit) * (1 + 1e-12)
    return Certified(residual, conditions, error, problem.theorem)


def _enclosing(problem: Problem, u: Callable) -> Callable:
    """The residual over a box: derivatives of u as forms, then the equation on them."""
    found = taylor(u, problem.orders, problem.residual, len(problem.lo))
    return lambda lo, hi: _hull(found(lo, hi))


def _misfit_bound(condition: Condition, u: Callable, tolerance) -> Supremum:
    misfit = _misfit(condition, u)
    plain, along = Jets([], 1), lambda s: misfit(s[0])
    walk = interpret(along, domain=plain)
    found = _supremum.search(
        lambda lo, hi: _hull(plain.enclosures(walk(plain.input(lo, hi)))[0]),
        _largest(along),
        [condition.lo],
        [condition.hi],
        tolerance=tolerance,
        seconds=30.0,
        enough=ENOUGH,
        start=64,
    )
    return require_finite(
        found, lambda lo, hi: undefined(along, plain, plain.input(lo, hi))
    )
