"""Claims about executions: runs drawn in exact fractions are the oracle.

Each graph is built so that its runs stray far: what is left out of the slack shows.
"""

from fractions import Fraction

import numpy as np
import pytest

from tests.torchlean_check.builder import Certificate, archive, canonical, exact
from tests.torchlean_check.evaluator import Claim
from tests.torchlean_check.executions import FORMATS, FUNCTIONS, Execution, nearest
from torchlean_check import CertificateError, UnsupportedCertificate, check

ULPS = {
    "exp": 551,
    "expm1": 617,
    "log": 119,
    "log1p": 252,
    "tanh": 649,
    "logistic": 248,
    "erf": 664,
    "sin": 56,
    "cos": 56,
    "rsqrt": 125,
}
MODEL = {
    "name": "as tested",
    "ulps": ULPS,
    "quotient": 200,
    "products": {"operand": [0, 0], "rounding": 100},
}
VECTOR = {"dimension_numbers": [[[0], [0]], [[], []]]}
FAR = 2.0**100
RNG = np.random.default_rng(3)


class Network(Certificate):
    """In float32 unless said; about executions."""

    def __init__(self):
        super().__init__()
        self.error_model = MODEL

    def at(self, x, radius=0.0, dtype=np.float32):
        x = np.asarray(x, dtype)
        value = self.box(x - dtype(radius), x + dtype(radius), dtype)
        self.graph["inputs"][-1]["dtype"] = np.dtype(dtype).name
        return value

    def number(self, x, dtype=np.float32):
        return self.constant(np.asarray(x, dtype))

    def ends(self, value, size):
        self.output(value)
        self.size, self.inner = size, dict(self.arrays)
        return self

    def claiming(self, row):
        """The certificate that row @ outputs is above something far below."""
        self.arrays = dict(self.inner)
        self.property = self.rows([row], [-FAR])
        return self.pack()


def absorbed(c, x, shape):
    """x up to 2**-12 or so: a sum with 2**12, and back."""
    big = c.number(2.0**12)
    return c.node("sub", [c.node("add", [x, big], shape), big], shape)


def uncertain(op):
    """Sums of what an addition left uncertain, all in one direction."""

    def build():
        c, n = Network(), 8
        x, y = (absorbed(c, c.at(np.full(n, a)), [n]) for a in (3.3001, 5.7001))
        if op == "reduce_sum":
            return c.ends(c.node(op, [x], [], axes=[0]), 1)
        return c.ends(c.node(op, [x, y], [], **VECTOR), 1)

    return build


def sums(op, **params):
    """Many terms that cancel: nearly half of what any order may lose."""

    def build():
        c, n = Network(), 40
        terms = np.full(n, 0.75)
        terms[0], terms[-1] = 2.0**24, -(2.0**24)
        x = c.at(terms)
        if op == "dot_general":
            y = c.node(op, [x, c.number(np.ones(n))], [], **VECTOR)
        elif op == "products":
            other = c.at(np.ones(n))
            y = c.node("dot_general", [x, other], [], **VECTOR)
        else:
            y = c.node(op, [x], [n] if op == "cumsum" else [], **params)
        return c.ends(y, n if op == "cumsum" else 1)

    return build


def convolution():
    c = Network()
    image = RNG.integers(-8, 8, (1, 2, 4, 4)) * 2.0**20 + RNG.random((1, 2, 4, 4))
    kernel = RNG.integers(-4, 4, (2, 2, 3, 3)) / 3
    options = {"window_strides": [1, 1], "padding": [[1, 1], [1, 1]]}
    options |= {"lhs_dilation": [1, 1], "rhs_dilation": [1, 1]}
    options |= {"feature_group_count": 1, "batch_group_count": 1}
    numbers = {"dimension_numbers": [[0, 1, 2, 3]] * 3}
    operands = [c.at(image), c.number(kernel)]
    y = c.node("conv_general_dilated", operands, [1, 2, 4, 4], **options, **numbers)
    return c.ends(y, 32)


def absorbing():
    c = Network()
    x = c.at(RNG.random(6) * 2.0**-3)
    return c.ends(absorbed(c, x, [6]), 6)


