"""Numbers that know how far floating-point evaluation can have taken them from the
truth.

A `Number` stands for every value that one line of a kernel can have on one piece of its
domain: the ideal real value lies in [lo, hi], the computed float within `err` of it.
Running a kernel on Numbers (arrays: all pieces at once) is a proof of its error bound,
in the standard model

    fl(a op b) = (a op b)(1 + d),  |d| <= u for + - *, |d| <= 4 u for division,

which also covers fused multiply-add: an unrounded product only lacks an error that is
paid for. Underflow is not in the model; `widen` pays for it. A `TrackedPair` mirrors
`_pair.Pair`, operation by operation.

The bounds themselves are float64, moved outward by a factor 1 + 2**-40 after each
operation.
"""

import math

import numpy as np

OUT = 1 + 2.0**-40


class Model:
    """The format that is modelled: unit roundoff and relative size of what a head has
    cut off.
    """

    u = 0.0
    cut = 0.0

    @classmethod
    def set(cls, dtype):
        cls.u = {"float32": 2.0**-24, "float64": 2.0**-53}[dtype]
        cls.cut = {"float32": 2.0**-11, "float64": 2.0**-25}[dtype]


class Number:
    """Ideal values [lo, hi], computed within `err`."""

    __array_ufunc__ = None

    def __init__(self, lo, hi, err=0.0):
        lo, hi, err = np.broadcast_arrays(
            *(np.asarray(a, float) for a in (lo, hi, err))
        )
        self.lo, self.hi, self.err = lo, hi, err * OUT

    @staticmethod
    def of(x):
        return x if isinstance(x, Number) else Number(x, x)

    def size(self):
        """A bound of the ideal value's magnitude."""
        return np.maximum(abs(self.lo), abs(self.hi)) * OUT

    def least(self):
        """A lower bound of the ideal value's magnitude."""
        straddles = (self.lo <= 0) & (self.hi >= 0)
        return np.where(straddles, 0.0, np.minimum(abs(self.lo), abs(self.hi))) / OUT

    def _rounded(self, lo, hi, err, units):
        lo, hi = _outward(lo, hi)
        size = np.maximum(abs(lo), abs(hi)) + err
        return Number(lo, hi, err + units * Model.u * size)

    def __add__(self, other):
        b = Number.of(other)
        return self._rounded(self.lo + b.lo, self.hi + b.hi, self.err + b.err, 1)

    def __mul__(self, other):
        if isinstance(other, float) and math.frexp(other)[0] in (0.5, -0.5):
            return Number(
                *_outward(*_sorted(self.lo * other, self.hi * other)),
                self.err * abs(other),
            )
        b = Number.of(other)
        err = self.size() * b.err + b.size() * self.err + self.err * b.err
        if b is self:
            return self._rounded(self.least() ** 2, self.size() ** 2, err, 1)
        return self._rounded(*_product(self.lo, self.hi, b.lo, b.hi), err, 1)

    def __neg__(self):
        return Number(-self.hi, -self.lo, self.err)

    def __sub__(self, other):
        return self + (-Number.of(other))

    def __rsub__(self, other):
        return Number.of(other) + (-self)

    def __truediv__(self, other):
        b = Number.of(other)
        _require(b.least() > 2 * b.err, "a divisor may vanish")
        lo, hi = _product(self.lo, self.hi, *_outward(1 / b.hi, 1 / b.lo))
        divisor = b.least() - b.err
        err = (self.err + np.maximum(abs(lo), abs(hi)) * b.err) / divisor
        return self._rounded(lo, hi, err, 4)

    def __rtruediv__(self, other):
        return Number.of(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def units(self):
        """The largest relative error, in units of u."""
        _require(self.least() > 0, "a relative error next to a zero")
        return float(np.max(self.err / self.least())) * OUT / Model.u


class TrackedPair:
    """Ideal values [lo, hi]; h + l computed within `err`; |l| <= low."""

    h = None  # kernels pass it to `one`, for its shape

    def __init__(self, h, l=0.0, *, err=0.0, low=None):  # noqa: E741
        """`TrackedPair(1.0, 0.0)` as kernels write it, or an ideal Number with its
        bounds.
        """
        self.ideal = Number.of(h) if low is not None else Number.of(h + l)
        self.err = np.asarray(self.ideal.err + err) * OUT
        self.low = np.asarray(abs(l) if low is None else low) * OUT

    @staticmethod
    def of(x):
        return TrackedPair(x, low=Model.cut * (x.size() + x.err))

    def head(self):
        """The least and largest magnitude that the head can have."""
        slack = self.err + self.low
        return np.maximum(self.ideal.least() - slack, 0.0), self.ideal.size() + slack

    def value(self):
        i = self.ideal
        return Number(i.lo, i.hi, self.err + Model.u * (i.size() + self.err))

    def __neg__(self):
        return TrackedPair(
            Number(-self.ideal.hi, -self.ideal.lo), err=self.err, low=self.low
        )

    def scaled(self, power):
        lo, hi = _sorted(self.ideal.lo * power, self.ideal.hi * power)
        return TrackedPair(
            Number(lo, hi), err=self.err * abs(power), low=self.low * abs(power)
        )

    def corrected(self, correction):
        c = Number.of(correction)
        lo, hi = _outward(self.ideal.lo + c.lo, self.ideal.hi + c.hi)
        low = self.low + c.size() + c.err
        return TrackedPair(
            Number(lo, hi), err=self.err + c.err + Model.u * low, low=low
        )

    def plus(self, other, correction=0.0):
        """`Pair.plus`, with its condition on the order of the terms checked."""
        least, _ = self.head()
        if isinstance(other, TrackedPair):
            allowed = 2 * least
        else:
            other = TrackedPair(Number.of(other), low=0.0)
            allowed = (1 - 4 * Model.cut) * least
        fine = (other.head()[1] <= allowed) | (self.head()[1] == 0)
        _require(fine, "the larger term of a sum must come first")
        return self.sum_with(other, correction)

    def sum_with(self, other, correction=0.0):
        """`Pair.plus` where the code itself has put the terms in order."""
        u, c = Model.u, Number.of(correction)
        lo, hi = _outward(
            self.ideal.lo + other.ideal.lo, self.ideal.hi + other.ideal.hi
        )
        lo, hi = _outward(lo + c.lo, hi + c.hi)
        heads = (
            np.maximum(abs(lo), abs(hi)) + self.err + other.err + self.low + other.low
        )
        heads = heads + c.size() + c.err
        cut_off = 1.01 * Model.cut * heads
        lows = self.low + other.low + c.size() + c.err
        low = (cut_off + lows) * (1 + 4 * u)
        rounding = u * (cut_off + 2 * lows + low)
        err = self.err + other.err + c.err + rounding
        return TrackedPair(Number(lo, hi), err=err, low=low)

    def minus(self, other):
        return self.plus(-other)

    def tidy(self):
        heads = self.ideal.size() + self.err
        cut_off = 1.01 * Model.cut * heads
        return TrackedPair(self.ideal, err=self.err + Model.u * cut_off, low=cut_off)

    def times(self, other):
        u, a, b = Model.u, self, other
        ah, bh = a.head()[1], b.head()[1]
        cross = (ah * b.low + a.low * bh + a.low * b.low) * (1 + 4 * u)
        low = 1.01 * Model.cut * ah * bh + cross
        prop = a.ideal.size() * b.err + b.ideal.size() * a.err + a.err * b.err
        err = prop + u * (3 * cross + low)
        if a is b:
            ideal = Number(a.ideal.least() ** 2, a.ideal.size() ** 2)
        else:
            ideal = Number(*_product(a.ideal.lo, a.ideal.hi, b.ideal.lo, b.ideal.hi))
        return TrackedPair(ideal, err=err, low=low)

    def over(self, other):
        u, n, d = Model.u, self, other
        least = d.ideal.least() - d.err
        _require(least > 0, "a divisor may vanish")
        lo, hi = _product(
            n.ideal.lo, n.ideal.hi, *_outward(1 / d.ideal.hi, 1 / d.ideal.lo)
        )
        size = np.maximum(abs(lo), abs(hi))
        prop = (n.err + size * d.err) / least
        q = (size + prop) * (1 + 2 * Model.cut)
        # Magnitudes of q d.l and of the residual: what the cut leaves of the dividend.
        cross = q * d.low
        residual = (n.ideal.size() + n.err) * (Model.cut + 8 * u) * 1.01
        first = residual + cross + n.low
        rounding = u * (2 * cross + 2 * first + 2 * residual) / least
        low = residual / least * (1 + 8 * u) + rounding
        err = prop + rounding + 8 * u * low
        return TrackedPair(Number(*_outward(lo, hi)), err=err, low=low)

    def sqrt(self):
        u, x = Model.u, self
        least = x.ideal.least() - x.err
        _require(least > 0, "the root of something that may vanish")
        lo, hi = np.sqrt(x.ideal.lo) / OUT, np.sqrt(x.ideal.hi) * OUT
        prop = x.err / (2 * np.sqrt(least)) * OUT
        low = 4 * Model.cut * (hi + prop) * 1.01
        residual = (2 * (hi + prop) + low) * low + x.low
        rounding = (4 * Model.cut**2 + 10 * u) * low + u * residual / lo
        return TrackedPair(Number(lo, hi), err=prop + rounding, low=low)


class TrackedPolynomial:
    """A polynomial as the function it approximates, on the domain of that."""

    def __init__(self, coefficients, bound, low, high):
        self.coefficients, self.bound = coefficients, bound
        self.low, self.high = low, high

    def __call__(self, z):
        inside = (z.lo >= self.low) & (z.hi <= self.high)
        _require(inside, "outside the domain of a polynomial")
        y = Number.of(self.coefficients[-1])
        for c in self.coefficients[-2::-1]:
            y = y * z + c
        return Number(y.lo - self.bound, y.hi + self.bound, y.err + self.bound)


def total(a, b):
    """`_pair.total`, which orders the terms itself."""
    return a.sum_with(b)


def pieces(low, high, count=512):
    """[low, high] in equal pieces."""
    edges = np.linspace(low, high, count + 1)
    return Number(edges[:-1], edges[1:])


def geometric(low, high, per_octave=32):
    """[low, high], 0 < low, in pieces of equal ratio: for errors relative to a
    vanishing value.
    """
    count = math.ceil(per_octave * math.log2(high / low))
    edges = low * (high / low) ** (np.arange(count + 1) / count)
    edges[-1] = max(edges[-1], high)
    return Number(edges[:-1], edges[1:])


def _require(condition, message):
    if not np.all(condition):
        raise ArithmeticError(
            f"{message}: {np.count_nonzero(~np.asarray(condition))} pieces"
        )


def _outward(lo, hi):
    return lo - abs(lo) * 2.0**-40, hi + abs(hi) * 2.0**-40


def _sorted(a, b):
    return np.minimum(a, b), np.maximum(a, b)


def _product(a, b, c, d):
    corners = np.stack(np.broadcast_arrays(a * c, a * d, b * c, b * d))
    return _outward(corners.min(axis=0), corners.max(axis=0))
