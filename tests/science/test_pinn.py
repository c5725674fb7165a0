"""Residuals of networks and of exact solutions: bounds beside dense samples."""

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import torchlean_jax as tl
from torchlean_jax.science import _examples, _pinn, _supremum, pinn, supremum

PI = math.pi


def heat(x):
    """The solution of the heat equation."""
    return jnp.exp(-0.1 * PI**2 * x[0]) * jnp.sin(PI * x[1])


def test_an_exact_solution_has_no_residual():
    found = pinn.certify(pinn.PROBLEMS["heat"], heat, tolerance=0.5, seconds=1e-9)
    assert found.residual.sampled < 1e-12 <= found.residual.bound < 1
    assert found.residual.cells >= 256 and not found.residual.finished
    assert all(c.bound <= 1e-6 for c in found.conditions.values())


def test_samples_come_near_to_a_maximum_that_is_known():
    """t x (1 - x) off the solution leaves x (1 - x) + t / 5, at most 9/20."""
    off = lambda x: heat(x) + x[0] * x[1] * (1 - x[1])
    found = pinn.sampled(pinn.PROBLEMS["heat"], off, count=20_000)
    # within 0.02 of t = 1 and 0.1 of x = 1/2 it is above 0.436; a point misses that
    # part of the domain with probability 0.996, all of them with e^-80
    assert 0.436 <= found <= 0.45


def test_a_planted_error_is_bounded_from_above():
    """0.01 t x (1 - x) on top: what it does to the residual is known in closed form."""
    off = lambda x: heat(x) + 0.01 * x[0] * x[1] * (1 - x[1])
    found = pinn.certify(pinn.PROBLEMS["heat"], off, tolerance=0.5, seconds=1e-9)
    # x (1 - x) + 2 * 0.1 t, at most at t = 1, x = 1/2
    largest = 0.01 * (0.25 + 0.2)
    assert found.residual.bound >= largest
    # and the distance to the solution, which is known too: 0.01 / 4
    assert found.error >= 0.0025


def test_what_is_attained_is_shown_by_an_enclosure():
    """Of x on [1, 2], sampled as 10 x: a float above a limit refutes nothing."""
    off = _supremum.search(
        lambda lo, hi: tl.Interval(-hi[0], -lo[0]),
        lambda x: 10 * x[0],
        *([1.0], [2.0]),
        tolerance=0.5,
        seconds=1.0,
    )
    assert off.sampled > 10 and off.attained == off.at[0] <= 2 <= off.bound


@pytest.mark.parametrize("name", ["allen-cahn"])
def test_a_trained_network(name):
    problem = pinn.PROBLEMS[name]
    u = pinn.train(problem, steps=20, width=4)
    found = pinn.certify(problem, u, tolerance=0.25, seconds=600.0)
    met = pinn.sampled(problem, u, count=20_000)
    assert met <= found.bound
    attained = max(met, found.residual.sampled)
    assert found.residual.finished and found.bound <= 1.2500001 * attained
    assert all(c.bound <= 1e-6 for c in found.conditions.values())
    assert (found.error is None) == (problem.error is None)


def test_a_misfit_on_a_face_is_found():
    """A constant misses sin(pi x) by up to 1 at the start, by 1 at both ends."""
    problem = pinn.PROBLEMS["heat"]
    found = pinn.certify(problem, lambda x: 1.0 + 0 * x[0], seconds=1.0)
    bounds = {name: c.bound for name, c in found.conditions.items()}
    assert bounds.keys() == {"at t = 0", "at x = 0", "at x = 1"}
    assert all(1.0 <= b <= 1.25 for b in bounds.values())
    assert found.error >= 1.0


