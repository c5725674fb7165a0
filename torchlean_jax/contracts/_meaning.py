"""The kernel is its formula, as functions; its reverse mode is the derivative."""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._equivalent import equivalent
from torchlean_jax._gradients import check_vjp
from torchlean_jax._interpret import interpret
from torchlean_jax.contracts._arguments import floats, of_floats
from torchlean_jax.domains.real import Real
from torchlean_jax.interpreters._kernel_call import unrolled
from torchlean_jax.pallas_kernels._terms import Program, Terms

# The digits at which both are compared over the reals, and how close they have to be.
_REAL = Real(digits=40)
CLOSE = 1e-30


def equal(program: Program, args) -> tuple[bool, str]:
    """Over finite fields as functions, and over the reals at `args`."""
    kernel = of_floats(unrolled(program.kernel), args)
    formula = of_floats(program.formula, args)
    if program.linear:
        return _equal_at_unit_vectors(kernel, formula, floats(args))
    answer = equivalent(kernel, formula)(*floats(args))
    if not answer.equal:
        return False, str(answer)
    apart = _distance(kernel, formula, floats(args))
    chance = f"{answer.error_probability:.0e}"
    detail = (
        f"equal as functions (error probability {chance}), {apart:.0e} apart in reals"
    )
    return apart < CLOSE, detail


def _equal_at_unit_vectors(kernel, formula, args) -> tuple[bool, str]:
    (x,) = args
    units = jnp.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    apart = _distance(jax.vmap(kernel), jax.vmap(formula), [units])
    return apart < CLOSE, f"{apart:.0e} apart in reals at every unit vector"


def _distance(kernel, formula, args) -> float:
    """The largest difference over the reals."""

    def difference(*args):
        pairs = zip(
            *(jax.tree.leaves(f(*args)) for f in (kernel, formula)), strict=True
        )
        return [a.astype(jnp.float32) - b.astype(jnp.float32) for a, b in pairs]

    gaps = interpret(difference, domain=_REAL)(*args)
    ends = [np.maximum(np.abs(g.lo), np.abs(g.hi)).max(initial=0.0) for g in gaps]
    return float(max(ends, default=0.0))


def differentiates(terms: Terms, args) -> tuple[bool, str]:
    """`jax.grad` of the public function is the derivative, each equation of it."""
    report = check_vjp(terms.differentiable)(*args)
    return bool(report.ok), str(report).splitlines()[0]
