"""Files of a neighbouring project: what follows is accepted, what does not is refused.

Every file is written here. Oracles are closed forms, mpmath, dense grids and Fractions.
"""

# Some rows read as a table.
# ruff: noqa: E501

import importlib
import itertools
import json
import math
import random
import re
from fractions import Fraction

import mpmath
import pytest

import torchlean_check
from tests.torchlean_check.test_mutations import mutated
from torchlean_check import MalformedCertificate, UnsupportedCertificate
from torchlean_check._documents import NEIGHBOURS
from torchlean_check._expressions import parse
from torchlean_check._fixed import exact, fixed


def check(document, folder=None):
    text = json.dumps(document, indent=2)
    if folder is None:
        return torchlean_check.check(text.encode())
    path = folder / "certificate.json"
    path.write_text(text)
    return torchlean_check.check(path)


def accepted(document, folder=None) -> bool:
    try:
        return check(document, folder).accepted
    except MalformedCertificate:
        return False


def changed(document, *path, value):
    """A copy in which one field is another."""
    copy = json.loads(json.dumps(document))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


PIECES = {
    "format": "piecewise_poly_v0",
    "degree": 2,
    "xs": ["-1", "1/2", "2"],
    "ys": ["1", "1/4", "-3/2"],
    "pieces": [
        {"lo": "-1", "hi": "1/2", "coeffs": ["1", "-2", "1"]},
        {"lo": "1/2", "hi": "2", "coeffs": ["1/4", "1/3", "-1"]},
    ],
}
MARGINS = {
    "format": "robust_margin_cert_v0_1",
    "eps": 0.02,
    "num_classes": 3,
    "summary": {"examples": 2, "nominal_ok": 1, "certified_ok": 1},
    "examples": [
        {"label": 1, "pred": 1, "certified": True,
         "logits_lo": [-1.0, 2.5, 0.0], "logits_hi": [0.5, 3.0, 2.25]},
        {"label": 0, "pred": 2, "certified": False,
         "logits_lo": [1.0, 0.0, 0.5], "logits_hi": [2.0, 0.5, 1.0]},
    ],
}  # fmt: skip
LEAVES = {
    "format": "abcrown_leaf_artifact_v0_1",
    "input_dim": 2,
    "root": {"lo": [-1.0, 0.0], "hi": [1.0, 1.0]},
    "leaves": [
        {"lo": [-1.0, 0.0], "hi": [0.25, 1.0], "lb": [0.5], "threshold": [0.0],
         "witness_idx": 0, "witness_margin": 0.5},
        {"lo": [0.25, 0.0], "hi": [1.0, 0.5], "lb": [-1, 0.1], "threshold": [0, 0]},
        {"lo": [0.0, 0.5], "hi": [1.0, 1.0], "lb": [2.0], "threshold": [1.5]},
    ],
}  # fmt: skip
PICTURE = {
    "format": "torchlean.camera.box3d.v1",
    "image_width": 64.0, "image_height": 48.0, "tol": 0.0,
    "camera_P": [10.0, 0.0, 32.0, 0.0, 0.0, 10.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    "corners3d": [c for p in itertools.product((-1.0, 1.0), (-1.0, 1.0), (4.0, 5.0))
                  for c in p],
    "bbox2d": [29.5, 21.5, 34.5, 26.5],
}  # fmt: skip
INTERVALS = {
    "graph": "mlp_graph_workflow_v1",
    "input_box": {"id": 0, "dim": 3, "lo": [0.0, 1.0, 2.0], "hi": [2.0, 3.0, 4.0]},
    "result": {"node_id": 3, "dim": 2, "lo": [230.0, 291.0], "hi": [554.0, 699.0]},
}
QUERY = {
    "format": "crown_query_v1",
    "input_dim": 1,
    "input": {"lo": ["-1"], "hi": ["1"]},
    "layers": [
        {"kind": "linear", "weights": [["1"], ["-1"]], "bias": ["0", "0"]},
        {"kind": "relu", "alpha": ["1/2", "1/2"]},
        {"kind": "linear", "weights": [["1", "1"]], "bias": ["0"]},
    ],
    "query": {"weights": [["1"]], "bias": ["-3/2"], "strict": True},
}
MONOTONE = {
    "format": "monotonicity_v1",
    "input_dim": 2,
    "layers": [
        {"kind": "linear", "weights": [["1/3", "0"]], "bias": ["-7"]},
        {"kind": "relu"},
    ],
}
GRAPH = {
    "format": "torchlean.ir.v1",
    "input_id": 0,
    "output_id": 4,
    "nodes": [
        {"id": 0, "kind": "input", "parents": [], "shape": [2, 4]},
        {"id": 1, "kind": "linear", "parents": [0], "shape": [2, 3]},
        {"id": 2, "kind": "relu", "parents": [1], "shape": [2, 3]},
        {"id": 3, "kind": "permute", "perm": [1, 0], "parents": [2], "shape": [3, 2]},
        {"id": 4, "kind": "matmul", "parents": [2, 3], "shape": [2, 2]},
    ],
}
FILES = [PIECES, MARGINS, LEAVES, PICTURE, INTERVALS, QUERY, MONOTONE, GRAPH]

LOWER = {"meta": {"activation": "tanh"}, "layers.0.weight": [[0.0]],
         "layers.0.bias": [0.0]}  # fmt: skip
UPPER = LOWER | {"layers.0.bias": [1.0]}


def corridor(
    folder, rhs="u*(1-u)", lower=LOWER, upper=UPPER, starts=(0.1, 0.1), **more
):
    """The file, with its networks beside it."""
    (folder / "nets").mkdir(exist_ok=True)
    for name, net in (("lower", lower), ("upper", upper)):
        (folder / "nets" / f"{name}.json").write_text(json.dumps(net))
    one = {
        "t0": 0.0,
        "t1": 5.0,
        "init": {"lo": starts[0], "hi": starts[1]},
        "lowerWeights": "nets/lower.json",
        "upperWeights": "nets/upper.json",
    }
    return {"rhs": rhs, "segments": [one | more], "settings": {"slack": 9.0}}


@pytest.mark.parametrize("document", FILES, ids=lambda d: d.get("format", "intervals"))
def test_what_follows_is_accepted(document, tmp_path):
    report = check(document, tmp_path)
    assert report.accepted, report.reason
    assert "Assumed: " in report.claim


WRONG = [
    (PIECES, ("xs", 1), "3"),
    (PIECES, ("ys", 1), "1/3"),
    (PIECES, ("pieces", 1, "coeffs", 0), "1/2"),
    (PIECES, ("pieces", 1, "coeffs", 2), "-2"),
    (PIECES, ("pieces", 0, "lo"), "-2"),
    (PIECES, ("pieces", 0, "coeffs"), ["1", "-1/2"]),
    (PIECES, ("xs", 0), -1),
    (PIECES, ("xs", 0), "1/0"),
    (MARGINS, ("examples", 0, "logits_lo", 1), 2.25),  # not strict
    (MARGINS, ("examples", 0, "logits_hi", 0), 2.5),
    (MARGINS, ("examples", 0, "certified"), False),
    (MARGINS, ("examples", 1, "logits_hi", 0), 0.9),
    (MARGINS, ("examples", 0, "label"), 3),
    (MARGINS, ("examples", 0, "logits_lo"), [0.0, 3.0]),
    (MARGINS, ("summary", "certified_ok"), 2),
    (MARGINS, ("summary", "nominal_ok"), 2),
    (LEAVES, ("leaves", 0, "hi", 0), 0.0),
    (LEAVES, ("leaves", 0, "lo", 0), -1.5),
    (LEAVES, ("leaves", 1, "hi", 1), 0.4),
    (LEAVES, ("leaves", 0, "lb", 0), 0.0),
    (LEAVES, ("leaves", 1, "lb"), [-1, 0]),
    (LEAVES, ("leaves", 0, "witness_idx"), 1),
    (LEAVES, ("leaves", 0, "witness_margin"), 0.6),
    (LEAVES, ("leaves", 1, "threshold"), [0]),
    (LEAVES, ("leaves", 2, "lo"), [2.0, 0.5]),
    (LEAVES, ("root", "hi", 0), 1.25),
    (PICTURE, ("bbox2d", 0), 29.6),
    (PICTURE, ("bbox2d", 3), 26.4),
    (PICTURE, ("image_width"), 34.0),
    (PICTURE, ("corners3d", 2), 0.0),
    (PICTURE, ("corners3d", 2), -4.0),
    (changed(PICTURE, "bbox2d", value=[0, 0, 64, 48]), ("corners3d", 2), -4.0),
    (PICTURE, ("camera_P", 0), 11.0),
    (PICTURE, ("tol"), -1.0),
    (PICTURE, ("corners3d"), []),
    (INTERVALS, ("result", "lo", 0), 230.0000001),
    (INTERVALS, ("result", "hi", 1), 698.9999999),
    (INTERVALS, ("input_box", "hi", 0), 2.0000001),
    (INTERVALS, ("result", "node_id"), 2),
    (QUERY, ("query", "bias", 0), "-1"),  # attained, and not strict
    (QUERY, ("query", "bias", 0), "-1/2"),
    (QUERY, ("input", "hi", 0), "3"),
    (QUERY, ("layers", 1, "alpha", 0), "3/2"),
    (QUERY, ("layers", 0, "weights", 0), ["1", "1"]),
    (QUERY, ("layers", 1, "kind"), "tanh"),
    (MONOTONE, ("layers", 0, "weights", 0, 1), "-1/100"),
    (MONOTONE, ("layers", 0, "weights", 0, 1), 0.5),
    (GRAPH, ("nodes", 2, "shape"), [3, 2]),
    (GRAPH, ("nodes", 1, "shape"), [3, 3]),
    (GRAPH, ("nodes", 1, "parents"), [1]),
    (GRAPH, ("nodes", 3, "perm"), [0, 0]),
    (GRAPH, ("nodes", 4, "parents"), [2, 2]),
    (GRAPH, ("nodes", 4, "parents"), [2]),
    (
        changed(GRAPH, "nodes", 4, "shape", value=[2, 3]),
        ("nodes", 4, "parents"),
        [2, 2],
    ),
    (GRAPH, ("nodes", 2, "id"), 5),
    (GRAPH, ("input_id"), 1),
    (GRAPH, ("output_id"), 5),
]


@pytest.mark.parametrize(("document", "path", "value"), WRONG)
def test_what_does_not_follow_is_refused(document, path, value):
    path = (path,) if isinstance(path, str) else path
    assert not accepted(changed(document, *path, value=value))


@pytest.mark.parametrize(
    ("document", "path", "value", "words"),
    [
        (PIECES, ("ys", 1), "1/3", "the value at 1/2 is 1/4, not 1/3"),
        (MARGINS, ("examples", 0, "logits_hi", 0), 2.5, "logits_lo[1] <= logits_hi[0]"),
        (LEAVES, ("leaves", 0, "hi", 0), 0.0, "no leaf holds the point"),
        (LEAVES, ("leaves", 0, "lb", 0), 0.0, "lb[0] <= threshold[0]: 0.0 and 0.0"),
        (PICTURE, ("corners3d", 2), -4.0, "depth of point 0 is -4 <= 0"),
        (INTERVALS, ("result", "hi", 1), 698.5, "hi[1] = 698.5 < 699.0"),
        (MONOTONE, ("layers", 0, "weights", 0, 1), "-1", "weights[0][1] = -1 < 0"),
        (GRAPH, ("nodes", 2, "shape"), [3, 2], "the shape is [2, 3], not [3, 2]"),
    ],
)
def test_a_refusal_names_the_inequality(document, path, value, words):
    assert words in check(changed(document, *path, value=value)).reason


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1, "a": 1}', '{"tol": NaN}',
                                  '{"format": "other"}', '{"tol": 1e999}', "{}",
                                  '{"format": 3}', '{"x":' * 2000 + "1" + "}" * 2000]
)  # fmt: skip
def test_what_is_no_document_is_malformed(text):
    with pytest.raises(torchlean_check.CertificateError):
        torchlean_check.check(text.encode())


