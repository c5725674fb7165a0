"""Whether a function is known to be smooth, from its jaxpr alone.

Derivatives that JAX returns bound a function only if it has them everywhere.
"""

import jax.numpy as jnp

from torchlean_jax._pure import equations, pure_trace
from torchlean_jax.domains._errors import InputError

# Primitives that are analytic wherever they give a number, or only move numbers. A
# choice between two of them (select, max, abs, a comparison) is not differentiable at
# the seam, and a Hessian that is 0 on both sides would say nothing of the jump. A
# custom rule may call anything a derivative, and a stopped gradient is none.
SMOOTH = frozenset(
    "add add_any sub mul div neg square integer_pow pow exp exp2 expm1 log log1p "
    "logistic tanh sin cos tan sinh cosh asin acos atan asinh acosh atanh sqrt rsqrt "
    "erf erfc dot_general reduce_sum cumsum broadcast_in_dim reshape transpose squeeze "
    "concatenate slice rev expand_dims convert_element_type copy jit split stack "
    "unstack one_minus_square polynomial".split()
)


def require_smooth(f, lo, instead="give modulus=, a modulus of continuity"):
    traced = pure_trace(f, name_of(f), (jnp.asarray(lo),), {}, lambda x: False)
    met = {
        e.primitive.name: line
        for e, line in equations(traced.jaxpr)
        if e.primitive.name not in SMOOTH or not _is_floating(e)
    }
    rough = [_place(name, line) for name, line in met.items()]
    if rough:
        raise InputError(
            f"`{name_of(f)}` is not known to be twice differentiable: it contains "
            f"{', '.join(rough)}; {instead}"
        )


def _is_floating(equation):
    """A conversion to integers is a step function."""
    return all(jnp.issubdtype(v.aval.dtype, jnp.floating) for v in equation.outvars)


def _place(name, line):
    return f"{name} ({line[0].rsplit('/', 1)[-1]}:{line[1]})" if line else name


def name_of(f):
    return getattr(f, "__name__", type(f).__name__)
