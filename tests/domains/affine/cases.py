"""One case per rule: the function in ball arithmetic, its domain, and where it is
delicate.

Everything here is Arb (python-flint) or rational arithmetic: the oracle is not our own
code.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace

import flint

flint.ctx.prec = 160


def ball(x):
    """A float or Fraction as an Arb ball (exactly)."""
    x = Fraction(x)
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


@dataclass(frozen=True)
class Case:
    """f(ball) -> ball; lo, hi: the domain that is sampled; special: points to look
    at."""

    name: str
    f: Callable
    lo: float = -30.0
    hi: float = 30.0
    special: tuple = (0.0,)
    params: dict = field(default_factory=dict)
    label: str = ""
    within: tuple = (-float("inf"), float("inf"))  # beyond which no line may be given
    rationally: Callable | None = None  # f on Fractions, where it is rational

    def __str__(self):
        return self.label or self.name

    @property
    def operation(self):
        return SimpleNamespace(name=self.name, params=self.params)


def _logistic(x):
    return 1 / (1 + (-x).exp())


def _cbrt(x):
    if x < 0:
        return -_cbrt(-x)
    return flint.arb(0) if x == 0 else x.root(3)


def _power(n):
    return lambda x: x**n if n >= 0 else 1 / x ** (-n)


def _gelu_erf(scale):
    return lambda x: x * (-x * ball(scale)).erfc() / 2


def _gelu_tanh(scale, cubic):
    return lambda x: x * (1 + (ball(scale) * (x + ball(cubic) * x**3)).tanh()) / 2


def _elu(alpha, scale):
    return lambda x: x if x >= 0 else ball(alpha) * (x / ball(scale)).expm1()


def _leaky(c):
    return lambda x: (
        x if x >= 0 else x * (ball(c) if isinstance(x, flint.arb) else Fraction(c))
    )


ERF = {"scale": 0.7071067690849304}
TANH = {"scale": 0.7978845834732056, "cubic": 0.044714998453855515}
INF = float("inf")

SMOOTH = [
    Case("exp", lambda x: x.exp()),
    Case("exp2", lambda x: flint.arb(2) ** x),
    Case("expm1", lambda x: x.expm1()),
    Case("log", lambda x: x.log(), 1e-6, 1e3, (1.0,), within=(0.0, INF)),
    Case(
        "log2",
        lambda x: x.log() / flint.arb(2).log(),
        1e-6,
        1e3,
        (1.0,),
        within=(0.0, INF),
    ),
    Case("log1p", lambda x: x.log1p(), -0.999, 1e3, within=(-1.0, INF)),
    Case("sqrt", lambda x: x.sqrt(), 0.0, 1e3, (0.0, 1.0), within=(-1e-300, INF)),
    Case("rsqrt", lambda x: x.rsqrt(), 1e-6, 1e3, (1.0,), within=(0.0, INF)),
    Case("cosh", lambda x: x.cosh(), -20, 20),
    Case("acosh", lambda x: x.acosh(), 1.0, 1e3, (1.0,), within=(0.99999, INF)),
    Case("call:softplus", lambda x: x.exp().log1p(), -60, 60),
    Case("tanh", lambda x: x.tanh(), -12, 12),
    Case("logistic", _logistic),
    Case("erf", lambda x: x.erf(), -8, 8),
    Case("erfc", lambda x: x.erfc(), -8, 8),
    Case("atan", lambda x: x.atan(), -1e3, 1e3),
    Case("asinh", lambda x: x.asinh(), -1e3, 1e3),
    Case("cbrt", _cbrt, -1e3, 1e3),
    Case("sinh", lambda x: x.sinh(), -20, 20),
    Case(
        "asin", lambda x: x.asin(), -1, 1, (0.0, 1.0, -1.0), within=(-1.00001, 1.00001)
    ),
    Case(
        "acos", lambda x: x.acos(), -1, 1, (0.0, 1.0, -1.0), within=(-1.00001, 1.00001)
    ),
    Case("atanh", lambda x: x.atanh(), -0.9999, 0.9999, within=(-1.0, 1.0)),
    Case("tan", lambda x: x.tan(), -1.55, 1.55, within=(-1.5708, 1.5708)),
    Case("sin", lambda x: x.sin(), -40, 40, (0.0, 1.5707963, 3.1415927, -6.2831855)),
    Case("cos", lambda x: x.cos(), -40, 40, (0.0, 1.5707963, 3.1415927, -6.2831855)),
    Case(
        "call:silu",
        lambda x: x * _logistic(x),
        special=(0.0, 2.3993573, -2.3993573, -1.278),
    ),
    Case("call:gelu_erf", _gelu_erf(**ERF), -9, 9, (0.0, 1.4142135, -1.4142135), ERF),
    Case("call:gelu_tanh", _gelu_tanh(**TANH), -9, 9, (0.0, 1.418504, -1.418504), TANH),
    *(
        Case(
            "call:elu", _elu(a, s), params={"alpha": a, "scale": s}, label=f"elu{a, s}"
        )
        for a, s in ((1.0, 1.0), (0.5, 1.0), (1.5, 1.5))
    ),
]
RATIONAL = [
    Case("square", lambda x: x * x, -1e3, 1e3, rationally=lambda x: x * x),
    *(
        Case(
            "integer_pow",
            _power(n),
            -20,
            20,
            (0.0, 1.0),
            {"y": n},
            f"x**{n}",
            within=(-INF, INF) if n >= 0 else (0.0, INF),
            rationally=_power(n),
        )
        for n in (0, 1, 2, 3, 4, 5, 7, -1, -2, -3)
    ),
    Case("abs", abs, -1e3, 1e3, rationally=abs),
    *(
        Case(
            "call:leaky_relu",
            None,
            -1e3,
            1e3,
            (0.0,),
            {"negative_slope": c},
            f"leaky{c}",
            rationally=_leaky(c),
        )
        for c in (0.009999999776482582, 0.5, 0.125)
    ),
    Case("floor", None, -20, 20, (0.0, 1.0, -3.0), rationally=lambda x: x.__floor__()),
    Case("ceil", None, -20, 20, (0.0, 1.0, -3.0), rationally=lambda x: x.__ceil__()),
    Case("round", None, -20, 20, (0.5, 1.0, -2.5), rationally=round),
]
CASES = SMOOTH + RATIONAL

# Rules of several operands, and those with one made from another rule, have tests of
# their own.
OF_SEVERAL = {"max", "min", "clamp", "select_n", "div", "pow"}
# Their planes hold at whole numbers alone.
OF_WHOLE_NUMBERS = {"call:rounded_shift", "call:table"}
