"""A value of the FP32 domain: what the reals say, and how far any run may be from it.

No rule lives here, and no assumption about operations; those are in `_model.py`.
"""

import functools
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._value import range_of


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["real", "error", "execution"],
    meta_fields=["dtype"],
    drop_fields=["origin"],
)
@dataclass(frozen=True, slots=True)
class FP32Value:
    """An array about which two programs are asked: the reals' and any machine's.

    real: contains the result over the reals. error: a bound on |run - real result| for
    every run and every input, elementwise: 0 where nothing rounds, infinite where
    nothing is known. execution: contains the result of every run. dtype: what the
    program computes it in; `real`, `error` and `execution` are kept at the working
    precision. origin: how it came about, or None (`_origin.py`).

    Booleans and integers have the same three parts; their error is 0 where every run
    decides as the reals do.
    """

    real: Interval
    error: Array
    execution: Interval
    dtype: Any
    origin: Any = field(default=None, repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.real.shape

    @property
    def ndim(self) -> int:
        return self.real.ndim

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def is_float(self) -> bool:
        return jnp.issubdtype(self.dtype, jnp.floating)

    @property
    def may_be_nan(self) -> Bool[Array, "..."]:
        """Where a run may give no number, after an overflow or an invalid operation."""
        return self.execution.may_be_nan

    @property
    def lo(self) -> Array:
        """Below the real result and below every run."""
        return _least(self.real.lo, self.execution.lo)

    @property
    def hi(self) -> Array:
        """Above the real result and above every run."""
        return _most(self.real.hi, self.execution.hi)

    def __getitem__(self, index) -> "FP32Value":
        real, run = self.real[index], self.execution[index]
        return FP32Value(real, self.error[index], run, self.dtype)

    def __iter__(self):
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        return (
            f"FP32Value(real={self.real!r}, error={self.error!r}, "
            f"execution={self.execution!r}, dtype={jnp.dtype(self.dtype).name})"
        )


def _least(a, b):
    return a & b if a.dtype == jnp.bool_ else jnp.minimum(a, b)


def _most(a, b):
    return a | b if a.dtype == jnp.bool_ else jnp.maximum(a, b)


def both(x: FP32Value) -> Interval:
    """Contains the real result and every run."""
    return Interval(x.lo, x.hi)


def working(x: Interval):
    """The dtype of the error beside these endpoints."""
    from torchlean_jax.domains.interval._exact import working_dtype

    return x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else working_dtype()


def apart(real: Interval, run: Interval) -> Array:
    """The largest |b - a| for a in `real` and b in `run`, upward; inf if not known.

    Of two infinities that are certainly the same one it is 0.
    """
    equal = (run.hi == real.lo) & (real.hi == run.lo)
    if jnp.issubdtype(real.dtype, jnp.floating):
        kind = jnp.finfo(real.dtype)
        most = jnp.maximum(run.hi - real.lo, real.hi - run.lo)
        # a difference is rounded, and flushed to 0 if it is subnormal
        most = most * (1 + 4 * float(kind.eps)) + 4 * float(kind.smallest_normal)
        return jnp.where(equal, 0, jnp.where(jnp.isnan(most), jnp.inf, most))
    dtype = working(real)
    ends = [e.astype(dtype) for e in (run.hi, real.lo, real.hi, run.lo)]
    most = jnp.maximum(ends[0] - ends[1], ends[2] - ends[3])
    # converted endpoints are rounded
    size = jnp.max(jnp.abs(jnp.stack(ends)), axis=0)
    slack = size * jnp.asarray(4 * float(jnp.finfo(dtype).eps), dtype)
    small = size < 2.0 ** jnp.finfo(dtype).nmant
    return jnp.where(equal, 0, jnp.where(small, most, most + slack))


def unknown(shape, dtype) -> FP32Value:
    """Nothing is known, not even that it is a number."""
    real = Interval.unknown(shape, dtype)
    if jnp.issubdtype(dtype, jnp.floating):
        error = jnp.full(shape, jnp.inf, real.dtype)
    else:
        lowest, highest = range_of(jnp.dtype(dtype))
        span = float(highest) - float(lowest)
        error = jnp.full(shape, span, working(real))
    return FP32Value(real, error, real, jnp.dtype(dtype))
