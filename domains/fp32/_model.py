"""What is assumed of the operations that run: an `ErrorModel`.

Sums, products and roots are correctly rounded, to nearest, with subnormals kept or
flushed; that needs no figures. Figures are needed for library functions, for quotients,
and for products of arrays that run in fewer bits than their dtype says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torchlean_jax.domains._errors import InputError, MissingRuleError
from torchlean_jax.domains.fp32 import _evidence
from torchlean_jax.domains.fp32._evidence import Measured

# Largest error in ulps of binary32, rounded up, the worst over the contexts that were
# tried (vectorised, remainder lanes, in a scan, fused; AVX and AVX-512), jaxlib 0.10.2.
_EVERY_INPUT = {
    "exp": 5.52,
    "exp2": 68.14,
    "expm1": 6.17,
    "log": 1.2,
    "log1p": 2.53,
    "tanh": 6.5,
    "logistic": 2.49,
    "erf": 6.71,
    "sin": 0.57,
    "cos": 0.57,
    "tan": 2.0,
    "rsqrt": 1.25,
    "cbrt": 15.34,
}
# One input in sixteen, or 2^21 of them; at least half as much again as was seen in the
# functions that were not tried in every context.
_SAMPLED = {
    "erf_inv": 100.0,
    "erfc": 100.0,
    "atan": 8.0,
    "sinh": 40.0,
    "cosh": 40.0,
    "pow": 1.0,
    "asin": 4.0,
    "acos": 4.0,
    "asinh": 5.0,
    "acosh": 6.0,
    "atanh": 5.0,
    "atan2": 8.0,
    "log2": 3.0,
}
# In ulps of binary64: twice the worst of 18,000 inputs against Arb, at least 1.
_FLOAT64 = {
    "exp": 3.0,
    "exp2": 1400.0,
    "expm1": 6.0,
    "log": 1.0,
    "log1p": 250.0,
    "tanh": 7.0,
    "logistic": 4.0,
    "erf": 2.0,
    "erfc": 1000.0,
    "sin": 1.1,
    "cos": 1.1,
    "tan": 1.1,
    "rsqrt": 2.0,
    "cbrt": 6.0,
    "asin": 3.0,
    "acos": 3.0,
    "atan": 2.0,
    "asinh": 3.0,
    "acosh": 7.0,
    "atanh": 34.0,
    "sinh": 710.0,
    "cosh": 1000.0,
    "pow": 2.0,
}


@dataclass(frozen=True)
class Products:
    """How arrays are multiplied at one `precision`.

    operand: the relative error with which a factor is read (0: as it is); rounding: the
    error of a sum or product, in units of its accumulator (1: to nearest, 2: truncated,
    as in the matrix units of accelerators).
    """

    operand: float = 0.0
    rounding: float = 1.0


_AS_WRITTEN = Products()


@dataclass(frozen=True)
class ErrorModel:
    """What one backend's operations are assumed to be off by.

    name: said in every claim that rests on it; ulps: library function -> largest error
    in units of the last place of its result, for binary32 (`"tanh/float64"`: for
    float64; narrower formats compute in binary32 and round again); quotient: the
    relative error of a quotient in units of half an ulp (2: it may be computed as
    x * (1 / y)); products: precision -> how arrays are multiplied; provenance: where
    the figures come from; measured: at which places, for `unmeasured`.

    A result smaller than the smallest normal number may be anything of its sign up to
    that, one of a library function up to twice that number. A library function gives no
    result of the wrong sign, but for `cbrt` of a subnormal number, which may be
    anything up to the cube root of a normal one. Sums of binary16 and bfloat16 products
    are accumulated in binary32. Comparisons of a node with itself, and its square, read
    one value; any other two reads of a node may see different roundings of it.
    """

    name: str
    ulps: Mapping[str, float]
    provenance: str
    quotient: float = 2.0
    products: Mapping[str, Products] = dataclasses.field(default_factory=dict)
    measured: tuple[Measured, ...] = ()

    def __hash__(self):
        return hash((self.name, tuple(sorted(self.ulps.items()))))

    def replace(self, name: str, **changes) -> ErrorModel:
        """The model with other assumptions, under another name; `ulps` are added.

        >>> model = ErrorModel.xla_cpu().replace("my libm", ulps={"tanh": 1.0})
        >>> model.ulps["tanh"], model.ulps["log"]
        (1.0, 1.2)
        """
        if name == self.name:
            raise InputError(f"a changed model needs a name of its own, not {name!r}")
        changes["ulps"] = {**self.ulps, **changes.get("ulps", {})}
        return dataclasses.replace(self, name=name, **changes)

    def ulps_of(self, function: str) -> float:
        """MissingRuleError for a function without a figure."""
        if function not in self.ulps:
            raise MissingRuleError(
                f"the error model {self.name!r} has no figure for {function!r}; give "
                f"one: model.replace('...', ulps={{{function!r}: ...}})"
            )
        return self.ulps[function]

    def unmeasured(self) -> str:
        """Which figures are assumed to hold on this backend, though nobody measured
        them here; empty if all were.

        A figure of `replace` counts as measured where the one that it replaces was.
        """
        here = _evidence.environment()
        places = [place for place in self.measured if place.covers(here)]
        known = frozenset().union(*(place.functions for place in places))
        missing = self.ulps.keys() - known
        if places and not missing:
            return ""
        if not known:
            which = "none was measured"
        elif len(missing) < len(known):
            which = f"those of {', '.join(sorted(missing))} were not measured"
        else:
            which = f"only those of {', '.join(sorted(known))} were measured"
        where = _evidence.described(here)
        said = f"the figures of {self.name!r} hold on {where}, where {which} "
        said += "(see `torchlean float bridge`)"
        if here["backend"] != "cpu" and self.products.get("default") == _AS_WRITTEN:
            said += (
                "; products of arrays that state no precision run in their own dtype "
                "(tl.faithful_jit asks for it, a plain jit does not)"
            )
        return said

    def products_at(self, precision) -> Products:
        """How arrays are multiplied at a `precision` as equations state it."""
        name = _name_of(precision)
        if name in self.products:
            return self.products[name]
        if name in ("highest", "f32_f32_f32", "f64_f64_f64"):
            return _AS_WRITTEN
        raise MissingRuleError(
            f"the error model {self.name!r} has no figure for products at precision "
            f"{name!r}; state the highest (jax.default_matmul_precision('highest'))"
        )

    @staticmethod
    def xla_cpu() -> ErrorModel:
        """XLA on x86 CPUs: the default."""
        return _XLA_CPU

    @staticmethod
    def from_evidence(path: str | Path, *, base: ErrorModel | None = None):
        """`base` (by default `xla_cpu`) with the figures of an evidence file.

        path: what `torchlean float bridge` wrote on this backend. A function is taken
        at the worst of the contexts it was measured in, rounded up to hundredths of an
        ulp; where only some inputs were tried, the name of the model says so.

        Raises InputError for a file that is no evidence, was changed, is unfinished or
        speaks of another backend, device, instruction set or jaxlib, and for a function
        that returned NaN or infinity where a number was due, or the other way round.
        """
        ulps, sampled, place = _evidence.figures(Path(path))
        base = base or _XLA_CPU
        name = f"measured on {_evidence.described(_evidence.environment())}"
        name += ", some functions sampled" if sampled else ""
        provenance = f"{Path(path).name}: {', '.join(sorted(ulps))}; {base.provenance}"
        elsewhere = [
            dataclasses.replace(there, functions=there.functions - ulps.keys())
            for there in base.measured
        ]
        measured = (*elsewhere, place)
        return base.replace(name, ulps=ulps, provenance=provenance, measured=measured)

    @staticmethod
    def tf32() -> ErrorModel:
        """Products of unstated precision read their factors in TF32, as GPUs do.

        All other figures are those of `xla_cpu`, for want of a measurement.
        """
        return _TF32

    @staticmethod
    def bf16() -> ErrorModel:
        """Products of unstated precision read their factors in bfloat16, in one pass.

        All other figures are those of `xla_cpu`, for want of a measurement.
        """
        return _BF16


def _name_of(precision) -> str:
    """One word: "default", "high", "highest", or the name of an algorithm."""
    pair = precision if isinstance(precision, tuple) else (precision,)
    names = {_word(p) for p in pair}
    for name in ("default", "high"):  # the coarser of two
        if name in names:
            return name
    return names.pop()


def _word(precision):
    if precision is None:
        return "default"
    return getattr(precision, "name", str(precision)).lower()


# Reading a factor with 11, or 8, significant bits; accelerators truncate their sums.
_TF32_PRODUCTS = Products(operand=2.0**-11, rounding=2.0)
_BF16_PRODUCTS = Products(operand=2.0**-8, rounding=2.0)
_ALGORITHMS = {
    "tf32_tf32_f32": _TF32_PRODUCTS,
    "bf16_bf16_f32": _BF16_PRODUCTS,
}
_ULPS = {
    **_EVERY_INPUT,
    **_SAMPLED,
    **{f"{name}/float64": ulps for name, ulps in _FLOAT64.items()},
}
_XLA_CPU = ErrorModel(
    name="xla-cpu",
    ulps=_ULPS,
    provenance=(
        "jaxlib 0.10.2 on x86-64 with AVX and AVX-512: all 2^32 inputs of "
        + ", ".join(sorted(_EVERY_INPUT))
        + "; samples, with a margin, of "
        + ", ".join(sorted(_SAMPLED))
        + ", and of everything in float64"
    ),
    products={"default": _AS_WRITTEN, "high": _AS_WRITTEN, **_ALGORITHMS},
    measured=(
        Measured(frozenset(_ULPS), "cpu", frozenset(("avx", "avx512f")), "0.10.2"),
    ),
)
_TF32 = _XLA_CPU.replace(
    "tf32 products",
    products={"default": _TF32_PRODUCTS, "high": _TF32_PRODUCTS, **_ALGORITHMS},
)
_BF16 = _XLA_CPU.replace(
    "bfloat16 products", products={"default": _BF16_PRODUCTS, **_ALGORITHMS}
)
