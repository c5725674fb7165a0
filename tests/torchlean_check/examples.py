"""Small certificates that between them use every part of the format."""

import numpy as np

from tests.torchlean_check.builder import Certificate, dyadic, leaf

DOT = {"dimension_numbers": [[[0], [0]], [[], []]]}


def dense(c, x, w, b):
    """x @ w + b for a vector x."""
    w, b = np.asarray(w), np.asarray(b)
    y = c.node("dot_general", [x, c.constant(w)], b.shape, **DOT)
    return c.node("add", [y, c.constant(b)], b.shape)


def relu(c, x, shape):
    return c.node("max", [x, c.constant(np.float32(0))], shape)


def mlp(box=((-1.0, -0.5), (1.0, 1.5)), offset=-7.0) -> Certificate:
    """Two inputs, three hidden neurons, of which one is undecided."""
    c = Certificate()
    x = c.box(*box)
    w = np.array([[1.0, -2.0, 0.5], [0.75, 1.0, 1.0]], np.float32)
    h = dense(c, x, w, np.array([0.25, 8.0, -0.5], np.float32))
    h = relu(c, h, [3])
    w = np.array([[1.0, -1.0], [-0.5, 0.25], [1.0, 1.0]], np.float32)
    c.output(dense(c, h, w, np.array([4.0, 1.0], np.float32)))
    c.property = c.rows([[1, -1]], [offset])
    return c


def conv() -> Certificate:
    """Convolution, ReLU, max-pool, dense, on a 4x4 image in half precision."""
    c = Certificate()
    image = (np.arange(16).reshape(1, 1, 4, 4) - 7).astype(np.float16) / 8
    x = c.box(image - 0.125, image + 0.125, np.float16)
    c.graph["inputs"][0]["dtype"] = "float16"
    kernel = np.array([[[[1, -1], [0.5, 0]]], [[[0, 1], [-1, 0.25]]]], np.float16)
    y = c.node(
        "conv_general_dilated",
        [x, c.constant(kernel)],
        [1, 2, 4, 4],
        window_strides=[1, 1],
        padding=[[1, 0], [0, 1]],
        lhs_dilation=[1, 1],
        rhs_dilation=[1, 1],
        feature_group_count=1,
        batch_group_count=1,
        dimension_numbers=[[0, 1, 2, 3]] * 3,
    )
    y = relu(c, y, [1, 2, 4, 4])
    y = c.node(
        "reduce_window_max",
        [y],
        [1, 2, 2, 2],
        window_dimensions=[1, 1, 2, 2],
        window_strides=[1, 1, 2, 2],
        padding=[[0, 0]] * 4,
        base_dilation=[1] * 4,
        window_dilation=[1] * 4,
    )
    y = c.node("reshape", [y], [8], new_sizes=[8])
    w = (np.arange(16).reshape(8, 2) % 5 - 2).astype(np.float32) / 4
    c.output(dense(c, y, w, np.array([2.0, 0.0], np.float32)))
    c.property = c.rows([[1, -1]], [-2.0])
    return c


def tree() -> Certificate:
    """Cases on an input and on a pre-activation; a disjunction that needs them."""
    c = Certificate()
    x = c.box([-1.0, -1.0], [1.0, 1.0])
    h = dense(c, x, np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([0.0, 0.125]))
    c.output(relu(c, h, [2]), h)
    high = c.rows([[0, 0, 0, 1], [1, 0, 0, 1]], [-0.125, -0.25])
    low = {"all": [c.rows([[0, 1, 0, -1]], [-0.5]), c.rows([[0, 0, 0, -1]], [-1])]}
    c.property = {"any": [high, low]}
    c.proof = [
        {"split": {"value": h, "index": 1, "at": dyadic(0.25)}, "method": "crown"},
        {"split": {"value": x, "index": 0, "at": dyadic(0.5)}},
        leaf(),
        leaf("crown-ibp"),
        leaf("ibp"),
    ]
    return c


def ball(norm: int) -> Certificate:
    c = Certificate()
    x = c.ball([0.5, -0.25], 0.5, norm)
    h = dense(c, x, np.array([[3.0, 1.0], [4.0, -1.0]]), np.array([0.5, 0.0]))
    h = relu(c, h, [2])
    c.output(c.node("concatenate", [h, x], [4], dimension=0))
    c.property = c.rows([[1, 1, -3, -4]], [0.25])
    return c


