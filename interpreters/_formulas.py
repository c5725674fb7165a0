"""What is recognised in a graph, and what it means over the reals.

A `level` is any value that is constant along the axis of a softmax: whatever is
subtracted there (usually the maximum, so that nothing overflows) cancels.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.interpreters._match import Formula
from torchlean_jax.interpreters._wholes import PRIMITIVES

_FAR = 2.0**15  # exp(-2**15) is less than any positive float64; a float16 holds 2**15
MOST_GAPS = 2**11  # in one softmax; their bounds cost a backward pass each


@dataclass(frozen=True)
class Pattern:
    """formula(*values, *parameters) is meaning(*values, *parameters) when
    `when(*parameters)`.

    Parameters are known numbers. A pattern that `reduces` takes a keyword `axis` in
    both; its values are the array summed along the axis, a level (see above) and
    booleans of the array's shape.
    `masked(allowed, x, axis)` is what it means where the array is x where a boolean
    holds and minus infinity elsewhere.
    """

    formula: Callable
    meaning: Callable
    values: int = 1
    parameters: int = 0
    when: Callable = lambda *parameters: True
    reduces: bool = False
    masked: Callable | None = None


def _bind(name, **params):
    return lambda x, *parameters: PRIMITIVES[name].bind(x, **params)


def _near(number):
    """Whether a parameter is `number` as some library rounds it."""
    return lambda x: abs(x - number) <= 1e-7 * abs(number)


def _where(condition, then, otherwise):
    return lax.select_n(condition, otherwise, then)


def _fill(number, x):
    return jnp.broadcast_to(number, x.shape)


def _clamped(x, least, most):
    dtype = x.dtype.type
    return lax.clamp(dtype(least), x, dtype(most))


def _relu(x):
    return jnp.maximum(x, 0)


def _leaky(x, c):
    return PRIMITIVES["call:leaky_relu"].bind(x, negative_slope=float(c))


def _elu(x, alpha):
    return PRIMITIVES["call:elu"].bind(x, alpha=float(alpha), scale=1.0)


def _celu(x, alpha):
    return PRIMITIVES["call:elu"].bind(x, alpha=float(alpha), scale=float(alpha))


def _gelu_erf(x, half, scale):
    return PRIMITIVES["call:gelu_erf"].bind(x, scale=float(scale))


def _gelu_tanh(x, half, one, scale, cubic):
    return PRIMITIVES["call:gelu_tanh"].bind(x, scale=float(scale), cubic=float(cubic))


def _is_gelu_tanh(half, one, scale, cubic):
    constants = half == 0.5 and one == 1 and _near(np.sqrt(2 / np.pi))(scale)
    return constants and _near(0.044715)(cubic)


def _softplus(x):
    return PRIMITIVES["call:softplus"].bind(x)


def _softmax(x, *level, axis):
    """Through the differences of its arguments, which back-substitution bounds better
    than their two terms; but n arguments have n (n - 1) / 2 of them."""
    if x.size * (x.shape[axis] - 1) > 2 * MOST_GAPS:
        return PRIMITIVES["call:softmax"].bind(x, axis=axis)
    x = jnp.moveaxis(x, axis, -1)
    gaps = x[..., None, :] - x[..., :, None]
    shares = PRIMITIVES["call:softmax_of_gaps"].bind(gaps, axis=gaps.ndim - 1)
    return jnp.moveaxis(shares, -1, axis)


def _guarded_share(x, level, allowed, *, axis):
    """Of what is allowed; 0 elsewhere, and where nothing is."""
    shifted = jnp.where(allowed, x - level, 0.0)
    e = jnp.where(allowed, jnp.exp(shifted), 0.0)
    total = jnp.sum(e, axis=axis, keepdims=True)
    return e / jnp.where(allowed.any(axis=axis, keepdims=True), total, 1.0)


def _guarded_softmax(x, level, allowed, *, axis):
    return jnp.where(allowed, _shares_of_allowed(allowed, x, axis), 0.0)


def _masked_softmax(allowed, x, *, axis):
    """Where nothing is allowed there is no softmax."""
    shares = _shares_of_allowed(allowed, x, axis)
    none = jnp.where(allowed.any(axis=axis, keepdims=True), 0.0, jnp.nan)
    return jnp.where(allowed, shares, none.astype(x.dtype))


def _shares_of_allowed(allowed, x, axis):
    """Softmax of x where it is allowed, with anything elsewhere.

    Minus infinity less minus infinity is no number. In its place stands what is so much
    less than the others that every enclosure of its exp begins at 0, and so holds
    exp(-inf) as well."""
    small = x.size * (x.shape[axis] - 1) <= 2 * MOST_GAPS
    return (_shares_by_gaps if small else _shares)(allowed, x, axis)


def _shares(allowed, x, axis):
    far = jnp.full_like(x, _FAR)
    below = jnp.min(_where(allowed, x, far), axis=axis, keepdims=True) - _FAR
    below = jnp.broadcast_to(below, x.shape)
    return PRIMITIVES["call:softmax"].bind(_where(allowed, x, below), axis=axis)


def _shares_by_gaps(allowed, x, axis):
    """Of differences with an element that is not allowed none is computed."""
    x, allowed = jnp.moveaxis(x, axis, -1), jnp.moveaxis(allowed, axis, -1)
    mine, yours = allowed[..., :, None], allowed[..., None, :]
    far = jnp.where(mine, -_FAR, jnp.where(yours, _FAR, 0.0)).astype(x.dtype)
    gaps = jnp.where(mine & yours, x[..., None, :] - x[..., :, None], far)
    shares = PRIMITIVES["call:softmax_of_gaps"].bind(gaps, axis=gaps.ndim - 1)
    return jnp.moveaxis(shares, -1, axis)


def _logsumexp(x, *level, axis):
    return PRIMITIVES["call:logsumexp"].bind(x, axis=axis)


def _log_softmax(x, *level, axis):
    return x - jnp.expand_dims(_logsumexp(x, axis=axis), axis)


def _share(x, level=0.0, *, axis):
    e = jnp.exp(x - level) if not isinstance(level, float) else jnp.exp(x)
    return e / jnp.sum(e, axis=axis, keepdims=True)


def _log_share(x, level, *, axis):
    shifted = x - level
    return shifted - jnp.log(jnp.sum(jnp.exp(shifted), axis=axis, keepdims=True))


def _variance(x, *, axis, keepdims=False):
    centred = x - jnp.mean(x, axis=axis, keepdims=True)
    return jnp.mean(lax.square(centred), axis=axis, keepdims=keepdims)


def _fast_variance(x, *, axis, keepdims=False):
    """E[x^2] - E[x]^2, which as two unrelated numbers may even be negative."""
    mean = functools.partial(jnp.mean, axis=axis, keepdims=keepdims)
    return mean(lax.square(x)) - lax.square(mean(x))


def _tanh_gelus():
    """The order of the factors differs between libraries."""

    def gate(x, one, scale, cubic):
        return one + jnp.tanh(scale * (x + cubic * lax.integer_pow(x, 3)))

    yield lambda x, half, one, k, m: x * (half * gate(x, one, k, m))
    yield lambda x, half, one, k, m: (half * x) * gate(x, one, k, m)


def _erf_gelus():
    """With erfc as in JAX; and with erf as in the definition, 1 standing for itself."""
    yield lambda x, half, s: (half * x) * lax.erfc(-x * s)
    yield lambda x, half, s: (half * x) * (1 + lax.erf(x * s))
    yield lambda x, half, s: x * (half * (1 + lax.erf(x * s)))


def _is_gelu_erf(half, scale):
    return half == 0.5 and _near(np.sqrt(0.5))(scale)


def _is_leaky(c):
    return 0 < c < 1


SOFTMAX = (
    Pattern(_share, _softmax, values=2, reduces=True, masked=_masked_softmax),
    Pattern(_share, _softmax, reduces=True, masked=_masked_softmax),
)
_ALL = [
    Pattern(lambda x: x * x, lax.square),
    Pattern(lambda x: x * lax.logistic(x), _bind("call:silu")),
    *(Pattern(f, _gelu_tanh, parameters=4, when=_is_gelu_tanh) for f in _tanh_gelus()),
    *(Pattern(f, _gelu_erf, parameters=2, when=_is_gelu_erf) for f in _erf_gelus()),
    Pattern(jax.nn.softplus, _softplus),
    Pattern(jnp.logaddexp, lambda x, y: y + _softplus(x - y), values=2),
    # before leaky_relu, of which they are the ends
    Pattern(lambda x: _where(x > 0, x, jnp.zeros_like(x)), _relu),
    Pattern(lambda x: _where(x >= 0, x, jnp.zeros_like(x)), _relu),
    Pattern(lambda x: _where(x < 0, -x, x), jnp.abs),
    Pattern(lambda x: _where(x >= 0, x, -x), jnp.abs),
    Pattern(lambda x: _where(x > 0, x, -x), jnp.abs),
    *(
        Pattern(f, _leaky, parameters=1, when=_is_leaky)
        for f in (
            lambda x, c: _where(x >= 0, x, c * x),
            lambda x, c: _where(x > 0, x, c * x),
            lambda x, c: _where(x < 0, c * x, x),
            lambda x, c: _where(x <= 0, c * x, x),
            lambda x, c: jnp.maximum(x, c * x),
        )
    ),
    Pattern(
        lambda x, a: _where(
            x > 0, x, a * jnp.expm1(_where(x > 0, jnp.zeros_like(x), x))
        ),
        _elu,
        parameters=1,
        when=lambda alpha: 0 < alpha <= 1,
    ),
    Pattern(
        lambda x, a: jnp.maximum(x, 0) + a * jnp.expm1(jnp.minimum(x, 0) / a),
        _celu,
        parameters=1,
        when=lambda alpha: alpha > 0,
    ),
    *(
        Pattern(f, _clamped, parameters=2, when=lambda least, most: least <= most)
        for f in (
            lambda x, a, b: jnp.minimum(jnp.maximum(x, a), b),
            lambda x, a, b: jnp.maximum(jnp.minimum(x, b), a),
            lambda x, a, b: _where(x > b, _fill(b, x), _where(x < a, _fill(a, x), x)),
        )
    ),
    Pattern(_fast_variance, _variance, reduces=True),
    Pattern(
        functools.partial(_fast_variance, keepdims=True),
        functools.partial(_variance, keepdims=True),
        reduces=True,
    ),
    *SOFTMAX,
    Pattern(_guarded_share, _guarded_softmax, values=3, reduces=True),
    Pattern(_log_share, _log_softmax, values=2, reduces=True),
    Pattern(
        lambda x, *, axis: jax.nn.logsumexp(x, axis=axis), _logsumexp, reduces=True
    ),
    Pattern(
        lambda x, *, axis: jax.nn.logsumexp(x, axis=axis, keepdims=True),
        lambda x, *, axis: jnp.expand_dims(_logsumexp(x, axis=axis), axis),
        reduces=True,
    ),
    Pattern(
        lambda x, *, axis: jnp.log(jnp.sum(jnp.exp(x), axis=axis)),
        _logsumexp,
        reduces=True,
    ),
]


@functools.cache
def patterns_by_root() -> dict[str, list[Pattern]]:
    """The patterns by the primitive of their result, found by tracing each on small
    arrays."""
    table = {}
    for pattern in _ALL:
        x = jax.ShapeDtypeStruct((2, 3), jnp.float32)
        second = jax.ShapeDtypeStruct((2, 1), jnp.float32) if pattern.reduces else x
        third = jax.ShapeDtypeStruct((2, 3), bool)
        keywords = {"axis": 1} if pattern.reduces else {}
        formula = functools.partial(pattern.formula, **keywords)
        values = [x, second, third][: pattern.values]
        root = Formula(formula, values, pattern.parameters).root
        table.setdefault(root, []).append(pattern)
    return table
