"""How far any floating-point execution of a graph is from the real numbers.

Theorem: for every input of a region whose entries are floats, in every execution that
the error model allows, whatever reads an entry of a value finds a finite number within
`errors` of what that entry is over the reals. By induction over the nodes, each of
which rounds in the dtype of its operands (`_roundings`): a result is off by what its
operands carry, and by what the operation itself rounds,

    relative |exact| + absolute + tiny,

where |exact| is at most the real magnitude plus what is carried. The real magnitudes
are those of the boxes of the region. Reads, not results: a product may be fused into
one sum and rounded for another, and a subnormal number be taken for 0 by one operation
and not by the next.

Errors are integers in units of 2**-GRID, rounded up.
"""

from fractions import Fraction
from typing import NamedTuple

from torchlean_check._errors import NotProved, UnsupportedCertificate
from torchlean_check._graph import Program, Value
from torchlean_check._layout import strided, strides
from torchlean_check._matrices import dot
from torchlean_check._schema import FLOATS, checked, dyadic, fail, fields
from torchlean_check._tensor import Tensor, shift

GRID = 192
ONE = 1 << GRID


class Format(NamedTuple):
    """A binary format: half an ulp of 1 is 2**-precision; the smallest normal number is
    2**least, the largest number below 2**most."""

    precision: int
    least: int
    most: int

    @property
    def unit(self) -> Fraction:
        return Fraction(1, 1 << self.precision)

    @property
    def tiny(self) -> int:
        return 1 << max(self.least + GRID, 0)

    @property
    def largest(self) -> int:
        return ((1 << self.precision) - 1) << (self.most - self.precision + GRID)


FORMATS = {
    "float16": Format(11, -14, 16),
    "bfloat16": Format(8, -126, 128),
    "float32": Format(24, -126, 128),
    "float64": Format(53, -1022, 1024),
}


class ErrorModel(NamedTuple):
    """What is assumed of an execution; figures in hundredths.

    ulps: of functions, in units of the last place; quotient: roundings of a quotient;
    rounding: of a sum or product inside a product of arrays; operand: the relative
    error with which that reads its factors.
    """

    name: str
    ulps: dict[str, int]
    quotient: int
    rounding: int
    operand: Fraction

    def relative(self, function: str, dtype: str) -> Fraction:
        """k ulps are at most 2 k units. Narrow formats round what float32 gives."""
        own = f"{function}/float64" if dtype == "float64" else function
        if own not in self.ulps:
            fail("error_model.ulps", f"no figure for {own}")
        more = 0 if dtype in ("float32", "float64") else 50
        return (self.ulps[own] + more) * FORMATS[dtype].unit / 50

    def text(self) -> str:
        ulps = ", ".join(
            f"{name} {_hundredths(k)}" for name, k in sorted(self.ulps.items())
        )
        return (
            f"error model {self.name!r}: each node rounds to nearest, in the dtype of "
            "its operands, with subnormals kept or flushed to 0; sums run in any "
            "order, with products fused into them or not; a quotient rounds "
            f"{_hundredths(self.quotient)} times; products of arrays read their "
            f"factors within a relative {self.operand} and sum in float32 or wider, "
            f"by {_hundredths(self.rounding)} units at each step; functions are within "
            f"ulps of {ulps or '(none is called)'}"
        )


def _hundredths(k: int) -> str:
    return f"{k // 100}.{k % 100:02}".rstrip("0").rstrip(".")


def read_error_model(manifest: dict) -> ErrorModel | None:
    """What a claim about executions assumes of them; None if it is about the reals.

    Nothing is assumed to be better than rounding to nearest.
    """
    entry, where = manifest["error_model"], "error_model"
    if manifest["semantics"] != ("real" if entry is None else "fp32"):
        fail("semantics", "must be real, or fp32 with an error_model")
    if entry is None:
        return None
    kinds = {"name": str, "ulps": dict, "quotient": int, "products": dict}
    entry = fields(entry, where, **kinds)
    inner = f"{where}.products"
    products = fields(entry["products"], inner, operand=(int, int), rounding=int)
    m, e = dyadic(products["operand"], f"{inner}.operand")
    if min(entry["quotient"], products["rounding"]) < 100 or m < 0 or e > 0:
        fail(where, "less than one rounding, or no relative error")
    for name, ulps in entry["ulps"].items():
        if checked(ulps, int, f"{where}.ulps") < 50:
            fail(f"{where}.ulps.{name[:20]}", "less than half an ulp")
    operand = Fraction(m, 1 << -e)
    rest = entry["quotient"], products["rounding"], operand
    return ErrorModel(entry["name"], entry["ulps"], *rest)