def slopes() -> Certificate:
    """Stored slopes: one set for each property row, another for the inner bounds."""
    c = Certificate()
    x = c.box([-1.0, -0.5], [1.0, 1.0])
    h = dense(c, x, np.array([[1.0, -1.0], [0.5, 1.0]]), np.array([0.0, 0.25]))
    h = relu(c, h, [2])
    k = dense(c, h, np.array([[1.0, -1.0], [-0.5, 1.0]]), np.array([0.125, 0.0]))
    scaled = c.node("mul", [c.constant(np.float64(0.125)), k], [2])
    k = c.node("max", [k, scaled], [2])
    c.output(k)
    c.property = c.rows([[1, 0], [0, 1]], [-1.5, -2.0])
    final = np.array([[0.5, 0.25], [1.0, 0.0]], np.float32)
    c.proof = [
        leaf(
            refining={str(h): c.array(np.array([0.25, 0.75]))},
            final={str(h): c.array(final), str(k): c.array(np.array([0.5, 0.5]))},
        )
    ]
    return c


def phases() -> Certificate:
    """|u| / 2 and |u| / 2 + |v| / 2, each by cases of its own: their signs as
    constraints, and for one part of them a slope instead."""
    c = Certificate()
    x = c.box([-1.0, -1.0], [1.0, 1.0])
    h = dense(c, x, np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([0.0, 0.125]))
    r = relu(c, h, [2])
    halved = c.node("mul", [h, c.constant(np.float64(0.5))], [2])
    c.output(c.node("sub", [r, halved], [2]))
    c.property = {"all": [c.rows([[1, 0]], [-0.125]), c.rows([[1, 1]], [-0.125])]}
    slopes = c.array(np.array([[0.0], [0.5]], np.float16))
    places = c.array(np.array([1], np.int32))
    half = dyadic(0.5)
    cut = [{"split": {"value": h, "index": k, "at": [0, 0]}} for k in (0, 1)]
    by_signs = [leaf("crown-ibp", split_multipliers=[[half] * n]) for n in (1, 2)]
    by_slope = leaf(
        "crown-ibp",
        final={str(r): [slopes, 1, places]},
        split_multipliers=[[half]],
    )
    c.proof = [
        {"each": 2, "method": "crown"},
        *[cut[0], by_signs[0], by_signs[0]],
        *[cut[0], by_slope, cut[1], by_signs[1], by_signs[1]],
    ]
    return c


def lemmas() -> Certificate:
    """Two neurons of the second layer whose signs are lemmas, proved by cases, in one
    half; the other half is proved by those cases themselves.

    Of inputs x and z, the second layer is relu(x) + 1/16 and relu(z) - relu(x) - 9/8:
    positive and negative, which bounds do not see at once, as relu(x) is written
    relu(2 x) - relu(x).
    """
    c = Certificate()
    x = c.box([-1.0, -1.0], [1.0, 1.0])
    h = dense(c, x, np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros(3))
    w = np.array([[1.0, -1.0], [-1.0, 1.0], [0.0, 1.0]])
    v = dense(c, relu(c, h, [3]), w, np.array([0.0625, -1.125]))
    c.output(v, relu(c, v, [2]))
    c.property = c.rows([[1, 0, -1, -1]], [-0.125])
    signs = [{"value": v, "index": k, "at": [0, 0], "at_most": k == 1} for k in (0, 1)]
    by_x = {"split": {"value": x, "index": 0, "at": [0, 0]}}
    weighed = leaf(split_multipliers=[[[0, 0], dyadic(2**-5)]])
    c.proof = [
        {"split": {"value": x, "index": 1, "at": [0, 0]}, "method": "crown"},
        {"lemmas": signs, "method": "crown"},
        *[by_x, weighed, leaf("crown-ibp")],
        *[by_x | {"method": "crown"}, leaf(), leaf("ibp")],
        leaf("crown-ibp"),
        *[by_x, leaf(), leaf()],
    ]
    return c


