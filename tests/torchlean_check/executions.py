"""One floating-point execution of a certificate's graph, in exact fractions.

Each choice that the error model leaves open is drawn at random: the order and tree of a
sum, products fused into sums, subnormals flushed, quotients by way of the inverse, the
last places of functions. Shares nothing with the checker; rounding is checked against
numpy by `test_executions.py`.
"""

import math
from fractions import Fraction

import mpmath
import numpy as np

from tests.torchlean_check.evaluator import OPERATIONS, Claim

FORMATS = {  # bits of the significand, exponent of the smallest normal number
    "float16": (11, -14),
    "bfloat16": (8, -126),
    "float32": (24, -126),
    "float64": (53, -1022),
}


def nearest(value: Fraction, dtype: str) -> Fraction:
    """The nearest number of a format, to even; magnitudes that overflow are not met."""
    bits, least = FORMATS[dtype]
    if value == 0:
        return value
    power = math.floor(math.log2(abs(value))) if abs(value) > 2**-1000 else -1100
    power += abs(value) >= Fraction(2) ** (power + 1)
    power -= abs(value) < Fraction(2) ** power
    unit = Fraction(2) ** (max(power, least) - bits + 1)
    return round(value / unit) * unit


def is_subnormal(value: Fraction, dtype: str) -> bool:
    return 0 < abs(value) < Fraction(2) ** FORMATS[dtype][1]


