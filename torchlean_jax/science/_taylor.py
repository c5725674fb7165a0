"""Bounds of derivatives of a function, and of expressions in them, on one box.

There are two ways. Either the program that JAX makes of the derivative is bounded as
any other program; or the function is walked once, with its derivatives carried along
(`_jets`), which is Taylor mode: sums that differentiation makes of one curve's
derivatives stay with that curve, and a tanh is enclosed with all of its derivatives
rather than as the products that JAX writes for them. Which of the two is tighter on
which network was measured: `docs/science.md`. Cutting boxes is for `_supremum`.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._bounds import bounds
from torchlean_jax._interpret import interpret
from torchlean_jax.domains._errors import InputError, MissingRuleError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters._crown import METHODS
from torchlean_jax.science._derivatives import derivatives
from torchlean_jax.science._jets import Jet, Jets, Order
from torchlean_jax.science._undefined import undefined

TAYLOR = ("taylor-affine", "taylor-interval")
_COMPARED = (*TAYLOR, "crown")
_MOST_FORMS = 32  # inputs up to which a form in all of them is carried


def taylor(
    f: Callable, orders, equation: Callable, inputs: int, *, linear: bool = True
) -> Callable:
    """lo, hi -> an enclosure of equation(x, derivatives of f at x) for x in the box.

    equation: of x and {order: value}, for the orders given, as a JAX function; it is
    walked on the jets of the derivatives, so that terms that cancel do.
    """
    jets = Jets(orders, inputs, linear=linear)
    plain = Jets([], inputs, linear=linear)
    places = [jets.place[tuple(sorted(order))] for order in orders]
    walk_f = interpret(f, domain=jets)

    def on_values(x, values):
        return equation(x, dict(zip(orders, values, strict=True)))

    walk_equation = interpret(on_values, domain=plain)

    def enclose(lo, hi) -> Interval:
        found = walk_f(jets.input(lo, hi)).parts[jnp.array(places)]
        values = Jet(jnp.moveaxis(found, 0, 1)[None])
        return plain.enclosures(walk_equation(plain.input(lo, hi), values))[0]

    return enclose


def undefined_in(f: Callable, orders, equation: Callable, lo, hi) -> str:
    """The operation of f, or else of the equation, that has no value on a cell."""
    jets, plain = Jets(orders, len(lo)), Jets([], len(lo))
    at = jets.input(lo, hi)
    name = undefined(f, jets, at)
    if name:
        return name
    found = interpret(f, domain=jets)(at).parts
    named = [Jet(found[jets.place[tuple(sorted(order))]][None]) for order in orders]

    def on_values(x, *values):
        return equation(x, dict(zip(orders, values, strict=True)))

    return undefined(on_values, plain, plain.input(lo, hi), *named)


@dataclass(frozen=True)
class DerivativeBounds:
    """Enclosures of derivatives on a box.

    bounds: float64, of the shape of what was asked for. by: those of each way that was
    gone, by the name of its method; `bounds` is what they have in common.
    """

    bounds: Interval
    by: dict[str, Interval]

    @property
    def tightest(self) -> np.ndarray:
        """The method whose own bounds are the narrowest, element by element."""
        widths = np.stack([np.asarray(x.hi - x.lo) for x in self.by.values()])
        widths = np.where(np.isnan(widths), np.inf, widths)
        return np.array(list(self.by))[widths.argmin(0)]


def derivative_bounds(
    f: Callable,
    orders: Sequence[Order],
    *,
    of: Callable | None = None,
    method: str = "auto",
) -> Callable[[Interval], DerivativeBounds]:
    """Enclosures of partial derivatives of f at every real point of a box.

    f: a JAX function of an array of shape (d,), of smooth primitives where a Taylor
        method is used; it may return a scalar or an array.
    orders: each the inputs by which to differentiate: () for f, (0,) for its slope
        along the first, (0, 1) for a mixed derivative.
    of: an expression in them, `of(x, {order: value})`, whose bounds are wanted: a
        Laplacian, a residual. Otherwise all derivatives, stacked on a first axis.
    method: "taylor-affine", "taylor-interval" (jets of affine forms in the inputs, or
        of intervals), a bound method of `tl.bounds` (of JAX's own derivative of f),
        "tightest" (both Taylor methods and `"crown"`, and what their bounds have in
        common), or "auto": Taylor mode (by affine forms for up to 32 inputs, else
        intervals), or `"crown"` where f has a primitive for which there are no jets.
        Which way is tighter and which cheaper was measured: docs/science.md.

    Call what is returned on `tl.box(lo, hi)` with ends of shape (d,). All is computed
    in float64, and holds over the reals.

    Raises InputError for an unknown method or order; MissingRuleError, as the method
    that was asked for does; UndecidedError where two ways contradict each other, as
    they do if a custom derivative rule is not the derivative.

    Source: Griewank and Walther 2008, chapter 13.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> from torchlean_jax.science import derivative_bounds
    >>> laplacian = derivative_bounds(
    ...     lambda x: jnp.sin(x[0]) * jnp.exp(x[1]), [(0, 0), (1, 1)],
    ...     of=lambda x, d: d[0, 0] + d[1, 1])  # 0, since the function is harmonic
    >>> found = laplacian(tl.box([0.0, 0.0], [0.125, 0.125])).bounds
    >>> bool(found.lo <= 0 <= found.hi and found.hi - found.lo < 0.05)
    True
    """
    orders = [tuple(order) for order in orders]
    known = ("auto", "tightest", *TAYLOR, *METHODS)
    if method not in known:
        raise InputError(f"unknown method {method!r}; choose from {', '.join(known)}")
    if not orders:
        raise InputError("no order is given: () stands for the function itself")
    asked = _Asked(f, orders, of or _stacked, method)

    def bounded(region: Interval) -> DerivativeBounds:
        lo, hi = (np.asarray(end, np.float64) for end in (region.lo, region.hi))
        if lo.ndim != 1:
            raise InputError(f"a box of shape (d,) is needed; got {lo.shape}")
        if any(not 0 <= k < len(lo) for order in orders for k in order):
            raise InputError(f"{orders} name an input that is not in 0..{len(lo) - 1}")
        with jax.enable_x64(True):
            by = asked.run(lo, hi)
        return DerivativeBounds(_common(by), by)

    return bounded


def _stacked(x, values):
    return jnp.stack(list(values.values()))


class _Asked:
    """A question, with what was compiled for it."""

    def __init__(self, f, orders, equation, method):
        self.f, self.orders, self.equation, self.method = f, orders, equation, method
        self.compiled = functools.lru_cache(16)(self._compiled)

    def run(self, lo, hi) -> dict[str, Interval]:
        if self.method == "tightest":
            return {name: self._one(name, lo, hi) for name in self._able(len(lo))}
        if self.method != "auto":
            return {self.method: self._one(self.method, lo, hi)}
        first = TAYLOR[len(lo) > _MOST_FORMS]
        try:
            return {first: self._one(first, lo, hi)}
        except MissingRuleError:
            return {"crown": self._one("crown", lo, hi)}

    def _able(self, size: int):
        """The methods to compare, without jets if f has none."""
        try:
            start = jax.ShapeDtypeStruct((size,), jnp.float64)
            jax.eval_shape(self.compiled(TAYLOR[1], size), start, start)
        except MissingRuleError:
            return _COMPARED[len(TAYLOR) :]
        return _COMPARED[size > _MOST_FORMS :]

    def _one(self, method: str, lo, hi) -> Interval:
        return jax.tree.map(np.asarray, self.compiled(method, len(lo))(lo, hi))

    def _compiled(self, method: str, size: int) -> Callable[[Any, Any], Interval]:
        if method in TAYLOR:
            linear = method == TAYLOR[0]
            return jax.jit(
                taylor(self.f, self.orders, self.equation, size, linear=linear)
            )
        values = derivatives(self.f, self.orders)

        def expression(x):
            return self.equation(x, dict(zip(self.orders, values(x), strict=True)))

        bounded = bounds(expression, method=method)
        return jax.jit(lambda lo, hi: bounded(Interval(lo, hi)))


def _common(by: dict[str, Interval]) -> Interval:
    ends = [(np.asarray(x.lo), np.asarray(x.hi)) for x in by.values()]
    lows, highs = map(np.stack, zip(*ends, strict=True))
    # a bound that is no number says nothing
    lo = np.where(np.isnan(lows), -np.inf, lows).max(0)
    hi = np.where(np.isnan(highs), np.inf, highs).min(0)
    if (lo > hi).any():
        raise UndecidedError(
            f"{' and '.join(by)} have no value in common: a custom derivative rule of "
            "the function is not its derivative"
        )
    return Interval(lo, hi)
