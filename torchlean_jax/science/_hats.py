"""Networks of hat functions: piecewise linear interpolation on a grid, in ReLUs alone.

The hat of the node 0 on the grid of integers, cut into simplices along the diagonal
(Kuhn's triangulation), is

    hat(s) = relu(1 + min(0, s_1 .. s_d) - max(0, s_1 .. s_d)),

and both extremes are ReLUs: max(a, b) = b + relu(a - b). Hats are not negative and sum
to 1 between the nodes, so a network of them is affine on every simplex, with the values
of its output weights at the corners. What it approximates is not known here.

Source: He, Li, Xu and Zheng 2020 (arXiv:1807.03973), section 3.
"""

import itertools
from dataclasses import dataclass
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class HatNetwork:
    """x -> sum of values[k] * hat(scale * x + shift - k) over the nodes k of a grid.

    scale, shift: of the shape of x, () or (d,). values: an array of d axes (of one for
    a scalar x), the output weights. Every parameter is a binary float, so over the
    reals node k lies at the rational (k - shift) / scale.
    """

    scale: Float[Array, "*d"]
    shift: Float[Array, "*d"]
    values: Float[Array, "..."]

    def __call__(self, x):
        t = (self.scale * x + self.shift).reshape(-1)
        nodes = np.argwhere(np.ones(self.values.shape, bool))
        s = t - jnp.asarray(nodes, t.dtype)
        low, high = -jax.nn.relu(-s[:, 0]), jax.nn.relu(s[:, 0])
        for k in range(1, len(t)):
            low = low - jax.nn.relu(low - s[:, k])
            high = high + jax.nn.relu(s[:, k] - high)
        hats = jax.nn.relu(1 + low - high)
        return hats @ self.values.reshape(-1)

    def astype(self, dtype) -> "HatNetwork":
        """The network with its parameters rounded to `dtype`."""
        return jax.tree.map(lambda p: p.astype(dtype), self)

    def nodes(self, axis: int) -> list[Fraction]:
        """Where the nodes lie along one axis of the grid, exactly."""
        scale = Fraction(float(np.ravel(self.scale)[axis]))
        shift = Fraction(float(np.ravel(self.shift)[axis]))
        return [(k - shift) / scale for k in range(self.values.shape[axis])]


def grid(lo, hi, cells, dtype=np.float32):
    """(scale, shift, nodes along each axis): a grid of about `cells` that covers
    [lo, hi], with parameters that are numbers of `dtype`.

    Rounding moves the first node down and stretches the spacing; where that does not
    reach, there is one cell more.
    """
    scales, shifts, counts = [], [], []
    for a, b, n in zip(np.ravel(lo), np.ravel(hi), cells, strict=True):
        scale = dtype(n / (b - a))
        shift = dtype(-(a * float(scale)))
        while (0 - Fraction(float(shift))) / Fraction(float(scale)) > Fraction(a):
            shift = np.nextafter(shift, dtype(np.inf))
        last = Fraction(b) * Fraction(float(scale)) + Fraction(float(shift))
        scales.append(scale)
        shifts.append(shift)
        counts.append(int(-(-last.numerator // last.denominator)) + 1)
    shape = np.shape(lo)
    return np.reshape(scales, shape), np.reshape(shifts, shape), tuple(counts)


def cells(network: HatNetwork):
    """(lo, hi), float64[cells, d]: boxes between neighbouring nodes, widened."""
    ends = [outward(network.nodes(axis)) for axis in range(network.values.ndim)]
    boxes = [list(zip(low[:-1], high[1:], strict=True)) for low, high in ends]
    corners = np.array(list(itertools.product(*boxes)))
    return corners[..., 0], corners[..., 1]


def outward(rationals):
    """(below, above): neighbouring float64 numbers around each rational."""
    near = np.array([float(r) for r in rationals])
    return np.nextafter(near, -np.inf), np.nextafter(near, np.inf)
