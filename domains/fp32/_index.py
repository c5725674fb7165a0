"""FP32 rules for reading and writing at positions computed at run time.

Where every run computes the positions that the reals do, elements are moved with their
errors. Where a run may use another position, the error is the distance between all that
it may find there and all that the reals may.
"""

import jax.numpy as jnp

from torchlean_jax.domains.fp32._domain import table
from torchlean_jax.domains.fp32._layout import moved
from torchlean_jax.domains.fp32._result import interval_rule
from torchlean_jax.domains.fp32._value import FP32Value, apart
from torchlean_jax.domains.interval import Interval


@table.define_op("gather", "dynamic_slice")
def _read(domain, operation, operand, *positions):
    """The error of what is read, over every position that is possible."""
    if not any(map(domain.is_value, positions)):
        return moved(domain, lambda x: operation(x, *positions), operand)
    x, at = domain.lift(operand), [domain.lift(p) for p in positions]
    run = interval_rule(operation.name, operation)
    return _placed(run, operation, (x,), at)


@table.define_op("dynamic_update_slice")
def _write(domain, operation, operand, update, *positions):
    if not any(map(domain.is_value, positions)):
        return moved(domain, lambda x, u: operation(x, u, *positions), operand, update)
    values = domain.lift(operand), domain.lift(update)
    at = [domain.lift(p) for p in positions]
    return _placed(interval_rule(operation.name, operation), operation, values, at)


def _placed(run, operation, values, at):
    """`run` on both enclosures, and on errors as if they were values in [0, e]."""
    real = run(*(v.real for v in values), *(p.real for p in at))
    exact = run(*(v.execution for v in values), *(p.execution for p in at))
    errors = run(*(Interval(v.error, v.error) for v in values), *(p.real for p in at))
    alike = jnp.all(jnp.stack([jnp.all(p.error == 0) for p in at]))
    moved_error = jnp.where(jnp.isnan(errors.hi), jnp.inf, errors.hi)
    error = jnp.where(alike, moved_error, apart(real, exact))
    return FP32Value(real, error, exact, values[0].dtype)
