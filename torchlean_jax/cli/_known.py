"""`torchlean verify robustness` and `crown-ops`: graphs with answers known by hand.

Each row has the exact range of a function on a box and the range that CROWN must stay
within; the derivation is in the docstring beside it. Bounds that do not contain the
exact range are wrong. Bounds beyond the second range are not what CROWN gives.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

import torchlean_check
import torchlean_jax as tl
from torchlean_jax._verdict import at_least, at_most
from torchlean_jax.cli import _arguments, _output

# Corners of a box lie within 2 ulp of the real ones (2**-22 for numbers below 2), no
# function here grows by more than 8 per unit, and its float32 output, below 16, moves
# outward by one ulp (2**-20).
ROUNDING = 8 * 2**-22 + 2**-20

ROBUSTNESS = """\
Bounds and verdicts of a two-class classifier, beside answers derived by hand. Its
logits are 2a + b/2 and -a + 3b/2, and the input is a = 1.5, b = 0.5. The margin of
class 0 is 3a - b, so within r in each input it is exactly [4 - 4r, 4 + 4r]: [3.6, 4.4]
at r = 0.1, and -1 at worst at r = 1.25."""

CROWN_OPS = """\
Bounds of one small graph for each kind of relaxation, beside answers derived by hand:
ReLU, maximum, product, square (a mean-squared-error loss) and a difference of softmax
outputs."""

EXIT = """\
exit code: 0 if every answer is as derived, 1 if one is not, 2 for bad input, 3 if a
verdict stays unknown."""


@dataclass(frozen=True)
class Graph:
    """A function on a box, its exact range there, and what CROWN must stay within."""

    name: str
    function: Callable
    box: tl.Interval
    exact: tuple[float, float]
    crown: tuple[float, float]


def logits(x):
    return jnp.array([[2.0, 0.5], [-1.0, 1.5]]) @ x


def margin(radius: float = 0.1) -> Graph:
    """3a - b is linear: CROWN is exact. (Intervals of the logits give [3.5, 4.5].)"""
    around = tl.box(jnp.array([1.5, 0.5]), radius=radius)
    exact = 4 - 4 * radius, 4 + 4 * radius
    return Graph("margin", lambda x: logits(x)[0] - logits(x)[1], around, exact, exact)


def absolute() -> Graph:
    """relu(x) + relu(-x) = |x| on [-1, 2].

    Upper lines: the chords 2/3 (x + 1) and 1/3 (2 - x) add up to x/3 + 4/3, at most 2.
    Below, both terms are at least 0. So [0, 2], exactly.
    """
    return Graph(
        "relu(x) + relu(-x)",
        lambda x: jax.nn.relu(x) + jax.nn.relu(-x),
        tl.box(-1.0, 2.0),
        (0.0, 2.0),
        (0.0, 2.0),
    )


def tilted_relu() -> Graph:
    """relu(x) - x/2 = |x|/2 on [-1, 1]: [0, 1/2].

    Above, the chord (x + 1)/2 leaves exactly 1/2. Below, CROWN takes the line 0 or the
    line x under ReLU, which leaves -x/2 or x/2: -1/2 at worst. (The line x/2 would
    leave 0; choosing it is what alpha-CROWN does.)
    """
    return Graph(
        "relu(x) - x/2",
        lambda x: jax.nn.relu(x) - x / 2,
        tl.box(-1.0, 1.0),
        (0.0, 0.5),
        (-0.5, 0.5),
    )


def maximum() -> Graph:
    """max(a, b) on a in [-1, 2], b in [0, 1]: at least b's 0, at most a's 2."""
    around = tl.box(jnp.array([-1.0, 0.0]), jnp.array([2.0, 1.0]))
    return Graph("max(a, b)", lambda x: jnp.maximum(x[0], x[1]), around, (0, 2), (0, 2))


def product() -> Graph:
    """ab on a in [1, 2], b in [3, 4]: 3 to 8.

    McCormick's planes 3a + b - 3 below and 4a + b - 4 above reach exactly these.
    """
    around = tl.box(jnp.array([1.0, 3.0]), jnp.array([2.0, 4.0]))
    return Graph("a b", lambda x: x[0] * x[1], around, (3, 8), (3, 8))


def squared_error() -> Graph:
    """((a - 1)^2 + (b - 1)^2) / 2 on a in [0, 2], b in [1, 3].

    The first square spans [0, 1], the second [0, 4], so the mean spans [0, 5/2]. Chords
    are exact at the corners, where the maximum is, and a square is never negative.
    """
    around = tl.box(jnp.array([0.0, 1.0]), jnp.array([2.0, 3.0]))
    return Graph(
        "mean squared error",
        lambda x: jnp.mean(jnp.square(x - jnp.array([1.0, 1.0]))),
        around,
        (0.0, 2.5),
        (0.0, 2.5),
    )


def softmax_difference() -> Graph:
    """p_0 - p_1 of softmax(x, -x) is tanh x: on [-1, 1], -tanh 1 to tanh 1.

    Each p spans [1 / (1 + e^2), 1 / (1 + e^-2)] on its own, and the ends of these
    differ by tanh 1 as well, so CROWN must not be looser than that.
    """

    def difference(x):
        p = jax.nn.softmax(jnp.stack([x, -x]))
        return p[0] - p[1]

    exact = -math.tanh(1), math.tanh(1)
    return Graph("softmax difference", difference, tl.box(-1.0, 1.0), exact, exact)


OPERATIONS = (
    absolute,
    tilted_relu,
    maximum,
    product,
    squared_error,
    softmax_difference,
)


def add_to(commands) -> None:
    for name, run, text in (
        ("robustness", robustness, ROBUSTNESS),
        ("crown-ops", crown_ops, CROWN_OPS),
    ):
        command = _arguments.add_command(commands, name, run, text=text, examples=EXIT)
        _arguments.add_method(command)
        _arguments.add_computing(command)


def robustness(options) -> int:
    with _arguments.on_device(options.device) as device:
        rows = [bounds_row(margin(), options.method)]
        rows += [
            verdict_row(0.1, "proved", options),
            verdict_row(1.25, "refuted", options),
        ]
    return report(rows, options, device)


def crown_ops(options) -> int:
    with _arguments.on_device(options.device) as device:
        rows = [bounds_row(graph(), options.method) for graph in OPERATIONS]
    return report(rows, options, device)


def bounds_row(graph: Graph, method: str) -> dict:
    """Computed bounds beside the exact range and, for CROWN, its own."""
    computed = tl.bounds(graph.function, method=method)(graph.box)
    lo, hi = float(computed.lo), float(computed.hi)
    within = graph.crown if "crown" in method and method != "crown-ibp" else None
    return {
        "graph": graph.name,
        "exact": list(graph.exact),
        "within": within and list(within),
        "computed": [lo, hi],
        "status": judged(lo, hi, graph.exact, within),
    }


def judged(lo, hi, exact, within) -> str:
    if not (lo <= exact[0] and exact[1] <= hi):
        return "WRONG: does not contain the exact range"
    if within and not (within[0] - ROUNDING <= lo and hi <= within[1] + ROUNDING):
        return "LOOSE: CROWN gives less"
    return "ok"


def verdict_row(radius: float, expected: str, options) -> dict:
    """The verdict at a radius, a certificate checked on the spot if there is one."""
    verdict = tl.verify(
        logits,
        margin(radius).box,
        tl.spec.margin(label=0),
        method=options.method,
        seed=options.seed,
    )
    status = "ok" if verdict.status == expected else f"WRONG: expected {expected}"
    if verdict.status == "unknown":
        status = "unknown"
    checked = None
    if verdict.certificate is not None:
        checked = torchlean_check.check(verdict.certificate.bytes).accepted
        status = status if checked else "REJECTED by the checker"
    return {
        "graph": f"class 0 within {radius:g}",
        "expected": expected,
        "computed": verdict.status,
        "margin": verdict.margin,
        "checked": checked,
        "status": status,
    }


def report(rows, options, device) -> int:
    results = {
        "method": options.method,
        "semantics": "real",
        "seed": options.seed,
        **_output.provenance(device),
        "rows": rows,
    }
    _output.write_json(options.json, results)
    print(f"{'':<22}{'expected':<24}{'computed, by ' + options.method:<26}")
    for row in rows:
        expected = row.get("expected") or stated(row["within"] or row["exact"])
        computed = row["computed"]
        if not isinstance(computed, str):
            computed = enclosure(computed)
        elif row["checked"]:
            computed += " (checked)"
        print(f"{row['graph']:<22}{expected:<24}{computed:<26}{row['status']}")
    return exit_code(row["status"] for row in rows)


def exit_code(statuses) -> int:
    statuses = set(statuses) - {"ok"}
    if not statuses:
        return 0
    return 3 if statuses == {"unknown"} else 1


def stated(ends) -> str:
    return f"[{ends[0]:.6g}, {ends[1]:.6g}]"


def enclosure(ends) -> str:
    """Computed bounds in decimal, rounded outward like all of them."""
    return f"[{at_least(ends[0])}, {at_most(ends[1])}]"
