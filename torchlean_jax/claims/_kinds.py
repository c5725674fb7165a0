"""What a function can claim. Each of these is a decorator that records and no more.

Options that a claim does not name go to the verb that decides it, as they are.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from torchlean_jax.claims import _asking
from torchlean_jax.claims._record import claim
from torchlean_jax.domains._errors import InputError


def equals(reference, **options):
    """It is the same function of the real numbers as `reference`.

    `reference` takes the same arguments, that of a method `self` included. Decided by
    `tl.equivalent`, with these options: False comes with an input at which the two
    differ, by however little (a constant rounded in one of them is a difference).

    >>> import torchlean_jax as tl
    >>> @tl.claims.equals(lambda x: (x + 1) ** 2)
    ... @tl.claims.example("f32[3]")
    ... def expanded(x):
    ...     return x**2 + 2 * x + 1
    >>> [result.holds for result in tl.claims.check(expanded)]
    [True]
    """
    ask = partial(_asking.equals, reference=reference, options=options)
    says = f"is the same function of the reals as `{_name(reference)}`"
    return claim("equals", says, ask)


def causal(axis: int = 0, *, argnums: int | Sequence[int] = 0, **options):
    """Position t along `axis` of the outputs depends on positions 0 to t of the
    arguments `argnums`, along the same axis, whatever their values are.

    Decided by `tl.depends`, with these options (`in_axis`, `out_axis` where the two
    differ, `finite`, `mask`): False comes with two inputs that show the leak, and a
    dependence that is possible and was not exhibited leaves it undecided.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> @tl.claims.causal(axis=0)
    ... @tl.claims.example("f32[6]")
    ... def differences(x):
    ...     return jnp.diff(x, append=0)
    >>> (result,) = tl.claims.check(differences)
    >>> result.holds, result.report.matrix[0].astype(int)
    (False, array([1, 1, 0, 0, 0, 0]))
    """
    ask = partial(_asking.causal, axis=axis, argnums=argnums, options=options)
    return claim("causal", f"is causal along axis {axis}", ask)


def batch_independent(axis: int = 0, *, argnums: int | Sequence[int] = 0, **options):
    """Row i along `axis` of the outputs depends on row i alone of the arguments
    `argnums`. Decided by `tl.depends`, as for `causal`.

    >>> import jax, torchlean_jax as tl
    >>> @tl.claims.batch_independent()
    ... @tl.claims.example("f32[4,3]")
    ... def probabilities(x):
    ...     return jax.nn.softmax(x)
    >>> [result.holds for result in tl.claims.check(probabilities)]
    [True]
    """
    ask = partial(
        _asking.batch_independent, axis=axis, argnums=argnums, options=options
    )
    return claim("batch_independent", f"keeps rows along axis {axis} apart", ask)


def independent_of(argument: int | str, **options):
    """No output depends on an argument, given by number or name. Decided by
    `tl.depends`.

    >>> import torchlean_jax as tl
    >>> @tl.claims.independent_of("unused")
    ... @tl.claims.example("f32[3]", unused="f32[3]")
    ... def doubled(x, unused):
    ...     return x + x
    >>> [result.holds for result in tl.claims.check(doubled)]
    [True]
    """
    ask = partial(_asking.independent_of, argument=argument, options=options)
    return claim("independent_of", f"does not depend on argument {argument!r}", ask)


def derivative_of(function, *, argnums: int | Sequence[int] = 0, **options):
    """It returns the derivative of `function` in the arguments `argnums`.

    A gradient as `jax.grad` returns it, a Jacobian as `jax.jacrev` does, or, where
    `function` works on each element alone, the derivative of each. `function` returns
    one array. Decided by `tl.check_vjp`, with these options, of a function with this
    one as its rule: at the example and at a point close by.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> @tl.claims.derivative_of(jnp.tanh)
    ... @tl.claims.example("f32[3]")
    ... def slope(x):
    ...     return 1 - jnp.tanh(x) ** 2
    >>> [result.holds for result in tl.claims.check(slope)]
    [True]
    """
    ask = partial(
        _asking.derivative_of, function=function, argnums=argnums, options=options
    )
    return claim("derivative_of", f"is the derivative of `{_name(function)}`", ask)


def gradient(**options):
    """What `jax.grad` makes of it is its derivative, a `custom_vjp` in it included.

    Decided by `tl.check_vjp`, with these options, at the example and at a point close
    by.

    >>> import jax, torchlean_jax as tl
    >>> @tl.claims.gradient()
    ... @tl.claims.example("f32[3]")
    ... def half(x):
    ...     return 0.5 * jax.lax.stop_gradient(x)
    >>> [result.holds for result in tl.claims.check(half)]
    [False]
    """
    ask = partial(_asking.gradient, options=options)
    return claim("gradient", "has the gradient that JAX computes", ask)


def batch_invariant(
    axis: int = 0,
    *,
    argnums: int | Sequence[int] = 0,
    out_axis: int | None = None,
    **options,
):
    """A row along `axis` has the same bits in every batch that is tried, here.

    Decided by `tl.batch_invariant`, with these options. True is evidence from runs on
    this backend and no proof.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> @tl.claims.batch_invariant(sizes=(1, 2))
    ... @tl.claims.example("f32[2,4]")
    ... def negated(x):
    ...     return -x
    >>> [result.holds for result in tl.claims.check(negated)]
    [True]
    """
    ask = partial(
        _asking.batch_invariant,
        argnums=argnums,
        in_axis=axis,
        out_axis=axis if out_axis is None else out_axis,
        options=options,
    )
    return claim("batch_invariant", "gives a row the same bits in every batch", ask)


def bounded_by(lo, hi, *, box=None, radius=None, argnums: int = 0, **options):
    """Every output is between `lo` and `hi`, ends included, for every input in a box.

    The box is that of argument `argnums`: between the two corners `box=(low, high)`, or
    within `radius` of the example. Everything broadcasts; other arguments have the
    values of the example. `lo` and `hi` may be infinite.

    Decided by `tl.verify`, with these options (`method`, `timeout`, `semantics`...):
    True is proved over the reals, False comes with a counterexample.

    >>> import jax, torchlean_jax as tl
    >>> @tl.claims.bounded_by(0.0, 1.0, box=(-5.0, 5.0))
    ... @tl.claims.example("f32[3]")
    ... def squashed(x):
    ...     return jax.nn.sigmoid(2 * x)
    >>> [result.holds for result in tl.claims.check(squashed)]
    [True]
    """
    if (box is None) == (radius is None):
        raise InputError("bounded_by: give either box=(low, high) or radius=r")
    if box is not None and not (isinstance(box, tuple) and len(box) == 2):
        raise InputError(f"bounded_by: box=(low, high) are two corners, got {box!r}")
    limits = np.asarray(lo, np.float64), np.asarray(hi, np.float64)
    if not (
        (limits[0] <= limits[1]) & (limits[0] < np.inf) & (limits[1] > -np.inf)
    ).all():
        raise InputError(f"bounded_by: no number is between {lo} and {hi}")
    if np.isinf(limits).all():
        raise InputError("bounded_by: two infinite limits claim nothing")
    ask = partial(
        _asking.bounded_by,
        limits=limits,
        inputs=radius if box is None else box,
        argnums=argnums,
        options=options,
    )
    return claim("bounded_by", f"is between {lo} and {hi}", ask)


def _name(function) -> str:
    return getattr(function, "__name__", type(function).__name__)
