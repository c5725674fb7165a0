"""Statements about scientific models that hold everywhere on a region, not at samples.

A topic is a file, or a few beside each other: `approximate` builds ReLU networks that
stay within a stated distance of a function; `derivative_bounds` encloses derivatives
on a box, `supremum` bounds them by cutting it; `pinn` the residuals of differential
equations; a `Spline` has exact coefficients, and what is claimed of it is decided;
between two of them a `Corridor` keeps the solutions of an ordinary differential
equation, and a `trajectory` those of a system in boxes; an `envelope` holds the
pictures of a box or a mesh by every camera of a set, `visible` says what is in view,
`free_cells` and `trace` say where a surface is not, `rotated` turns a cloud of points
by angles, and `lyapunov` decides which sets a closed loop draws to the origin,
`attracted` which it does not leave though disturbed or rounded, and `synthesize` trains
both; `approximation_document`, `stability_document`, `barrier_document`,
`surface_document`, `trajectory_document` and `pinn.residual_document` write
certificates. How enclosures come about belongs to the domains, and how certificates are
checked to `torchlean_check`.
"""

from torchlean_jax.science import pinn
from torchlean_jax.science._approximate import Approximation, approximate
from torchlean_jax.science._barrier_document import barrier_document
from torchlean_jax.science._camera import (
    Cameras,
    Envelope,
    FoldError,
    envelope,
    turn,
)
from torchlean_jax.science._corridor import Corridor, check_corridor, corridor
from torchlean_jax.science._derivatives import supremum
from torchlean_jax.science._disturbed import as_executed, attracted, barrier, escape
from torchlean_jax.science._documents import (
    approximation_document,
    stability_document,
    trajectory_document,
)
from torchlean_jax.science._hats import HatNetwork
from torchlean_jax.science._lyapunov import Stability, lyapunov
from torchlean_jax.science._mesh import Mesh
from torchlean_jax.science._range_network import (
    RangeApproximation,
    RangeNetwork,
    approximate_range,
)
from torchlean_jax.science._rotations import rotated
from torchlean_jax.science._spline import Spline, SplineClaim
from torchlean_jax.science._supremum import Supremum
from torchlean_jax.science._surface import Free, Traced, free_cells, trace
from torchlean_jax.science._surface_document import surface_document
from torchlean_jax.science._synthesis import (
    Regulator,
    Synthesis,
    regulator,
    synthesize,
)
from torchlean_jax.science._taylor import DerivativeBounds, derivative_bounds
from torchlean_jax.science._trajectory import EscapeError, Trajectory, trajectory
from torchlean_jax.science._visible import Visibility, visible

__all__ = [
    "Approximation",
    "Cameras",
    "Corridor",
    "DerivativeBounds",
    "Envelope",
    "EscapeError",
    "FoldError",
    "Free",
    "HatNetwork",
    "Mesh",
    "RangeApproximation",
    "RangeNetwork",
    "Regulator",
    "Spline",
    "SplineClaim",
    "Stability",
    "Supremum",
    "Synthesis",
    "Traced",
    "Trajectory",
    "Visibility",
    "approximate",
    "approximate_range",
    "approximation_document",
    "as_executed",
    "attracted",
    "barrier",
    "barrier_document",
    "check_corridor",
    "corridor",
    "derivative_bounds",
    "envelope",
    "escape",
    "free_cells",
    "lyapunov",
    "pinn",
    "regulator",
    "rotated",
    "stability_document",
    "supremum",
    "surface_document",
    "synthesize",
    "trace",
    "trajectory",
    "trajectory_document",
    "turn",
    "visible",
]