def test_a_key_that_comes_twice_is_malformed():
    """Of a document that is accepted without: another reader may take the other one."""
    text = json.dumps(MARGINS)
    assert torchlean_check.check(text.encode()).accepted
    key = next(iter(MARGINS))
    twice = f"{text[:-1]}, {json.dumps(key)}: {json.dumps(MARGINS[key])}}}"
    with pytest.raises(MalformedCertificate, match="repeated key"):
        torchlean_check.check(twice.encode())


def test_networks_whose_parameters_are_nowhere_are_refused_by_name():
    for name in ("cnn_graph_workflow_v1", "other"):
        with pytest.raises(UnsupportedCertificate, match=name):
            check(INTERVALS | {"graph": name})
    with pytest.raises(UnsupportedCertificate, match="conv"):
        check(changed(GRAPH, "nodes", 2, "kind", value="conv"))


# Corridors


def test_a_corridor_of_constants(tmp_path):
    """Between 0 and 1, the fixed points of the logistic equation."""
    report = check(corridor(tmp_path), tmp_path)
    assert report.accepted, report.reason
    assert "u(0) between 0.1 and 0.1" in report.claim and "and 1." in report.claim


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"upper": LOWER | {"layers.0.bias": [0.5]}}, "upper' >= f(t, upper)"),
        ({"lower": LOWER | {"layers.0.bias": [0.0625]},
          "upper": LOWER | {"layers.0.bias": [0.5]}}, "upper' >= f(t, upper)"),
        ({"lower": LOWER | {"layers.0.bias": [-0.5]}}, "lower' <= f(t, lower)"),
        ({"starts": (0.1, 1.5)}, "upper(0) = 1.0 < 1.5"),
        ({"starts": (-0.1, 0.5)}, "lower(0) = 0.0 > -0.1"),
        ({"lower": UPPER, "upper": UPPER, "starts": (1.0, 1.0), "rhs": "1/(u-u)"},
         "not defined"),
        # each side solves u' = 0, and 0 lies between, where 0/u is nothing
        ({"lower": LOWER | {"layers.0.bias": [-1.0]}, "rhs": "0/u"}, "not defined"),
        ({"rhs": "log(u-2)"}, "logarithm"),
    ],
)  # fmt: skip
def test_corridors_that_solutions_may_leave(tmp_path, change, words):
    report = check(corridor(tmp_path, **change), tmp_path)
    assert not report.accepted and words in report.reason


