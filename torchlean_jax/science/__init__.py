"""Statements about scientific models that hold everywhere on a region, not at samples.

A topic is a file, or a few beside each other: `approximate` builds ReLU networks that
stay within a stated distance of a function; a `Spline` has exact coefficients, and what
is claimed of it is decided. How enclosures come about belongs to the domains, and how
certificates are checked to `torchlean_check`.
"""

from torchlean_jax.science._approximate import Approximation, approximate
from torchlean_jax.science._hats import HatNetwork
from torchlean_jax.science._spline import Spline, SplineClaim

__all__ = ["Approximation", "HatNetwork", "Spline", "SplineClaim", "approximate"]
