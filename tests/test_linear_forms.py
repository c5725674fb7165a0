"""Linear forms in `tl.inspect`: below and above the node, in fractions, everywhere."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.search.faults import notices
from torchlean_jax import _linear_forms

RNG = np.random.default_rng(0)
W = RNG.standard_normal((3, 4)).astype(np.float32)
BOX = tl.box(np.float32([0.25, -0.5, 0.125]), radius=0.5)
FORMS = {"domain": tl.Interval, "linear_forms": True}


def exact(array):
    return [Fraction(v) for v in np.asarray(array, np.float64).ravel().tolist()]


def at(coefficients, offset, inputs):
    """The values of linear forms at exact inputs, in fractions."""
    values = exact(offset)
    for number, x in inputs.items():
        rows = np.asarray(coefficients.get(number, np.zeros((len(values), len(x)))))
        for k, row in enumerate(rows.reshape(len(values), -1).tolist()):
            values[k] += sum(Fraction(a) * b for a, b in zip(row, x, strict=True))
    return values


def numbers(report):
    return [node.id for node in report if node.primitive == "input"]


def forms_hold():
    """relu(x W) + relu(x W)[::-1] y: every node in fractions."""
    f = lambda x, y: jax.nn.relu(x @ W) + jax.nn.relu(x @ W)[::-1] * y
    report = tl.inspect(f, **FORMS)(BOX, tl.box(1.0, 2.0))
    for _ in range(30):
        x = (BOX.lo + (BOX.hi - BOX.lo) * RNG.random(3, np.float32)).clip(
            BOX.lo, BOX.hi
        )
        y = np.float32(1 + RNG.random())
        inputs = dict(zip(numbers(report), (exact(x), exact(y)), strict=True))
        values = dict(inputs)
        for node in report:
            if node.forms is None:
                continue
            true = exact_node(node, values)
            values[node.id] = true
            below = at(node.forms.lower, node.forms.lower_offset, inputs)
            above = at(node.forms.upper, node.forms.upper_offset, inputs)
            for low, v, high in zip(below, true, above, strict=True):
                assert low <= v <= high


def exact_node(node, values):
    """One node from the nodes that it comes from, in fractions."""
    known = [values[i] for i in node.inputs if i in values]
    if node.primitive == "dot_general":
        columns = W.astype(float).T.tolist()
        return [
            sum(Fraction(w) * v for w, v in zip(column, known[0], strict=True))
            for column in columns
        ]
    if node.primitive == "max":
        return [max(v, Fraction(0)) for v in known[0]]
    if node.primitive == "rev":
        return known[0][::-1]
    x, y = known
    y = y * len(x) if len(y) == 1 else y
    pairs = zip(x, y, strict=True)
    return (
        [a * b for a, b in pairs]
        if node.primitive == "mul"
        else [a + b for a, b in pairs]
    )


def test_forms_hold():
    forms_hold()


def test_forms_give_the_bounds_of_crown():
    """Their least values over the box are what `tl.bounds` reports, to rounding."""
    f = lambda x: jax.nn.relu(x @ W) @ W.T - x
    report = tl.inspect(f, **FORMS)(BOX)
    forms, (x,) = report[report.outputs[0]].forms, numbers(report)
    lo, hi = np.asarray(BOX.lo, float), np.asarray(BOX.hi, float)
    below, above = forms.lower[x], forms.upper[x]
    low = np.where(below > 0, below * lo, below * hi)
    high = np.where(above > 0, above * hi, above * lo)
    y = tl.bounds(f)(BOX)
    for end, total in (
        (y.lo, low.sum(1) + forms.lower_offset),
        (y.hi, high.sum(1) + forms.upper_offset),
    ):
        np.testing.assert_allclose(end, total, rtol=1e-6, atol=1e-6)


def test_a_linear_node_is_itself():
    report = tl.inspect(lambda x: (x @ W) * 2 + 1, **FORMS)(BOX)
    found, (x,) = report.nodes[-1].forms, numbers(report)
    for forms, offset in (
        (found.lower[x], found.lower_offset),
        (found.upper[x], found.upper_offset),
    ):
        np.testing.assert_allclose(forms, 2 * W.T.astype(float), rtol=1e-15)
        np.testing.assert_allclose(offset, np.ones(4), rtol=1e-12)


def test_only_the_nodes_that_are_asked_for():
    f = lambda x: jnp.tanh(x @ W) + 1
    every = tl.inspect(f, **FORMS)(BOX)
    assert [n.primitive for n in every if n.forms] == ["dot_general", "tanh", "add"]
    last = every.outputs[0]
    some = tl.inspect(f, domain=tl.Interval, linear_forms=[last])(BOX)
    assert [n.id for n in some if n.forms] == [last]
    none = tl.inspect(f, domain=tl.Interval)(BOX)
    assert not any(n.forms for n in none)


def test_offsets_the_wrong_way_would_be_noticed(monkeypatch):
    """Forms that are too tight by a hundredth are not forms."""
    monkeypatch.setattr(_linear_forms, "total_error", lambda error, count: error - 0.01)
    assert notices(forms_hold)


@pytest.mark.parametrize(
    ("options", "argument", "says"),
    [
        ({"linear_forms": True}, BOX, "domain=tl.Interval"),
        ({"domain": tl.Interval, "linear_forms": "x"}, BOX, "numbers of nodes"),
        (FORMS, np.zeros(3, np.float32), "is a box"),
    ],
)
def test_bad_requests_are_refused(options, argument, says):
    with pytest.raises(tl.InputError, match=says):
        tl.inspect(lambda x: x @ W, **options)(argument)