def test_segments_have_to_chain(tmp_path):
    document = corridor(tmp_path)
    first = document["segments"][0]
    second = first | {"t0": 5.0, "t1": 6.0, "init": {"lo": 0.0, "hi": 1.0}}
    document["segments"].append(second)
    assert check(document, tmp_path).accepted
    second["init"] = {"lo": 0.1, "hi": 0.2}
    assert "does not hold the end" in check(document, tmp_path).reason
    second |= {"init": {"lo": 0.0, "hi": 1.0}, "t0": 5.5}
    assert "the one before ends at 5" in check(document, tmp_path).reason


def test_networks_with_hidden_units(tmp_path):
    """y = tanh t solves y' = 1 - y^2; one side is flatter, the other steeper."""

    def side(gain):
        return {"meta": {"activation": "tanh"}, "layers.0.weight": [[gain]],
                "layers.0.bias": [0.0], "layers.1.weight": [[gain]],
                "layers.1.bias": [0.0]}  # fmt: skip

    inside = corridor(
        tmp_path, "1-u^2", side(0.9375), side(1.0625), (0.0, 0.0), t1=0.25
    )
    report = check(inside, tmp_path)
    assert report.accepted, report.reason
    outside = corridor(
        tmp_path, "1-u^2", side(1.0625), side(1.125), (0.0, 0.0), t1=0.25
    )
    assert not accepted(outside, tmp_path)