class Execution:
    """Draws one execution after another, each with habits of its own."""

    def __init__(self, claim: Claim, rng):
        self.claim, self.rng = claim, rng
        self.model = claim.manifest["error_model"]

    def inputs(self, point):
        """The point with its entries rounded to floats; None if that leaves the box."""
        entries, found = self.claim.manifest["input_set"]["inputs"], {}
        dtypes = {
            i["value"]: i["dtype"] for i in self.claim.manifest["graph"]["inputs"]
        }
        for entry in entries:
            value = entry["value"]
            x = self.each(lambda v, d=dtypes[value]: nearest(v, d), point[value])
            lo, hi = (self.claim.arrays[entry[k]] for k in ("lo", "hi"))
            if (x < lo).any() or (x > hi).any():
                return None
            found[value] = x
        return found

    def outputs(self, point) -> np.ndarray:
        graph = self.claim.manifest["graph"]
        rng = self.rng
        self.flushing, self.fusing = rng.choice([0, 0.5, 1]), rng.choice([0, 0.5, 1])
        self.order = rng.choice(["sequential", "reversed", "sorted", "tree", "random"])
        self.dtypes, self.exact, self.values = {}, {}, dict(point)
        self.point, self.constants = point, set()
        for entry in graph["inputs"]:
            self.dtypes[entry["value"]] = entry["dtype"]
        for entry in graph["constants"]:
            table = self.claim.manifest["arrays"][entry["array"]]
            self.dtypes[entry["value"]] = table["dtype"]
            self.values[entry["value"]] = self.claim.arrays[entry["array"]]
            self.constants.add(entry["value"])
        for node in graph["nodes"]:
            self.step(node)
        return np.concatenate([np.ravel(self.read(v)) for v in graph["outputs"]])

    def step(self, node):
        dtype = self.dtypes[node["in"][-1 if node["op"] == "select_n" else 0]]
        op, params, out = node["op"], node["params"], node["out"]
        self.dtypes[out] = params.get("new_dtype", dtype)
        if op in SPECIAL:
            result = SPECIAL[op](self, node, dtype)
        elif op in EXACT:
            operands = [self.read(v) for v in node["in"]]
            result = OPERATIONS[op](*operands, **params, node=node)
        else:
            operands = [self.read(v, may_fuse=op in ("add", "sub")) for v in node["in"]]
            exact = OPERATIONS[op](*operands, **params, node=node)
            exact = np.asarray(exact, object).reshape(node["shape"])
            if op == "mul":
                self.exact[out] = exact
            result = self.each(lambda v: self.rounded(v, self.dtypes[out]), exact)
        result = np.asarray(result, object).reshape(node["shape"])
        self.values[out] = result

    def each(self, function, array):
        flat = [function(v) for v in np.ravel(np.asarray(array, object))]
        return np.array([*flat, None], object)[:-1].reshape(np.shape(array))

    def flushed(self, value, dtype):
        if is_subnormal(value, dtype) and self.rng.random() < self.flushing:
            return Fraction(0)
        return value

    def rounded(self, value, dtype):
        return self.flushed(nearest(value, dtype), dtype)

    def read(self, value, may_fuse=False):
        dtype = self.dtypes[value]
        if dtype not in FORMATS:
            return np.asarray(self.values[value], object)
        if may_fuse and value in self.exact and self.rng.random() < self.fusing:
            return self.exact[value]
        return self.each(lambda v: self.flushed(v, dtype), self.values[value])

    def again(self, value):
        """What some other read finds, of which all that leads there was computed anew,
        as a compiler may that puts it into several loops."""
        other = Execution(self.claim, self.rng)
        other.dtypes, other.exact, other.values = {}, {}, {}
        other.flushing, other.fusing = self.rng.choice([0, 0.5, 1], 2)
        other.order = self.rng.choice(["sequential", "reversed"])
        kept = [v for v in self.values if v in self.point or v in self.constants]
        other.constants, other.point = self.constants, self.point
        for v in kept:
            other.dtypes[v], other.values[v] = self.dtypes[v], self.values[v]
        for node in self.claim.manifest["graph"]["nodes"]:
            if value in other.values:
                break
            other.step(node)
        return other.read(value)

    def sum(self, terms, dtype):
        """Terms are (exact value, whether it is a product yet to be rounded)."""
        rng, terms = self.rng, list(terms)
        if self.order == "reversed":
            terms.reverse()
        elif self.order == "sorted":
            terms.sort(key=lambda t: abs(t[0]), reverse=rng.random() < 0.5)
        elif self.order == "random":
            rng.shuffle(terms)
        terms = [
            (v if raw and rng.random() < self.fusing else self.rounded(v, dtype))
            for v, raw in terms
        ]
        while len(terms) > 1:
            k = rng.integers(len(terms) - 1) if self.order == "tree" else 0
            terms[k : k + 2] = [self.rounded(terms[k] + terms[k + 1], dtype)]
        return self.rounded(terms[0], dtype) if terms else Fraction(0)

    def contraction(self, pairs, dtype):
        inner = "float64" if dtype == "float64" else "float32"
        terms = [(x * y, True) for x, y in pairs]
        return self.rounded(self.sum(terms, inner), dtype)

    def function(self, op, value, dtype):
        """Within the model's ulps of the function, most often at the very end."""
        with mpmath.workdps(60):
            x = mpmath.mpf(value.numerator) / value.denominator
            exact = FUNCTIONS[op](x)
            man, e = mpmath.frexp(exact)
            exact = Fraction(int(mpmath.nint(man * 2**190))) * Fraction(2) ** (e - 190)
        if op == "sqrt" or exact == 0:
            return self.rounded(exact, dtype)
        bits, least = FORMATS[dtype]
        ulps = Fraction(self.model["ulps"][op], 100)
        power = max(math.floor(math.log2(abs(exact))), least)
        unit = Fraction(2) ** (power - bits + 1)
        if self.rng.random() < 0.5:
            return math.floor(exact / unit + ulps) * unit
        return math.ceil(exact / unit - ulps) * unit


def _div(run, node, dtype):
    x, y = (run.read(v) for v in node["in"])
    if run.rng.random() < 0.5:
        return run.each(lambda v: run.rounded(v, dtype), x / y)
    inverse = run.each(lambda v: run.rounded(1 / v, dtype), y)
    return run.each(lambda v: run.rounded(v, dtype), x * inverse)