def underflow(where):
    """2**100 times what may have been flushed to 0."""

    def build():
        c, small = Network(), np.float32([3.1e-39, -7e-39, 1.1e-38] * 4)
        n = len(small)
        ones, small_sums = np.ones(n), np.float32([2e-38, -1.5e-38] * 6)
        if where == "input":
            x = c.at(small)
        elif where == "constant":
            x = c.node("mul", [c.at(ones * 2.0**100), c.number(small)], [n])
            return c.ends(x, n)
        elif where == "weights":
            x = c.at(ones * 2.0**100)
            x = c.node("dot_general", [x, c.number(small)], [], **VECTOR)
            return c.ends(x, 1)
        elif where == "dot":
            small = c.number(abs(small) * np.float32(2.0**60))
            x = c.at(ones * 2.0**-60)
            x = c.node("dot_general", [x, small], [], **VECTOR)
        elif where == "sum":
            x = c.node("reduce_sum", [c.at(small_sums)], [], axes=[0])
        else:
            x = c.at(small * np.float32(2.0**60))
            x = c.node("mul", [x, c.number(2.0**-60)], [n])
        shape = [] if where in ("dot", "sum") else [n]
        y = c.node("mul", [x, c.number(2.0**100)], shape)
        return c.ends(y, 1 if shape == [] else n)

    return build


def elementwise(op, *operands, certain):
    """One operation on operands that are exact, or uncertain by a 2**-12."""

    def build():
        c, n = Network(), len(operands[0])
        xs = [c.at(x) if certain else absorbed(c, c.at(x), [n]) for x in operands]
        return c.ends(
            c.node(op, xs, [n], **({"y": 3} if op == "integer_pow" else {})), n
        )

    return build


def extremes():
    c, base = Network(), RNG.random(6)
    x, y = absorbed(c, c.at(base), [6]), c.at(base)
    big = c.node("max", [x, y], [6])
    small = c.node("min", [x, c.number(0.5)], [6])
    most = c.node("reduce_max", [x], [], axes=[0])
    least = c.node("reduce_min", [x], [], axes=[0])
    pairs = {"window_dimensions": [2], "window_strides": [2], "padding": [[0, 0]]}
    pairs |= {"base_dilation": [1], "window_dilation": [1]}
    pooled = c.node("reduce_window_max", [x], [3], **pairs)
    parts = [c.node("reshape", [v], [1], new_sizes=[1]) for v in (most, least)]
    y = c.node("concatenate", [big, small, *parts, pooled], [17], dimension=0)
    return c.ends(y, 17)


def moves():
    c = Network()
    x = absorbed(c, c.at(RNG.random((2, 3))), [2, 3])
    x = c.node("transpose", [x], [3, 2], permutation=[1, 0])
    index = c.constant(np.array([5, -1, 0, 2, 2], np.int32))
    x = c.node("take", [x, index], [5], fill=[0, 0])
    which = c.constant(np.array([True, False, True, True, False]))
    x = c.node("select_n", [which, x, c.node("neg", [x], [5])], [5])
    x = c.node("rev", [x], [5], dimensions=[0])
    return c.ends(c.node("abs", [x], [5]), 5)


def narrow(dtype):
    """A product of arrays in a narrow format, and casts on both sides of it."""

    def build():
        c, n = Network(), 12
        x = c.at(RNG.random(n))
        w = c.node(
            "convert_element_type", [c.number(RNG.random(n))], [n], new_dtype=dtype
        )
        x = c.node("convert_element_type", [x], [n], new_dtype=dtype)
        y = c.node("dot_general", [x, w], [], **VECTOR)
        z = c.node("reduce_sum", [x], [], axes=[0])
        y = c.node("mul", [y, z], [])
        y = c.node("convert_element_type", [y], [], new_dtype="float32")
        return c.ends(c.node("mul", [y, c.number(3.0)], []), 1)

    return build


def casts(dtype):
    def build():
        c = Network()
        x = c.at(RNG.random(8))
        x = c.node("convert_element_type", [x], [8], new_dtype=dtype)
        x = c.node("convert_element_type", [x], [8], new_dtype="float32")
        return c.ends(x, 8)

    return build


def narrow_products():
    """Of two terms, so that the rounding of the result is most of the error."""
    c = Network()
    x = c.at(1 + RNG.random(2), dtype=np.float16)
    w = c.number(1 + RNG.random((2, 16)), np.float16)
    return c.ends(c.node("dot_general", [x, w], [16], **VECTOR), 16)