def constrained() -> Certificate:
    """Two constraints among a box and a ball, without which neither row holds."""
    c = Certificate()
    x = c.box([-1.0, -1.0], [1.0, 1.0])
    z = c.ball([0.5], 0.25, 2)
    h = dense(c, x, np.array([[1.0, 0.5], [1.0, -1.0]]), np.array([0.25, 0.0]))
    c.output(relu(c, h, [2]), z)
    c.property = {
        "all": [c.rows([[1, 0, -1]], [-0.6875]), c.rows([[0, 1, 0]], [0.6875])]
    }
    c.constraints = [
        c.rows([[1.0, 0.0, -0.5]], [0.5]),
        c.rows([[0.5, -1.0, 0]], [0.75]),
    ]
    c.proof = [leaf(multipliers=c.array([[1.25, 0.0], [0.0, 1.0]]))]
    return c


def zonotope() -> Certificate:
    """A product met twice, less its square: by zonotopes, on two halves."""
    c = Certificate()
    x = c.box([-1.0, 0.5], [1.0, 1.5])
    h = dense(c, x, np.array([[1.0, -0.5], [0.75, 1.0]]), np.array([0.5, 0.25]))
    p = c.node("mul", [relu(c, h, [2]), h], [2])
    low = c.node("reduce_min", [p], [], axes=[0])
    rest = c.node("sub", [p, c.node("square", [h], [2])], [2])
    c.output(rest, low)
    c.property = c.rows([[1, 1, 0], [0, 0, 1]], [-6.0, -4.0])
    cut = {"split": {"value": h, "index": 0, "at": dyadic(0.25)}, "method": "crown-ibp"}
    c.proof = [cut, leaf("zonotope"), leaf("zonotope")]
    return c


def layout() -> Certificate:
    """Layout, constants that are not dyadic, and two inputs."""
    c = Certificate()
    x = c.box([[0.0, 1.0, 2.0]], [[0.5, 1.5, 2.0]])
    z = c.box(1.0, 2.0)
    t = c.node("transpose", [x], [3, 1], permutation=[1, 0])
    index = c.constant(np.array([2, -1, 0, 2], np.int32))
    t = c.node("take", [t, index], [4], fill=dyadic(1.5))
    third = c.constant(np.float32(3))
    t = c.node("div", [t, third], [4])
    weights = c.node("div", [c.constant(np.array([1.0, 2.0, 4.0, 5.0])), third], [4])
    t = c.node("mul", [weights, t], [4])
    which = c.constant(np.array([False, True, True, False]))
    other = c.node("sub", [z, t], [4])
    t = c.node("select_n", [which, t, other], [4])
    total = c.node("reduce_sum", [t], [], axes=[0])
    low = c.node("reduce_min", [t], [], axes=[0])
    c.output(total, low, c.node("abs", [z], []))
    c.property = {"all": [c.rows([[1, 0, 0]], [2.0]), c.rows([[0, 1, 1]], [0.0])]}
    c.assumptions = ["weights were trained in float32"]
    return c


def executions() -> Certificate:
    """Every execution of two layers in float32, with a cast to half precision."""
    c = Certificate()
    x = c.box([-1.0, 0.5], [-0.5, 1.0], np.float32)
    c.graph["inputs"][0]["dtype"] = "float32"
    w = np.array([[1.0, -2.0, 0.5], [0.75, 1.0, 1.0]], np.float32)
    h = relu(c, dense(c, x, w, np.array([0.25, 0.125, 1e-39], np.float32)), [3])
    h = c.node("div", [h, c.constant(np.float32(3))], [3])
    half = c.node("convert_element_type", [h], [3], new_dtype="float16")
    total = c.node("reduce_sum", [half], [], axes=[0])
    c.output(c.node("mul", [total, total], []))
    c.property = c.rows([[1]], [0.0])
    c.error_model = {
        "name": "half an ulp",
        "ulps": {"tanh": 50},
        "quotient": 200,
        "products": {"operand": [1, -24], "rounding": 100},
    }
    return c


EXAMPLES = {
    "mlp": mlp,
    "conv": conv,
    "tree": tree,
    "ball1": lambda: ball(1),
    "ball2": lambda: ball(2),
    "slopes": slopes,
    "phases": phases,
    "lemmas": lemmas,
    "constrained": constrained,
    "zonotope": zonotope,
    "layout": layout,
    "executions": executions,
}
