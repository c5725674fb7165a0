"""Universal approximation, constructively: a ReLU network within eps of a function.

The network interpolates f at the nodes of a grid, so on every simplex both f - N and
its distance from 0 are known from f alone. With h the sides of a cell and H the Hessian
of f, barycentric coordinates l_i of a point x between corners v_i give

    |f(x) - sum l_i f(v_i)|  <=  1/2 sum l_i |(v_i - x)' H(y_i) (v_i - x)|
                             <=  1/8 sum_ab sup |H_ab| h_a h_b,

the second step by Cauchy and Schwarz, since the mean of (v_i - x)_a^2 is the variance
of a number that lies within h_a. `sup |H_ab|` is an interval enclosure of the second
derivatives over the cell. Nothing is sampled, and nothing is assumed of f except that
its jaxpr consists of functions that are smooth where they are defined; for other f a
modulus of continuity takes the place of H.

Three distances are kept apart: of the interpolant from f (`approximation`), of the
network with rounded values from the interpolant (`parameters`), and of any binary32
execution from the network (`execution`). They add up, since hats sum to 1.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._interpret import interpret
from torchlean_jax._pure import pure_trace
from torchlean_jax.domains._errors import InputError, UndecidedError
from torchlean_jax.domains.fp32 import FP32
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science._hats import HatNetwork, cells, grid, outward
from torchlean_jax.science._smooth import name_of, require_smooth

MOST_NODES = 100_000
_TOGETHER = 256  # cells whose derivatives or executions are enclosed in one vmap


@dataclass(frozen=True)
class Approximation:
    """A network, and how far it is from the function, proved.

    Over the reals |f(x) - network(x)| <= approximation + parameters for every x in [lo,
    hi]; every binary32 execution at a float32 x is within `bound` of f(x).

    approximation, parameters, execution: the three distances, rounded up. sampled: the
    largest |f - network| that was met at points, for comparison. half: the largest
    distance of the float16 network, as it ran here, from f over all float16 inputs in
    [lo, hi], or None for more than one input. assumed: what the proof rests on.
    """

    network: HatNetwork
    lo: np.ndarray
    hi: np.ndarray
    eps: float
    approximation: float
    parameters: float
    execution: float
    sampled: float
    half: float | None
    assumed: tuple[str, ...]
    seconds: float

    @property
    def real(self) -> float:
        """A bound of |f - network| over the reals."""
        return _above(self.approximation + self.parameters)

    @property
    def bound(self) -> float:
        """A bound of |f - any binary32 execution of the network|."""
        return _above(self.real + self.execution)


def approximate(
    f: Callable, lo: Any, hi: Any, eps: float, *, modulus: Callable | None = None
) -> Approximation:
    """A ReLU network N with |f(x) - N(x)| <= eps for every real x in [lo, hi].

    f: a JAX function of an array of the shape of `lo`, () or (d,) with d at most 3,
        that returns a scalar; traced in float64. It is evaluated on a slightly larger
        box, up to the next node of the grid.
    eps: the distance over the reals. What rounding adds in float32 is proved beside it.
    modulus: for functions with kinks or jumps of the slope, a nondecreasing w with
        |f(x) - f(y)| <= w(max_k |x_k - y_k|); it is taken on trust and named in
        `.assumed`.

    Raises InputError for a degenerate box, more than three inputs, eps <= 0, a function
    whose smoothness cannot be read off its jaxpr when no modulus is given, and an eps
    that needs more than 100,000 nodes; UndecidedError naming a cell where f or its
    derivatives have no finite enclosure (the log of a box that touches 0).

    Source: the error of linear interpolation, Waldron 1998 (SIAM J. Numer. Anal. 35).

    >>> import jax.numpy as jnp
    >>> found = approximate(jnp.sin, 0.0, 1.0, 1e-2)
    >>> found.real <= 1e-2 and found.sampled <= found.real
    True
    """
    start = time.perf_counter()
    lo, hi = _checked(lo, hi, eps)
    with jax.enable_x64(True):
        function = _scalar(f, lo)
        if modulus is None:
            require_smooth(function, lo)
        network, far, close = _built(function, lo, hi, eps, modulus)
        sampled = _sampled(function, network, lo, hi)
        execution = _execution(network, lo, hi)
        half = _half(function, network, lo, hi) if lo.size == 1 else None
    said = () if modulus is None else ("the modulus of continuity that was given",)
    seconds = time.perf_counter() - start
    return Approximation(
        *(network, lo, hi, eps, far, close, execution, sampled, half),
        (*said, "the binary32 error model xla-cpu, for `execution`"),
        seconds,
    )


def _checked(lo, hi, eps):
    lo, hi = (np.asarray(end, np.float64) for end in (lo, hi))
    if lo.shape != hi.shape or lo.ndim > 1 or not 1 <= lo.size <= 3:
        raise InputError(
            "lo and hi are two scalars or two arrays of one shape (d,) with d at most "
            f"3; got shapes {lo.shape} and {hi.shape}"
        )
    if not (np.isfinite(lo).all() and np.isfinite(hi).all() and (lo < hi).all()):
        raise InputError(f"a box needs finite lo < hi; got {lo} and {hi}")
    if not (math.isfinite(eps) and eps > 0):
        raise InputError(f"eps must be a positive number; got {eps}")
    return lo, hi


def _scalar(f, lo):
    traced = pure_trace(f, name_of(f), (jnp.asarray(lo),), {}, lambda x: False)
    shapes = [aval.shape for aval in traced.jaxpr.out_avals]
    if shapes != [()]:
        raise InputError(f"`{name_of(f)}` must return one scalar; got shapes {shapes}")
    return f


def _built(f, lo, hi, eps, modulus):
    """A network, and the distances of its interpolant and of its rounded values."""
    enclosed = _batched(interpret(f, domain=Interval), lo.shape)
    second = _batched(interpret(jax.hessian(f), domain=Interval), lo.shape)
    counts = _first_counts(second, lo, hi, eps) if modulus is None else [8] * lo.size
    while True:
        network = _interpolant(enclosed, lo, hi, counts)
        below, above = cells(network)
        if modulus is None:
            errors = _curvature_errors(second, below, above)
        else:
            widest = _above(float((above - below).max()))
            errors = np.full(len(below), _above(float(modulus(widest))))
        _require_finite(errors, below, above, f)
        far, close = float(errors.max()), _rounding(enclosed, network)
        if _above(far + close) <= eps:
            return network, far, close
        grow = 1.5 if modulus is not None else max(1.05, 1.02 * math.sqrt(far / eps))
        if close >= eps / 2:
            raise InputError(f"float32 values of f are {close:.1e} off: eps is {eps}")
        counts = [math.ceil(n * grow) for n in counts]


def _first_counts(second, lo, hi, eps):
    """Cells along each axis that would do if H were as large as on the whole box's
    sixteenths."""
    edges = [np.linspace(a, b, 17) for a, b in zip(*_flat(lo, hi), strict=True)]
    size = len(edges)
    low, high = _product([e[:-1] for e in edges]), _product([e[1:] for e in edges])
    found = _magnitude(second(low, high))
    most = np.diagonal(found.reshape(-1, size, size), axis1=1, axis2=2).max(0)
    most = np.where(np.isfinite(most), most, 1.0)
    sides = np.ravel(hi - lo)
    return [
        max(2, math.ceil(side * math.sqrt(size**2 * m / 8 / eps)))
        for side, m in zip(sides, most, strict=True)
    ]


def _flat(lo, hi):
    return np.ravel(lo), np.ravel(hi)


def _curvature_errors(second, below, above):
    """1/8 sum_ab sup |H_ab| h_a h_b for each cell, rounded up."""
    size = below.shape[1]
    curves = _magnitude(second(below, above)).reshape(-1, size, size)
    sides = np.nextafter(above - below, np.inf)
    total = np.einsum("nab,na,nb->n", curves, sides, sides) / 8
    return total * (1 + 2.0**-45)  # d^2 <= 9 products and their sum, 12 roundings


def _interpolant(enclosed, lo, hi, counts) -> HatNetwork:
    scale, shift, shape = grid(lo, hi, counts)
    if math.prod(shape) > MOST_NODES:
        raise InputError(f"that takes {math.prod(shape)} nodes, more than {MOST_NODES}")
    empty = HatNetwork(*map(jnp.asarray, (scale, shift, np.zeros(shape, np.float32))))
    below, above = _node_boxes(empty)
    values = enclosed(below, above)
    middle = np.asarray(values.lo + (values.hi - values.lo) / 2, np.float32)
    return HatNetwork(empty.scale, empty.shift, jnp.asarray(middle.reshape(shape)))


def _node_boxes(network):
    """(lo, hi), float64[nodes, d]: neighbouring numbers around each node."""
    ends = [outward(network.nodes(axis)) for axis in range(network.values.ndim)]
    return [_product([end[k] for end in ends]) for k in (0, 1)]


def _product(axes) -> np.ndarray:
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))


def _rounding(enclosed, network) -> float:
    """How far the values at the nodes are from f there, at most."""
    found = enclosed(*_node_boxes(network))
    values = np.asarray(network.values, np.float64).reshape(-1)
    off = np.maximum(np.asarray(found.hi) - values, values - np.asarray(found.lo))
    return _above(float(off.max()))


def _require_finite(errors, below, above, f):
    bad = np.flatnonzero(~np.isfinite(errors))
    if len(bad):
        k = bad[0]
        raise UndecidedError(
            f"`{name_of(f)}` or its derivatives have no finite enclosure on the cell "
            f"from {below[k].tolist()} to {above[k].tolist()}: a pole, a root or a "
            "logarithm at 0? Choose a box away from it"
        )


def _batched(enclosing, shape):
    """An interval function of one box as one of many, in chunks of one size."""
    one = lambda lo, hi: enclosing(Interval(lo.reshape(shape), hi.reshape(shape)))  # noqa: E731
    chunk = jax.jit(jax.vmap(one))

    def many(lo, hi):
        total = -(-len(lo) // _TOGETHER) * _TOGETHER
        lows, highs = (np.resize(end, (total, end.shape[1])) for end in (lo, hi))
        lows[len(lo) :], highs[len(lo) :] = lo[-1], hi[-1]
        found = [
            chunk(lows[k : k + _TOGETHER], highs[k : k + _TOGETHER])
            for k in range(0, total, _TOGETHER)
        ]
        return jax.tree.map(lambda *p: np.concatenate(p)[: len(lo)], *found)

    return many


def _magnitude(x) -> np.ndarray:
    """sup |x|, infinite where nothing is known."""
    most = np.maximum(np.abs(x.lo), np.abs(x.hi))
    return np.where(np.isnan(most), np.inf, most)


def _sampled(f, network, lo, hi, count=20_000) -> float:
    points = np.random.default_rng(0).uniform(lo, hi, (count, *lo.shape))
    wide = network.astype(jnp.float64)
    off = jax.jit(lambda xs: jax.lax.map(lambda x: jnp.abs(f(x) - wide(x)), xs))
    return float(off(points).max())


def _execution(network, lo, hi) -> float:
    """The largest |execution - real result| of the float32 network on any cell."""
    below, above = cells(network)
    below, above = np.maximum(below, np.ravel(lo)), np.minimum(above, np.ravel(hi))
    inside = (below <= above).all(1)
    below, above = (_narrow(e[inside], s) for e, s in ((below, -1), (above, 1)))
    domain = FP32()

    def run(box):
        return domain.lift(interpret(network, domain=domain)(domain.lift(box))).error

    return _above(float(np.max(_batched(run, np.shape(lo))(below, above))))


def _narrow(ends, sign):
    near = ends.astype(np.float32)
    short = (near - ends) * sign < 0
    return np.where(short, np.nextafter(near, np.float32(sign * np.inf)), near)


def _half(f, network, lo, hi) -> float:
    """The largest distance of the float16 network from f, over every float16 input."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    points = every[(every.astype(np.float64) >= lo) & (every.astype(np.float64) <= hi)]
    small = network.astype(jnp.float16)
    run = jax.jit(lambda xs: jax.lax.map(small, xs, batch_size=256))
    found = np.asarray(run(points.reshape(-1, *np.shape(lo))), np.float64)
    wide = points.astype(np.float64).reshape(-1, 1)
    exact = _batched(interpret(f, domain=Interval), np.shape(lo))(wide, wide)
    return _above(float(np.max(np.maximum(exact.hi - found, found - exact.lo))))


def _above(x: float) -> float:
    return float(np.nextafter(x, np.inf))