def computed_weights():
    """A known operand that was rounded, under a box."""
    c = Network()
    w = c.node("div", [c.number(RNG.random(8)), c.number(3.0)], [8])
    w = absorbed(c, w, [8])
    x = c.at(RNG.random(8), 0.125)
    return c.ends(c.node("dot_general", [x, w], [], **VECTOR), 1)


def network():
    c = Network()
    x, shape = c.at(RNG.random(4) * 8, 2.0**-10), [4]
    for op in ("max", "tanh"):
        w = c.number(RNG.standard_normal((4, 4)))
        x = c.node("dot_general", [x, w], shape, **VECTOR)
        x = c.node("add", [x, c.number(RNG.standard_normal(4) * 1e3)], shape)
        x = c.node("max", [x, c.number(0.0)], shape) if op == "max" else x
    return c.ends(
        c.node("tanh", [c.node("div", [x, c.number(999.0)], shape)], shape), 4
    )


def softmax(certain):
    """As jax.nn.softmax is written."""

    def build():
        c, n = Network(), 5
        x = c.at([0.3, -1.7, 2.1, 2.0, -6.5], 2.0**-10)
        x = x if certain else absorbed(c, x, [n])
        top = c.node("reduce_max", [x], [], axes=[0])
        x = c.node("exp", [c.node("sub", [x, top], [n])], [n])
        total = c.node("reduce_sum", [x], [], axes=[0])
        return c.ends(c.node("div", [x, total], [n]), n)

    return build


TURNS = [-0.9, -0.6, -0.5, -0.25, 0.0, 0.25, 0.5, 0.6, 0.9]


def unsure(c):
    """exp(x) - 33 / 32 near to 0: one read may be higher by half of 2**-20, another
    lower, than it is over the reals."""
    x = c.at(np.log(1.03125 + np.array(TURNS) * 2.0**-20))
    n = len(TURNS)
    x = c.node("exp", [x], [n])
    return c.node("sub", [x, c.number(1.03125)], [n]), n


def leaky(slope, negated=False):
    def build():
        c = Network()
        x, n = unsure(c)
        op = "larger" if slope <= 1 else "smaller"
        if negated:
            return c.ends(c.node(op, [x, c.node("neg", [x], [n])], [n]), n)
        steep = c.node("mul", [x, c.number(slope)], [n])
        return c.ends(c.node(op, [x, steep], [n]), n)

    return build


def between(low, high):
    """hard_tanh around what is uncertain: limits in units of 2**-20."""

    def build():
        c = Network()
        x, n = unsure(c)
        x = c.node("larger", [x, c.number(low * 2.0**-20)], [n])
        return c.ends(c.node("smaller", [x, c.number(high * 2.0**-20)], [n]), n)

    return build


def elu(alpha, where=None):
    def build():
        c = Network()
        x, n = unsure(c) if where is None else (c.at(where), len(where))
        alpha_pair = Fraction(float(np.float32(alpha))).as_integer_ratio()
        m, e = alpha_pair[0], 1 - alpha_pair[1].bit_length()
        return c.ends(c.node("elu", [x], [n], alpha=[m, e]), n)

    return build


