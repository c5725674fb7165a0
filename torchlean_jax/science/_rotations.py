"""Clouds of points turned by angles: what a claim about every rotation is made of.

A turn about a coordinate axis is a polynomial in the sine and the cosine of its angle,
so `tl.verify` and the checker bound `classify(rotated(cloud, "z")(angles))` as they
bound any function of a few inputs, and cut the angles where that takes it. What is
trained and claimed by the command is in `_clouds`; rotations of cameras, as exact
rational quaternions, are in `_camera`.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from torchlean_jax.domains._errors import InputError


def rotated(
    cloud: Any, axes: str
) -> Callable[[Float[Array, " k"]], Float[Array, "n 3"]]:
    """The points of a cloud as a function of the angles by which it is turned.

    cloud: (n, 3) finite numbers, taken as `jnp.asarray` makes them (float32, unless x64
        is on); they may be traced, for a claim about sets of points too.
    axes: letters of "xyz", one for each angle: "zx" turns about the fixed axis z by
        angles[0], then about the fixed axis x by angles[1], as
        `scipy.spatial.transform.Rotation.from_euler("zx", angles)` does.

    Angles are in radians, counter-clockwise for who looks against the axis. What this
    returns takes them in the shape (k,), and returns (n, 3).

    Only coordinate axes are offered: a unit vector along another one is no binary
    number, and a claim would be one about matrices that are nearly rotations.

    Raises InputError for another cloud, other axes or other angles.

    >>> import torchlean_jax as tl
    >>> from torchlean_jax.science import rotated
    >>> square = [[1.0, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]]
    >>> farthest = lambda angles: rotated(square, "z")(angles)[:, 0].max()
    >>> angles, asked = tl.box([-0.25], [0.25]), tl.spec.linear([1.0], 0.75)
    >>> tl.verify(farthest, angles, asked, split=True).status
    'proved'
    """
    if not isinstance(axes, str) or not axes or set(axes) - set("xyz"):
        raise InputError(f'axes are letters of "xyz", one for each angle; got {axes!r}')
    if not isinstance(cloud, Tracer):  # of which only the shape is known
        _require_finite(cloud)
    points = jnp.asarray(cloud)
    if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] != 3:
        raise InputError(f"a cloud has the shape (n, 3); got {points.shape}")

    def turned(angles):
        if jnp.shape(angles) != (len(axes),):
            raise InputError(
                f"{len(axes)} angles, about {axes!r}, are needed in an array of shape "
                f"({len(axes)},); got shape {jnp.shape(angles)}"
            )
        coordinates = [points[:, k] for k in range(3)]
        for letter, angle in zip(axes, angles, strict=True):
            axis = "xyz".index(letter)
            # the plane that turns, in the order in which the turn is counter-clockwise
            first, second = (axis + 1) % 3, (axis + 2) % 3
            a, b = coordinates[first], coordinates[second]
            c, s = jnp.cos(angle), jnp.sin(angle)
            coordinates[first], coordinates[second] = c * a - s * b, s * a + c * b
        return jnp.stack(coordinates, axis=1)

    return turned


def _require_finite(cloud) -> None:
    try:
        if np.iscomplexobj(cloud):
            raise TypeError
        finite = np.isfinite(np.asarray(cloud, np.float64)).all()
    except (TypeError, ValueError) as error:
        raise InputError("a cloud holds (n, 3) real numbers") from error
    if not finite:
        raise InputError("the points of a cloud are finite")
