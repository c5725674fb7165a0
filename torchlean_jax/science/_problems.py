"""The partial differential equations that `_pinn` comes with.

Points are (t, x), or (x, y) for Poisson's equation. Each `form` meets the initial
condition and the boundary condition by itself, up to the rounding of pi.
"""

import math

import jax.numpy as jnp

from torchlean_jax.science._pinn import Condition, Problem

_PI = math.pi
HEAT, VISCOSITY, DIFFUSION = 0.1, 0.1, 0.01


def _sides(lo, hi, value, times=(0.0, 1.0)):
    return tuple(
        Condition(f"at x = {x:g}", lambda t, x=x: jnp.stack([t, t * 0 + x]),
                  lambda t: t * 0 + value, *times)
        for x in (lo, hi)
    )  # fmt: skip


def _start(lo, hi, initial):
    return Condition("at t = 0", lambda x: jnp.stack([x * 0, x]), initial, lo, hi)


def _poisson(x, d):
    source = 2 * _PI**2 * jnp.sin(_PI * x[0]) * jnp.sin(_PI * x[1])
    return d[(0, 0)] + d[(1, 1)] + source


def _square_faces():
    faces = []
    for axis in (0, 1):
        for end in (0.0, 1.0):

            def point(s, axis=axis, end=end):
                pair = [s, s * 0 + end] if axis else [s * 0 + end, s]
                return jnp.stack(pair)

            name = f"at {'xy'[axis]} = {end:g}"
            faces.append(Condition(name, point, lambda s: s * 0, 0.0, 1.0))
    return tuple(faces)


POISSON = Problem(
    name="poisson",
    equation="u_xx + u_yy + 2 pi^2 sin(pi x) sin(pi y) = 0 on [0, 1]^2, u = 0 around",
    lo=(0.0, 0.0),
    hi=(1.0, 1.0),
    orders=((0, 0), (1, 1)),
    residual=_poisson,
    conditions=_square_faces(),
    form=lambda raw, x: x[0] * (1 - x[0]) * x[1] * (1 - x[1]) * raw(x),
    error=lambda residual, misfit: misfit + residual / 8,
    theorem=(
        "maximum principle: x (1 - x) / 2, at most 1/8, solves -w'' = 1, so |u - "
        "solution| <= sup |misfit| + sup |residual| / 8"
    ),
)

HEAT_EQUATION = Problem(
    name="heat",
    equation=(
        f"u_t = {HEAT} u_xx on [0, 1] x [0, 1], u(0, x) = sin(pi x), u = 0 at ends"
    ),
    lo=(0.0, 0.0),
    hi=(1.0, 1.0),
    orders=((0,), (1, 1)),
    residual=lambda x, d: d[(0,)] - HEAT * d[(1, 1)],
    conditions=(_start(0.0, 1.0, lambda x: jnp.sin(_PI * x)), *_sides(0.0, 1.0, 0.0)),
    form=lambda raw, x: jnp.sin(_PI * x[1]) + x[0] * x[1] * (1 - x[1]) * raw(x),
    error=lambda residual, misfit: misfit + residual,
    theorem=(
        "parabolic maximum principle: |u - solution| <= sup |misfit| + "
        "t sup |residual|, t <= 1"
    ),
)

BURGERS = Problem(
    name="burgers",
    equation=(
        f"u_t + u u_x = {VISCOSITY} u_xx on [0, 1] x [-1, 1], u(0, x) = -sin(pi x), "
        "u = 0 at ends"
    ),
    lo=(0.0, -1.0),
    hi=(1.0, 1.0),
    orders=((), (0,), (1,), (1, 1)),
    residual=lambda x, d: d[(0,)] + d[()] * d[(1,)] - VISCOSITY * d[(1, 1)],
    conditions=(
        _start(-1.0, 1.0, lambda x: -jnp.sin(_PI * x)),
        *_sides(-1.0, 1.0, 0.0),
    ),
    form=lambda raw, x: -jnp.sin(_PI * x[1]) + x[0] * (1 - x[1] ** 2) * raw(x),
)

ALLEN_CAHN = Problem(
    name="allen-cahn",
    equation=(
        f"u_t = {DIFFUSION} u_xx + 5 (u - u^3) on [0, 1] x [-1, 1], u(0, x) = x^2 "
        "cos(pi x), u = -1 at ends"
    ),
    lo=(0.0, -1.0),
    hi=(1.0, 1.0),
    orders=((), (0,), (1, 1)),
    residual=lambda x, d: d[(0,)] - DIFFUSION * d[(1, 1)] - 5 * (d[()] - d[()] ** 3),
    conditions=(
        _start(-1.0, 1.0, lambda x: x**2 * jnp.cos(_PI * x)),
        *_sides(-1.0, 1.0, -1.0),
    ),
    form=lambda raw, x: (
        x[1] ** 2 * jnp.cos(_PI * x[1]) + x[0] * (1 - x[1] ** 2) * raw(x)
    ),
    error=lambda residual, misfit: math.exp(5) * (misfit + residual / 5),
    theorem=(
        "comparison: the slope of 5 (u - u^3) is at most 5, so |u - solution| <= "
        "e^(5 t) (sup |misfit| + sup |residual| / 5), t <= 1"
    ),
)

PROBLEMS = {p.name: p for p in (POISSON, HEAT_EQUATION, BURGERS, ALLEN_CAHN)}
