"""What is claimed of the solution: that it is one, nearly, everywhere."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.science import pinn
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.pinn.model import Solution

RESIDUAL, MISFIT = 0.1, 1e-6
SECONDS = 100.0


def claims(model: Solution) -> tuple:
    """The claims about a network that solves the heat equation."""
    problem = model.problem

    def is_a_solution_everywhere(trained: Trained) -> Answer:
        found = pinn.certify(
            problem, model.u(trained.variables), tolerance=0.25, seconds=SECONDS
        )
        faces = found.conditions.values()
        misfit = max(c.bound for c in faces)
        met = max(c.attained for c in faces)
        residual = found.residual
        proved = residual.bound <= RESIDUAL and misfit <= MISFIT
        refuted = residual.attained > RESIDUAL or met > MISFIT
        said = (
            f"residual {residual.bound:.3g} at most ({residual.attained:.3g} at least "
            f"at a point), {residual.cells} cells; misfit {misfit:.3g} at most on "
            f"{len(faces)} faces; so that the distance to the solution is at most "
            f"{found.error:.3g} ({problem.theorem})"
        )
        return Answer(True if proved else False if refuted else None, found, said)

    is_a_solution_everywhere.__doc__ = (
        f"At every point of the domain the residual of the equation is at most "
        f"{RESIDUAL:g}, and on all faces, the start and both ends, the network is "
        f"within {MISFIT:g} of what is prescribed: proved over the real numbers."
    )

    def residual_is_the_equations(trained: Trained):
        """The residual that is trained on is u_t - a u_xx, with the derivatives that
        `jax.grad` and `jax.hessian` make of u, for all weights and points."""

        def equations(variables, x):
            u = model.u(variables)
            return jax.grad(u)(x)[0] - 0.1 * jax.hessian(u)(x)[1, 1]

        @tl.claims.equals(equations)
        @tl.claims.example(trained.shapes, "f32[2]")
        def residual(variables, x):
            return pinn.residual_of(problem, model.u(variables))(x)

        return residual

    def gradient_is_the_derivative(trained: Trained):
        """What `jax.grad` makes of the residual in the weights is its derivative: the
        third derivatives of the network among them."""
        x = jnp.array([0.4, 0.3])

        @tl.claims.gradient()
        @tl.claims.example(trained.variables.params)
        def residual(params):
            u = model.u(trained.variables._replace(params=params))
            return pinn.residual_of(problem, u)(x) ** 2

        return residual

    return (
        is_a_solution_everywhere,
        residual_is_the_equations,
        gradient_is_the_derivative,
    )