@pytest.mark.parametrize("name", ["nets/absent.json", "/etc/passwd", "../x.json"])
def test_files_that_are_named_badly(tmp_path, name):
    with pytest.raises(MalformedCertificate, match=r"segments\[0\]"):
        check(corridor(tmp_path, lowerWeights=name), tmp_path)
    with pytest.raises(MalformedCertificate, match="as a file"):
        check(corridor(tmp_path))


ENVIRONMENT = {"t": 0.75, "u": -1.25}


@pytest.mark.parametrize(
    "text", ["u*(1-u)", "t - u - 2.5", "2*t^3/4 - -u", "sin(3*u)*cos(t^2)", "exp(-t)",
             "log(t+2)/pi", "8/4/2", "-(u^2)", "(-u)^2*t"],
)  # fmt: skip
def test_expressions_mean_what_they_say(text):
    """Beside Python's own reading, evaluated by mpmath."""
    with mpmath.workdps(40):
        names = {k: mpmath.mpf(v) for k, v in ENVIRONMENT.items()}
        names |= {k: getattr(mpmath, k) for k in ("sin", "cos", "exp", "log", "pi")}
        true = eval(text.replace("^", "**"), names)
        low, high = parse(text, ("t", "u"), "rhs")(
            {k: fixed(Fraction(v)) for k, v in ENVIRONMENT.items()}
        )
        scale = mpmath.mpf(2) ** -96
        assert low * scale <= true <= high * scale
        assert (high - low) * scale < mpmath.mpf(2) ** -80


