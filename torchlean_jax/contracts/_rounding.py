"""The kernel's float32 error: its bound and what was measured lie under the tolerance.

The tolerance is derived, not chosen: `slack` times the error that any order of
evaluating the formula may have at this very input (`tl.float_error` of the formula).
The bound is that of the kernel's own arithmetic, over any execution of it within the
error model of XLA on CPUs: a GPU's functions are a model of their own.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from torchlean_jax._float_error import output_errors_once
from torchlean_jax._interpret import interpret
from torchlean_jax.contracts._arguments import floats, of_floats
from torchlean_jax.domains.real import Real
from torchlean_jax.interpreters._kernel_call import unrolled
from torchlean_jax.interpreters._once import run_once
from torchlean_jax.pallas_kernels._terms import Program

_REAL = Real(digits=25)


# What becomes of float argument `number`, by an input's name.


def _ordinary(number, x, random):
    return x


def _spread(number, x, random):
    """Magnitudes over twelve powers of two, so that sums absorb small terms."""
    return x * np.exp2(random.integers(-6, 7, x.shape)).astype(np.float32)


def _alternating(number, x, random):
    """Nearly equal magnitudes of alternating sign: sums cancel."""
    signs = np.where(np.arange(x.size).reshape(x.shape) % 2, 1.0, -1.0)
    return (signs * (1.0 + x / 64)).astype(np.float32)


def _equal(number, x, random):
    return np.full_like(x, 0.7)


def _offset(number, x, random):
    """The first argument, whose rows a kernel works on, far from 0 and near to each
    other, so that what is taken off as a mean or a largest element matters. The others
    stay: weights, rates and cotangents of that size make overflows and nothing else."""
    return x if number else 64 + x


STRESSES = {
    "ordinary": _ordinary,
    "spread": _spread,
    "alternating": _alternating,
    "equal": _equal,
    "offset": _offset,
}


def within_tolerance(program: Program, args, device=None) -> tuple[bool, str]:
    """Bound and measurement, relative to the tolerance, at every stressed input.

    device: one that runs the kernel itself, which is measured too."""
    stressed = [_stressed(change, args) for change in STRESSES.values()]
    points = [jnp.stack(column) for column in zip(*stressed, strict=True)]
    kernel = _traced(jax.vmap(of_floats(unrolled(program.kernel), args)), points)
    formula = _traced(jax.vmap(of_floats(program.formula, args)), points)
    exact = interpret(formula, domain=_REAL)(*points)
    # fused as XLA likes, and equation by equation
    runs = [jax.jit(kernel)(*points), run_once(kernel, *points)]
    if device is not None:
        fused = jax.jit(jax.vmap(of_floats(program.kernel, args)))
        runs.append(fused(*jax.device_put(points, device)))
    unknown = jax.tree.map(lambda y: np.zeros(y.shape), runs[0])
    worst = dict.fromkeys(STRESSES, (0.0, 0.0))
    outputs = zip(
        *map(
            jax.tree.leaves,
            (
                output_errors_once(formula, *points),
                output_errors_once(kernel, *points) if program.walked else unknown,
                exact,
                *runs,
            ),
        ),
        strict=True,
    )
    for allowed, proven, real, *found in outputs:
        tolerance = program.slack * np.asarray(allowed, np.float64)
        if not np.isfinite(tolerance).all():
            return False, "the formula has no finite error here: choose other arguments"
        gaps = [real.distance(np.asarray(run, np.float64)) for run in found]
        own, gap = np.asarray(proven, np.float64), np.max(gaps, axis=0)
        for k, name in enumerate(STRESSES):
            bound, measured = worst[name]
            bound = max(bound, _share(own[k], tolerance[k]))
            worst[name] = bound, max(measured, _share(gap[k], tolerance[k]))
    name, (bound, measured) = max(worst.items(), key=lambda item: item[1])
    proven = f"{bound:.2f} proven" if program.walked else "nothing proven"
    detail = (
        f"of the tolerance, {program.slack:g} times the formula's error: "
        f"{proven}, {measured:.2f} measured ({name} inputs)"
    )
    return all(share <= 1 for pair in worst.values() for share in pair), detail


def _traced(f, points):
    """`f` as a jaxpr: unrolling a kernel takes longer than to walk what comes of it."""
    return jaxpr_as_fun(jax.make_jaxpr(f)(*points))


def _stressed(change, args):
    """The float arguments after a change, each with random numbers of its own."""
    return [
        jnp.asarray(
            change(k, np.asarray(x, np.float32), np.random.default_rng(k)), x.dtype
        )
        for k, x in enumerate(floats(args))
    ]


def _share(error, tolerance) -> float:
    """The largest error / tolerance; 0 / 0 is 0."""
    shares = np.divide(error, tolerance, where=tolerance > 0, out=np.zeros_like(error))
    shares = np.where((tolerance == 0) & (error > 0), np.inf, shares)
    return float(shares.max(initial=0.0))