NEAR = [0.5001, 0.75, 1.3, 2.2]
FLUSHED = "input constant weights dot sum product".split()
OPERANDS = {
    **{op: [NEAR] for op in (*FUNCTIONS, "square", "integer_pow")},
    "logistic": [[2.4e-4, 0.75, 1.3, 2.2]],
    "add": [NEAR, [3.3, -1.7, 0.9, 1e-3]],
    "mul": [NEAR, [3.3, -1.7, 0.9, 1e-3]],
    "div": [[1e-3, 1.7, -2.9, 3.3], NEAR],
}
GRAPHS = {
    "dot": sums("dot_general"),
    "products": sums("products"),
    "products of what is uncertain": uncertain("dot_general"),
    "sum of what is uncertain": uncertain("reduce_sum"),
    "sum": sums("reduce_sum", axes=[0]),
    "cumsum": sums("cumsum", axis=0, reverse=False),
    "convolution": convolution,
    "absorbing": absorbing,
    **{f"underflow in {where}": underflow(where) for where in FLUSHED},
    **{op: elementwise(op, *xs, certain=True) for op, xs in OPERANDS.items()},
    **{
        f"{op} of what is uncertain": elementwise(op, *xs, certain=False)
        for op, xs in OPERANDS.items()
    },
    "extremes": extremes,
    "moves": moves,
    "bfloat16": narrow("bfloat16"),
    "float16": narrow("float16"),
    "casts to float16": casts("float16"),
    "casts to bfloat16": casts("bfloat16"),
    "narrow products": narrow_products,
    "computed weights": computed_weights,
    "network": network,
    "softmax": softmax(certain=True),
    "softmax of what is uncertain": softmax(certain=False),
    **{f"leaky {slope}": leaky(slope) for slope in (0.0, 0.2, 1.0, 2.5, -0.7)},
    "magnitude": leaky(-1.0, negated=True),
    "hard tanh": between(-0.2, 0.3),
    "hard tanh at a point": between(0.1, 0.1),
    "hard tanh inside": between(-100, 100),
    **{f"elu {alpha}": elu(alpha) for alpha in (0.001, 0.25, 1.0, 1.75, 5.0)},
    "elu": elu(1.0, [-30.0, -1.1, -1e-4, -1e-40, 0.0, 1e-40, 0.3]),
}


def runs_stay_above(name, draws=40):
    """Every drawn run stays within what the checker derived for each output, from below
    and from above; the largest share of the slack that a run used."""
    RNG.bit_generator.state = np.random.default_rng(3).bit_generator.state
    return within(GRAPHS[name](), draws)  # the same whatever was drawn before


def within(c, draws):
    rng = np.random.default_rng(7)
    unit = np.eye(c.size, dtype=int)
    rows, margins, worst = [*unit, *-unit], [], Fraction(0)
    for row in rows:
        blob = c.claiming(row)
        report = check(blob)
        assert report.accepted, report.reason
        margins.append(exact(report.margin) - Fraction(FAR))
    claim = Claim(blob)
    run = Execution(claim, rng)
    for point in claim.points(draws, rng):
        point = run.inputs(point)
        if point is None:
            continue
        y, real = run.outputs(point), claim_outputs(claim, point)
        for row, margin in zip(rows, margins, strict=True):
            assert row @ y >= margin
            if real is not None and row @ real > margin:
                worst = max(worst, (row @ real - row @ y) / (row @ real - margin))
    return worst


def claim_outputs(claim, point):
    try:
        return claim.outputs(point)
    except KeyError:
        return None  # a function that has no fractions


@pytest.mark.parametrize("name", GRAPHS)
def test_every_run_is_above_the_margin(name):
    runs_stay_above(name)


@pytest.mark.parametrize("scale", [1.0, 2.0**-126, 2.0**-140])
@pytest.mark.parametrize("slope", [0.0, 2.0**-20, 0.2, 1.0])
def test_a_choice_by_the_sign_of_what_may_be_flushed(scale, slope):
    """A comparison that finds 0 for a subnormal number returns the smaller one."""
    c, n = Network(), 4
    where = np.float32([-1.3, -0.1, 0.01, 0.9]) * np.float32(scale)
    x = c.at(where, np.float32(max(abs(where)) / 8))
    steep = c.node("mul", [x, c.number(slope)], [n])
    within(c.ends(c.node("larger", [x, steep], [n]), n), 60)


@pytest.mark.parametrize("name", ["dot", "sum", "absorbing", "underflow in product"])
def test_runs_come_near_to_the_margin(name):
    """Else the suite could not tell a forgotten term."""
    assert runs_stay_above(name) > 0.3


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_oracle_rounds_as_numpy_does(dtype):
    bits = RNG.integers(0, 2**63, 300).astype(np.uint64)
    wide = bits.view(np.float64)
    wide = wide[np.isfinite(wide) & (abs(wide) < np.finfo(dtype).max / 2)]
    wide = np.concatenate([wide, RNG.standard_normal(200) * 2.0**-14, [0.0, 2.0**-149]])
    for v in wide:
        with np.errstate(over="ignore", under="ignore"):
            expected = Fraction(float(np.asarray(v).astype(dtype)))
        assert nearest(Fraction(float(v)), dtype) == expected
    assert set(FORMATS) > {dtype}