@pytest.mark.parametrize("text", ["", "u+", "(u", "u)", "-u^2", "u^0", "u^99", "v", "2u",
                                  "sin u", "1e5", "u**2", "(" * 99 + "u" + ")" * 99])  # fmt: skip
def test_expressions_without_one_meaning_are_refused(text):
    with pytest.raises(MalformedCertificate, match="rhs"):
        parse(text, ("t", "u"), "rhs")


# PINN files


def pinn(width=1.0):
    """A network of 3 units, and bounds that leave `width` beside sampled ranges."""
    rng = random.Random(1)
    first = [rng.uniform(-1, 1) for _ in range(3)]
    bias = [rng.uniform(-1, 1) for _ in range(3)]
    last = [rng.uniform(-1, 1) for _ in range(3)]
    points, h, eps = [0.25, 0.5], 0.01, 0.005

    def u(x, order=0):
        return sum(
            c * mpmath.diff(lambda y, a=a, b=b: mpmath.tanh(a * y + b), x, order)
            for a, b, c in zip(first, bias, last, strict=True)
        )

    def spread(x, order, reach):
        found = [float(u(x + reach * k / 4, order)) for k in range(-4, 5)]
        return {"lo": min(found) - width * 1e-3, "hi": max(found) + width * 1e-3}

    seconds = [spread(x, 2, eps) for x in points]
    around = [spread(x, 2, eps + h) for x in points]
    return {
        "model": {"arch": [1, 3, 1], "activations": ["tanh"], "weights": {
            "W1": [[a] for a in first], "b1": bias, "W2": [last], "b2": [0.0]}},
        "pinn": {"pde": "uxx", "domain": [0.0, 1.0], "h": h, "eps": eps,
                 "points": points},
        "residual_bounds": {k: [s[k] for s in around] for k in ("lo", "hi")},
        "residual_bounds_deriv": {k: [s[k] for s in seconds] for k in ("lo", "hi")},
        "u_bounds": [{"x": x, "u_minus": spread(x - h, 0, eps), "u": spread(x, 0, eps),
                      "u_plus": spread(x + h, 0, eps)} for x in points],
    }  # fmt: skip


def test_bounds_of_residuals():
    """Ranges by mpmath's derivatives at points, with a little to spare or to miss."""
    report = check(pinn(1.0))
    assert report.accepted, report.reason
    for path in (("u_bounds", 1, "u", "hi"), ("u_bounds", 0, "u_minus", "lo"),
                 ("residual_bounds_deriv", "lo", 0), ("residual_bounds", "hi", 1)):  # fmt: skip
        good, at = pinn(1.0), None
        at = good
        for key in path:
            at = at[key]
        sign = -1 if "hi" in path else 1
        bad = changed(good, *path, value=at + sign * 1.01e-3)
        # ends that look alike in 17 digits can differ, so the reason has the distance
        assert re.search(r"is derived lies \d\S* beyond", check(bad).reason)
    assert not accepted(changed(pinn(1.0), "pinn", "pde", value="uxx+ux"))
    assert not accepted(changed(pinn(1.0), "pinn", "h", value=0.0))
    assert not accepted(changed(pinn(1.0), "model", "activations", value=["gelu"]))