def _dot(run, node, dtype):
    x, y = (run.read(v) for v in node["in"])
    ((a,), (b,)), _ = node["params"]["dimension_numbers"]
    x, y = np.moveaxis(x, a, -1), np.moveaxis(y, b, -1)
    rows, columns = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    return [
        run.contraction(zip(r, c, strict=True), dtype) for r in rows for c in columns
    ]


def _conv(run, node, dtype):
    """Stride 1, NCHW and OIHW."""
    x, w = (run.read(v) for v in node["in"])
    pads = [(0, 0), (0, 0), *map(tuple, node["params"]["padding"])]
    x = np.pad(x, pads, constant_values=Fraction(0))
    ky, kx = w.shape[2:]
    found = []
    for n, o, i, j in np.ndindex(*node["shape"]):
        patch = x[n, :, i : i + ky, j : j + kx]
        pairs = zip(patch.ravel(), w[o].ravel(), strict=True)
        found.append(run.contraction(pairs, dtype))
    return found


def _reduce_sum(run, node, dtype):
    (x,) = (run.read(v) for v in node["in"])
    (axis,) = node["params"]["axes"]
    x = np.moveaxis(x, axis, -1)
    return [run.sum([(v, False) for v in r], dtype) for r in x.reshape(-1, x.shape[-1])]


def _cumsum(run, node, dtype):
    (x,) = (run.read(v) for v in node["in"])
    return [run.sum([(v, False) for v in x[: k + 1]], dtype) for k in range(len(x))]


def _power(run, node, dtype):
    (x,) = (run.read(v) for v in node["in"])
    result = x
    for _ in range(node["params"]["y"] - 1):
        result = run.each(lambda v: run.rounded(v, dtype), result * x)
    return result


def _function(run, node, dtype):
    (x,) = (run.read(v) for v in node["in"])
    return run.each(lambda v: run.function(node["op"], v, dtype), x)


def _choice(run, node, dtype):
    """Decided by reads of both; or, of x and c x, by the sign of x; or, of x that is
    already kept on the other side of a limit, by what it was before."""
    x, y = node["in"]
    made = {n["out"]: n for n in run.claim.manifest["graph"]["nodes"]}
    before = made.get(x, node)
    kept = before["op"] in ("larger", "smaller") and run.rng.random() < 0.5
    asked = run.again(before["in"][0] if kept else x)
    scaled = y in made and made[y]["op"] in ("mul", "neg") and x in made[y]["in"]
    gap = asked - (0 if scaled else run.again(y))
    gap = gap if node["op"] == "larger" or scaled else -gap
    shape, tie = node["shape"], run.rng.random() < 0.5
    parts = [np.broadcast_to(v, shape).ravel() for v in (gap, run.read(x), run.read(y))]
    rows = zip(*parts, strict=True)
    return [a if gap > 0 or (gap == 0 and tie) else b for gap, a, b in rows]


def _elu(run, node, dtype):
    (x,), (m, e) = node["in"], node["params"]["alpha"]
    guarded = run.rng.random() < 0.5
    found = []
    reads = (
        np.ravel(v) for v in (run.again(x), run.again(x), run.again(x), run.read(x))
    )
    for asked, within, argument, same in zip(*reads, strict=True):
        argument = Fraction(0) if guarded and within > 0 else argument
        below = run.flushed(run.function("expm1", argument, dtype), dtype)
        below = run.rounded(below * m * Fraction(2) ** e, dtype)
        found.append(same if asked > 0 else below)
    return found


FUNCTIONS = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "erf": mpmath.erf,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
}
SPECIAL = {
    "div": _div,
    "dot_general": _dot,
    "conv_general_dilated": _conv,
    "reduce_sum": _reduce_sum,
    "cumsum": _cumsum,
    "integer_pow": _power,
    "larger": _choice,
    "smaller": _choice,
    "elu": _elu,
    **dict.fromkeys(FUNCTIONS, _function),
}
EXACT = frozenset(
    "reshape transpose take select_n concatenate rev copy stop_gradient neg abs max "
    "min reduce_max reduce_min reduce_window_max".split()
)