def test_a_soliton_solves_the_equation_of_two_fields():
    """sech(x) exp(i t / 2) is a solution of i h_t + h_xx / 2 + |h|^2 h = 0."""
    problem = pinn.PROBLEMS["schroedinger"]

    def soliton(x):
        turn = jnp.stack([jnp.cos(x[0] / 2), jnp.sin(x[0] / 2)])
        return turn / jnp.cosh(x[1])

    assert pinn.sampled(problem, soliton, count=2000) < 1e-12
    assert pinn.sampled(problem, lambda x: 1.5 * soliton(x), count=2000) > 0.1


def test_each_of_two_fields_counts():
    """h = t leaves 1 in the one component and -t^3 in the other, t <= pi/2."""
    problem, largest = pinn.PROBLEMS["schroedinger"], (PI / 2) ** 3
    at = lambda x: jnp.stack([x[0], 0 * x[0]])
    found = pinn.certify(problem, at, seconds=600.0)
    assert largest - 1e-6 <= found.bound <= 1.25 * largest
    both = tl.Interval(jnp.array([-1.0, 0.5]), jnp.array([2.0, 3.0]))
    hull = _pinn._hull(both)
    assert (float(hull.lo), float(hull.hi)) == (-1.0, 3.0)
    bounds = {name: c.bound for name, c in found.conditions.items()}
    assert 2.0 <= bounds.pop("at t = 0") <= 2.5  # from 2 sech(x)
    assert all(b <= 1e-6 for b in bounds.values())  # the same at both ends
    axes = Figure().subplots()
    _examples._draw_residual(axes, problem, at, found)
    drawn = axes.collections[0].get_array()
    assert drawn is not None and np.max(drawn) == pytest.approx(largest, rel=1e-5)


def test_slopes_at_both_ends_are_compared():
    """h = x in one field: the values differ by 10, the slopes do not."""
    problem = pinn.PROBLEMS["schroedinger"]
    u = lambda x: jnp.stack([x[1] ** 2, x[1]])
    misfits = {c.name: misfit_of(c, u) for c in problem.conditions[1:]}
    assert misfits["h at the ends"] == [0, 10]
    assert misfits["h_x at the ends"] == [20, 0]


def misfit_of(condition, u):
    return np.asarray(_pinn._misfit(condition, u)(jnp.asarray(0.5))).tolist()


def test_retardation_is_bounded_where_it_is_largest():
    """u = 1 + t: (1 + c u^-0.126) u_t, most at t = 0, with c as of PDEBench."""
    c = (1 - 0.29) / 0.29 * 2880 * 3.5e-4 * 0.874
    problem = pinn.PROBLEMS["diffusion-sorption"]
    found = pinn.certify(problem, lambda x: 1 + x[0] + 0 * x[1], seconds=600.0)
    assert (1 + c) * (1 - 1e-9) <= found.bound <= 1.25 * (1 + c)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (jnp.log, "log of"),
        (lambda x: 2 / x, "div by"),
        (lambda x: x**-2, "integer_pow of"),
    ],
)
def test_an_undefined_point_names_its_cell_and_what_has_no_value(f, name):
    said = rf"cell from \[0.0\] .*: no bound of {name} \[.*\] at test_pinn.py:"
    with pytest.raises(tl.UndecidedError, match=said):
        supremum(lambda x: f(jnp.tanh(x[0])), [0.0], [1.0], seconds=1e-9)


def test_what_has_no_value_in_an_equation_is_named():
    """log of u = t, which touches 0: in the residual, not in u."""
    at_zero = replace(
        pinn.PROBLEMS["heat"], residual=lambda x, d: jnp.log(d[()]), orders=((),)
    )
    with pytest.raises(tl.UndecidedError, match=r"no bound of log of .* at test_pinn"):
        pinn.certify(at_zero, lambda x: x[0], seconds=1e-9)


def test_logarithms_and_quotients_have_derivatives():
    """(log(x) / x)'' = (2 log x - 3) / x^3, which has its largest magnitude at 1."""
    f = lambda x: jnp.log(x[0]) / x[0]
    found = supremum(f, [1.0], [2.0], order=(0, 0), seconds=600.0)
    assert 3.0 <= found.bound <= 3.03