def up(value: Fraction | int) -> int:
    return -(-value.numerator // value.denominator)


def grown(factor: Fraction, values: list[int]) -> list[int]:
    """factor * values, rounded up."""
    n, d = factor.numerator, factor.denominator
    return [-(-v * n // d) for v in values]


def times(xs: list[int], ys: list[int]) -> list[int]:
    return [-(-x * y >> GRID) for x, y in zip(xs, ys, strict=True)]


def on_grid(values: list[int], exp: int, up: bool) -> list[int]:
    by = exp + GRID
    if by >= 0:
        return shift(values, by)
    return [-(-v >> -by) if up else v >> -by for v in values]


def accumulated(unit: Fraction, roundings: Fraction | int) -> Fraction:
    """The relative error of a number rounded so many times.

    (1 + u)**n - 1 <= e**s - 1 <= s + s**2 with s = n u <= 1.
    """
    s = unit * roundings
    if s > Fraction(1, 8):
        raise NotProved("too many roundings for the format", "semantics")
    return s + s * s


def plus(*lists: list[int]) -> list[int]:
    return [sum(terms) for terms in zip(*lists, strict=True)]


class Number(NamedTuple):
    """A value over the reals, between lo and hi, and how far reads of it may be."""

    value: Value
    lo: list[int]
    hi: list[int]
    errors: list[int]

    @property
    def real(self) -> list[int]:
        """A bound of the magnitude over the reals."""
        return [max(-a, b) for a, b in zip(self.lo, self.hi, strict=True)]

    @property
    def read(self) -> list[int]:
        """A bound of the magnitude of what is read."""
        return [a + e for a, e in zip(self.real, self.errors, strict=True)]

    def at(self, index) -> "Number":
        lists = (self.lo, self.hi, self.errors)
        return Number(self.value, *([xs[k] for k in index] for xs in lists))

    def spread(self, shape) -> "Number":
        """Scalars and axes of size 1 stand for more, as in a jaxpr."""
        if self.value.shape == shape:
            return self
        known = self.value.shape or (1,) * len(shape)
        pairs = zip(known, strides(known), strict=True)
        return self.at(strided(shape, [step if n > 1 else 0 for n, step in pairs]))


class Rounded(NamedTuple):
    """How a node comes by its errors: what it carries and what it rounds itself."""

    carried: list[int]
    relative: Fraction = Fraction(0)
    absolute: list[int] | None = None


ROUNDINGS: dict = {}


def rounding(*names: str):
    """Register `f(node) -> Rounded` for results that are rounded, or a list of errors
    for results that are exact, of primitives `names`."""

    def register(function):
        for name in names:
            assert name not in ROUNDINGS, name
            ROUNDINGS[name] = function
        return function

    return register


class Node:
    """One node of the graph: its operands as Numbers, its result without errors yet."""

    def __init__(self, executions: "Executions", name, operands, result: Value, params):
        self.executions, self.name, self.params = executions, name, params
        self.result = result
        self.model, self.program = executions.model, executions.program
        self.operands = [executions.number(x) for x in operands if x.dtype in FLOATS]
        self.out = executions.number(result)
        self.dtype = self.operands[0].value.dtype
        if any(x.value.dtype != self.dtype for x in self.operands):
            message = "operands of several dtypes, in one of which a node rounds"
            raise UnsupportedCertificate(message, "semantics")
        self.format = FORMATS[self.dtype]

    @property
    def spread(self) -> list[Number]:
        return [x.spread(self.result.shape) for x in self.operands]


class Executions:
    """The errors of all values of a program over the region of `bounds`."""

    def __init__(self, bounds, model: ErrorModel):
        self.bounds, self.model = bounds, model
        self.program: Program = bounds.program
        self.errors: dict[int, list[int]] = {}
        results = {result.id for _, _, result, _ in self.program.nodes}
        for k in set(self.program.names.values()) - results:
            value = self.program.values[k]
            if value.dtype in FLOATS:
                self.errors[k] = _flushed(bounds.boxes[k], FORMATS[value.dtype])
        for name, operands, result, params in self.program.nodes:
            if name not in ROUNDINGS:
                message = f"{name!r} has no theorem about executions"
                raise UnsupportedCertificate(message, "semantics")
            node = Node(self, name, operands, result, params)
            self.errors[result.id] = _errors(node, ROUNDINGS[name](node))

    def number(self, value: Value) -> Number:
        box, none = self.bounds.boxes[value.id], [0] * value.size
        lo, hi = on_grid(box.lo, box.exp, False), on_grid(box.hi, box.exp, True)
        return Number(value, lo, hi, self.errors.get(value.id, none))

    def lowered(self, row: list[int], exp: int, low: tuple[int, int]):
        """A lower bound of row * 2**exp @ outputs over the reals, of every execution.

        |row| @ errors is subtracted: the row is linear in the outputs.
        """
        errors = [e for y in self.program.outputs for e in self.errors[y.id]]
        slack, unit = dot(map(abs, row), errors), exp - GRID
        v, e = low
        least = min(e, unit)
        return (v << (e - least)) - (slack << (unit - least)), least


def _flushed(box: Tensor, kind: Format) -> list[int]:
    """Inputs and constants are read as they are, a subnormal number possibly as 0."""
    lo, hi = on_grid(box.lo, box.exp, False), on_grid(box.hi, box.exp, True)
    ends = zip(lo, hi, strict=True)
    tiny = kind.tiny
    return [min(max(-a, b), tiny) * (a < tiny and b > -tiny) for a, b in ends]


def _errors(node: Node, found) -> list[int]:
    if isinstance(found, list):
        return found
    result, kind = node.out.real, FORMATS[node.result.dtype]
    exact = [m + c for m, c in zip(result, found.carried, strict=True)]
    own = grown(found.relative, exact)
    absolute = found.absolute or [0] * len(own)
    parts = zip(found.carried, own, absolute, strict=True)
    errors = [c + r + a + kind.tiny for c, r, a in parts]
    limit(node, [m + e for m, e in zip(result, errors, strict=True)])
    return errors


def limit(node: Node, magnitudes: list[int], kind: Format | None = None) -> None:
    """An execution that may overflow proves nothing."""
    kind = kind or FORMATS[node.result.dtype]
    if max(magnitudes) > kind.largest:
        raise NotProved("an execution may overflow", "semantics")
