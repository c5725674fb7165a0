"""The partial differential equations that `_pinn` comes with.

Points are (t, x), or (x, y) for Poisson's equation. Each `form` meets the initial
condition and the boundary condition by itself, up to the rounding of pi.
"""

import math

import jax
import jax.numpy as jnp

from torchlean_jax.science._pinn import Condition, Problem

_PI = math.pi
HEAT, VISCOSITY, DIFFUSION = 0.1, 0.1, 0.01


def _side(x, value):
    return Condition(f"at x = {x:g}", lambda t: jnp.stack([t, t * 0 + x]),
                     lambda t: t * 0 + value, 0.0, 1.0)  # fmt: skip


def _sides(lo, hi, value):
    return _side(lo, value), _side(hi, value)


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


def _schroedinger(x, d):
    """h = u + i v; imaginary and real part of the equation, up to sign."""
    h, rate, bend = d[()], d[(0,)], d[(1, 1)]
    size = h[0] ** 2 + h[1] ** 2
    return jnp.stack(
        [rate[0] + 0.5 * bend[1] + size * h[1], rate[1] - 0.5 * bend[0] - size * h[0]]
    )


def _soliton(x):
    """2 sech(x), by functions that have rules, as their derivatives do."""
    return 4.0 * jnp.exp(-x) * jax.nn.sigmoid(2.0 * x)


def _periodic(raw, x):
    """Features of period 10, so that the network has it too."""
    turn = x[1] * (_PI / 5)
    found = raw(jnp.stack([x[0], jnp.cos(turn), jnp.sin(turn)]))
    return jnp.stack([_soliton(x[1]), 0 * x[1]]) + x[0] * found


def _both(name, order):
    ends = (lambda t, x=x: jnp.stack([t, t * 0 + x]) for x in (5.0, -5.0))
    nothing = lambda t: jnp.stack([t * 0, t * 0])  # noqa: E731
    return Condition(name, next(ends), nothing, 0.0, _PI / 2, order, next(ends))


SCHROEDINGER = Problem(
    name="schroedinger",
    equation=(
        "i h_t + h_xx / 2 + |h|^2 h = 0 on [0, pi/2] x [-5, 5], h(0, x) = 2 sech(x), "
        "h and h_x the same at both ends"
    ),
    lo=(0.0, -5.0),
    hi=(_PI / 2, 5.0),
    orders=((), (0,), (1, 1)),
    residual=_schroedinger,
    conditions=(
        Condition(
            *("at t = 0", lambda x: jnp.stack([x * 0, x])),
            *(lambda x: jnp.stack([_soliton(x), x * 0]), -5.0, 5.0),
        ),
        _both("h at the ends", ()),
        _both("h_x at the ends", (1,)),
    ),
    form=_periodic,
    fields=2,
    features=3,
)

# Retardation 1 + c u^(n - 1), c = (1 - phi) / phi rho k n of Takamoto et al. 2022
# (PDEBench, D.5), whose diffusion 5e-4 over 500 units of time is 1/4 over one.
_POROSITY, _EXPONENT = 0.29, 0.874
_RETAINED = (1 - _POROSITY) / _POROSITY * 2880 * 3.5e-4 * _EXPONENT


def _sorption(x, d):
    retardation = 1 + _RETAINED * jnp.exp((_EXPONENT - 1) * jnp.log(d[()]))
    return retardation * d[(0,)] - 0.25 * d[(1, 1)]


def _falling(x):
    """From 1 to 1/8, without a second derivative at the ends: u_t is 0 there."""
    return 1 - 0.875 * x**3 * (10 - 15 * x + 6 * x**2)


DIFFUSION_SORPTION = Problem(
    name="diffusion-sorption",
    equation=(
        f"(1 + {_RETAINED:.6g} u^{_EXPONENT - 1:g}) u_t = u_xx / 4 on [0, 1] x [0, 1], "
        "u(0, x) = 1 - 7/8 x^3 (10 - 15 x + 6 x^2), u = 1 and 1/8 at ends"
    ),
    lo=(0.0, 0.0),
    hi=(1.0, 1.0),
    orders=((), (0,), (1, 1)),
    residual=_sorption,
    conditions=(
        _start(0.0, 1.0, _falling),
        *(_side(0.0, 1.0), _side(1.0, 0.125)),
    ),
    # a power of u needs u > 0, which this is whatever the network
    form=lambda raw, x: _falling(x[1]) * jnp.exp(x[0] * x[1] * (1 - x[1]) * raw(x)),
)

PROBLEMS = {
    p.name: p
    for p in (
        *(POISSON, HEAT_EQUATION, BURGERS, ALLEN_CAHN),
        *(SCHROEDINGER, DIFFUSION_SORPTION),
    )
}
