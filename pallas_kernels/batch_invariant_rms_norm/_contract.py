"""What the batch-invariant RMSNorm promises."""

import dataclasses
import functools

from torchlean_jax.pallas_kernels._row_terms import SHAPES
from torchlean_jax.pallas_kernels.batch_invariant_rms_norm import _kernel
from torchlean_jax.pallas_kernels.batch_invariant_rms_norm._op import (
    batch_invariant_rms_norm,
)
from torchlean_jax.pallas_kernels.rms_norm._contract import EPS
from torchlean_jax.pallas_kernels.rms_norm._contract import TERMS as _USUAL

TERMS = dataclasses.replace(
    _USUAL,
    name="batch_invariant_rms_norm",
    summary="RMSNorm whose rows have the same bits in every batch",
    op=batch_invariant_rms_norm,
    differentiable=batch_invariant_rms_norm,
    programs=(
        dataclasses.replace(
            _USUAL.programs[0],
            name="batch_invariant_rms_norm",
            kernel=functools.partial(_kernel.rms_norm, eps=EPS),
        ),
    ),
    shapes={
        **{name: SHAPES[name] for name in ("one", "ragged", "wide")},
        "batch": (64, 40),
    },
    rows=0,
)