# Accepted means true, on random cases


def query(rng):
    def number():
        return str(Fraction(rng.randint(-8, 8), rng.choice([1, 2, 3])))

    def linear(n, m):
        rows = [[number() for _ in range(n)] for _ in range(m)]
        return {"weights": rows, "bias": [number() for _ in range(m)]}

    alpha = [str(Fraction(rng.randint(0, 4), 4)) for _ in range(3)]
    last = linear(3, 1)
    document = {
        "format": "crown_query_v1", "input_dim": 2,
        "input": {"lo": ["-1", "-1/2"], "hi": ["1", "1"]},
        "layers": [{"kind": "linear"} | linear(2, 3), {"kind": "relu", "alpha": alpha},
                   {"kind": "linear"} | last],
        "query": {"weights": [[rng.choice(["1", "-2"])]], "bias": ["0"],
                  "strict": False},
    }  # fmt: skip
    return document


def attained(document) -> Fraction:
    """The largest row of a query on a grid of the box, in Fractions."""
    numbers = lambda rows: [[Fraction(v) for v in row] for row in rows]
    first, _, last = document["layers"]
    lo, hi = ([Fraction(v) for v in document["input"][k]] for k in ("lo", "hi"))
    axes = [
        [a + (b - a) * k / 8 for k in range(9)] for a, b in zip(lo, hi, strict=True)
    ]
    best = None
    for x in itertools.product(*axes):
        z = [sum(w * v for w, v in zip(row, x, strict=True)) + Fraction(b)
             for row, b in zip(numbers(first["weights"]), first["bias"], strict=True)]  # fmt: skip
        y = sum(w * max(v, Fraction(0)) for w, v in
                zip(numbers(last["weights"])[0], z, strict=True))  # fmt: skip
        y = (y + Fraction(last["bias"][0])) * Fraction(
            document["query"]["weights"][0][0]
        )
        best = y if best is None else max(best, y)
    return best


def random_queries():
    """No accepted one is false at a point of the grid, and most slack ones are seen."""
    rng, seen = random.Random(2), 0
    for _ in range(60):
        document = query(rng)
        most = attained(document)
        for slack, sure in ((Fraction(-1, 50), False), (Fraction(60), True)):
            document["query"]["bias"] = [str(-most - slack)]
            found = accepted(document)
            assert not found or slack > 0
            seen += found and sure
    assert seen > 30


def covered_grids():
    """Boxes of a random cut cover; without one of them they do not."""
    rng = random.Random(3)
    for _ in range(10):
        boxes = [[(0, 8), (0, 8), (2, 2)]]
        for _ in range(6):
            k = rng.randrange(len(boxes))
            axis = rng.randrange(2)
            a, b = boxes[k][axis]
            if b - a > 1:
                cut = rng.randint(a + 1, b - 1)
                one, two = list(boxes[k]), list(boxes[k])
                one[axis], two[axis] = (a, cut), (cut, b)
                boxes[k : k + 1] = [one, two]
        for drop in (None, *range(len(boxes))):
            kept = [b for k, b in enumerate(boxes) if k != drop]
            if kept:
                leaves = [{"lo": [a for a, _ in b], "hi": [c for _, c in b],
                           "lb": [1], "threshold": [0]} for b in kept]  # fmt: skip
                root = {"lo": [0, 0, 2], "hi": [8, 8, 2]}
                document = {"format": "abcrown_leaf_artifact_v0_1", "input_dim": 3,
                            "root": root, "leaves": leaves}  # fmt: skip
                assert accepted(document) == (drop is None)


@pytest.mark.parametrize("run", [random_queries, covered_grids])
def test_accepted_means_true(run):
    run()


def cases():
    for document in FILES:
        assert accepted(document)
    for document, path, value in WRONG:
        path = (path,) if isinstance(path, str) else path
        assert not accepted(changed(document, *path, value=value))