def overflowing():
    """The sum is inf in an execution; over the reals it is above anything asked."""
    c = Network()
    x = c.at(np.full(3, 3e38))
    y = c.node("reduce_sum", [x], [], axes=[0])
    c.output(c.node("add", [y, y], []))
    c.property = c.rows([[1.0]], [1.0])
    return c


def test_what_may_overflow_is_rejected():
    c = overflowing()
    report = check(c.pack())
    assert not report.accepted and "overflow" in report.reason
    c.error_model = None
    assert check(c.pack()).accepted


def inverted():
    """x may be 2**-13 or so over the reals, and 0 in an execution."""
    c = Network()
    x = absorbed(c, c.at([2.0**-13]), [1])
    c.output(c.node("div", [c.number([1.0]), x], [1]))
    c.property = c.rows([[1.0]], [0.0])
    return c


def test_what_may_divide_by_zero_is_rejected():
    report = check(inverted().pack())
    assert not report.accepted and "divide by zero" in report.reason


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ulps": {**ULPS, "tanh": 49}}, "less than half an ulp"),
        ({"ulps": {**ULPS, "tanh": 1.5}}, "not an integer"),
        ({"ulps": {"exp": 100}}, "no figure for tanh"),
        ({"quotient": 99}, "less than one rounding"),
        ({"products": {"operand": [0, 0], "rounding": 0}}, "less than one rounding"),
        ({"products": {"operand": [-1, -9], "rounding": 100}}, "less than one"),
        ({"products": {"operand": [3, 2], "rounding": 100}}, "no relative error"),
        ({"unknown": 1}, "unknown field"),
    ],
)
def test_error_models_that_assume_too_much_are_refused(change, message):
    refused(change, message)


def refused(change, message="less than"):
    c = network()
    c.claiming([1, 0, 0, 0])
    c.error_model = {**MODEL, **change}
    with pytest.raises(CertificateError, match=message):
        check(c.pack())


def test_a_claim_without_its_model_is_refused():
    c = network()
    c.claiming([1, 0, 0, 0])
    whole = c.manifest()
    for semantics, model in (("real", MODEL), ("fp32", None), ("ieee", MODEL)):
        manifest = {**whole, "semantics": semantics, "error_model": model}
        if model is None:
            del manifest["error_model"]
        blob = archive({**c.members(), "manifest.json": canonical(manifest)})
        with pytest.raises(CertificateError, match="semantics"):
            check(blob)


def test_the_claim_prints_the_whole_model():
    c = network()
    blob = c.claiming([1, 0, 0, 0])
    claims = {check(blob).claim}
    products = {"operand": [1, -11], "rounding": 200}
    for change in (
        {"name": "other"},
        {"ulps": {**ULPS, "tanh": 650}},
        {"quotient": 250},
        {"products": products},
    ):
        c.error_model = {**MODEL, **change}
        report = check(c.pack())
        assert report.accepted and report.claim not in claims
        claims.add(report.claim)
    assert "v0 float32" in report.claim and "1/2048" in report.claim


@pytest.mark.parametrize("odd", ["weights", "input"])
def test_operands_of_two_dtypes_are_refused(odd):
    c = Network()
    wide = {odd: np.float64}
    x = c.at([1.0, 2.0], dtype=wide.get("input", np.float32))
    w = c.number([0.5, 0.25], wide.get("weights", np.float32))
    c.ends(c.node("mul", [x, w], [2]), 2)
    with pytest.raises(UnsupportedCertificate, match="several dtypes"):
        check(c.claiming([1, 1]))


def test_what_has_no_theorem_is_refused():
    c = Network()
    c.ends(c.node("softplus", [c.at([1.0])], [1]), 1)
    with pytest.raises(UnsupportedCertificate, match="no theorem about executions"):
        check(c.claiming([1]))


def test_figures_of_float64_are_its_own():
    c = Network()
    c.ends(c.node("tanh", [c.at([1.0], dtype=np.float64)], [1]), 1)
    with pytest.raises(CertificateError, match="no figure for tanh/float64"):
        check(c.claiming([1]))
    c.error_model = {**MODEL, "ulps": {"tanh/float64": 700}}
    margin = exact(check(c.claiming([1])).margin) - Fraction(FAR)
    assert Fraction(np.tanh(1.0)) - 17 * Fraction(2) ** -53 < margin