FAULTS = [
    ("_queries", "_rectified", "-= slope", "+= slope", random_queries),
    ("_queries", "_rectified", "top <= 0", "top <= 1", random_queries),
    ("_queries", "_rectified", "bottom >= 0", "bottom >= -9", random_queries),
    ("_queries", "_combined", "below if weight * sign > 0 else above", "above", random_queries),
    ("_queries", "_least", "lo if c > 0", "lo if c < 0", random_queries),
    ("_queries", "check_monotone", "weight < 0", "weight < -1", cases),
    ("_leaves", "uncovered", "if not near", "if near is None", covered_grids),
    ("_leaves", "_overlap", "c < b and a < d", "c <= b and a <= d", covered_grids),
    ("_leaves", "_leaf", "margin <= 0", "margin < 0", cases),
    ("_leaves", "_leaf", "a < lo or b > hi", "b > hi", cases),
    ("_margins", "_example", "lo[example.label] > hi[rival]", "lo[example.label] >= hi[rival]", cases),
    ("_margins", "Example.rival", "if k != self.label", "if k > self.label", cases),
    ("_picture_files", "check_picture", "depth <= 0", "depth == 0", cases),
    ("_piecewise_files", "check_piecewise", "(b, ys[k + 1])", "(a, ys[k])", cases),
    ("_interval_files", "check_interval_file", "exact(high) > hi", "exact(high) > hi + 1", cases),
    ("_graph_files", "_product", "one[-1] == two[-2]", "True", cases),
    ("_networks", "_activated", "(-2 * ONE, -2 * ONE)", "(-ONE, -ONE)", test_bounds_of_residuals),
    ("_residual_files", "_over_cells", "fixed(a, a + w)", "fixed(a)", test_bounds_of_residuals),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f[1]}-{f[3]}")
def test_planted_faults_are_noticed(fault, monkeypatch):
    module, name, old, new, notices = fault
    home = importlib.import_module(f"torchlean_check.{module}")
    readers = [k for k, v in NEIGHBOURS.items() if v is getattr(home, name, None)]
    with mutated(module, name, old, new):
        for kind in readers:
            monkeypatch.setitem(NEIGHBOURS, kind, getattr(home, name))
        with pytest.raises((AssertionError, IndexError)):
            notices()


def test_a_pole_between_the_sides_is_noticed(tmp_path):
    """Without the hull, 0/u would be fine on both sides of 0."""
    between = 'field({"t": t, "u": (min(low[0], high[0]), max(low[1], high[1]))})'
    document = corridor(tmp_path, "0/u", LOWER | {"layers.0.bias": [-1.0]})
    with mutated("_corridor_files", "_open", between, "None"):
        assert check(document, tmp_path).accepted


def test_fixed_point_intervals_hold_what_mpmath_gives():
    from torchlean_check import _fixed

    rng = random.Random(4)
    with mpmath.workdps(60):
        for name, f in {"exp": mpmath.exp, "log": mpmath.log, "sin": mpmath.sin,
                        "cos": mpmath.cos, "tanh": mpmath.tanh}.items():  # fmt: skip
            for _ in range(20):
                a = rng.uniform(0.01, 3)
                b = a + rng.choice([0.0, 1e-9, rng.uniform(0, 4)])
                low, high = _fixed.FUNCTIONS[name](fixed(Fraction(a), Fraction(b)))
                for x in (a, b, (a + b) / 2, a + (b - a) / 3):
                    true = f(mpmath.mpf(x))
                    assert mpmath.mpf(low) * mpmath.mpf(2) ** -96 <= true
                    assert true <= mpmath.mpf(high) * mpmath.mpf(2) ** -96
    for n in (1, 2, 3, 4):
        low, high = _fixed.power(fixed(Fraction(-2), Fraction(1)), n)
        assert exact(low) == (0 if n % 2 == 0 else (-2) ** n)
        assert exact(high) == (2**n if n % 2 == 0 else 1)
    assert math.isclose(float(exact(_fixed.PI[0])), math.pi)
