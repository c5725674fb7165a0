"""`bounds(...).explain`: losses are what exact relaxations would win back.

Oracles: answers derived by hand, and the network evaluated in fractions at points.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.search.faults import notices
from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters import _looseness


def widths(report):
    return {loss.primitives: loss.width for loss in report.losses}


def by_hand():
    """relu on [-1, 2]: above, the chord is met at 2; below, the line x misses 0 by 1.

    On [-2, 1] the lower line is 0 and met at -2; the chord is met at 1.
    """
    report = tl.bounds(jax.nn.relu).explain(tl.box(-1.0, 2.0))
    assert (report.width, report.reached) == (pytest.approx(3), pytest.approx(2))
    assert widths(report) == {("max",): pytest.approx(1)}
    report = tl.bounds(jax.nn.relu).explain(tl.box(-2.0, 1.0))
    assert (report.width, report.reached) == (pytest.approx(1), pytest.approx(1))
    assert report.losses == () and abs(report.rounding) < 1e-12


def test_by_hand():
    by_hand()


def relu_part(x):
    return jax.nn.relu(x[0])


def product_part(x):
    return x[1] * x[2]


def test_an_exact_relaxation_wins_back_what_was_said():
    """On separate inputs, a part made exact narrows the sum by its width less its
    range; both parts here have their bounds where they are least and greatest."""
    box = tl.box(jnp.float32([-1, 1, 3]), jnp.float32([2, 2, 4]))
    report = tl.bounds(lambda x: relu_part(x) + product_part(x)).explain(box)
    by_line = {loss.source[2].strip(): loss.width for loss in report.losses}
    grid = np.stack(np.meshgrid(*map(np.linspace, box.lo, box.hi, [9] * 3)), -1)
    for part, line in (
        (relu_part, "return jax.nn.relu(x[0])"),
        (product_part, "return x[1] * x[2]"),
    ):
        values = [float(part(x)) for x in grid.reshape(-1, 3)]
        wide = float(tl.bounds(part, method="crown-ibp")(box).width)
        wide = max(wide, tl.bounds(part).explain(box).width)
        assert by_line[line] == pytest.approx(wide - (max(values) - min(values)))


def test_losses_are_never_less_than_what_could_be_won():
    """|x| - x / 2 on [-1, 1] is in [0, 3/2] and its bounds are [-1/2, 3/2]: both are
    taken at -1, where the line is 2 below |x|, though an exact one wins only 1/2."""
    report = tl.bounds(lambda x: jnp.abs(x) - 0.5 * x).explain(tl.box(-1.0, 1.0))
    assert report.width == pytest.approx(2)
    assert sum(loss.width for loss in report.losses) >= report.width - 1.5


RNG = np.random.default_rng(3)
W1, W2, W3 = (
    RNG.standard_normal(s).astype(np.float32) for s in ((3, 6), (6, 6), (6, 2))
)
BOX = tl.box(np.float32([0.25, -0.5, 0.125]), radius=0.5)


def relu_net(x):
    h = jax.nn.relu(x @ W1)
    h = jax.nn.relu(h @ W2)
    return h @ W3


def exactly(x):
    """The network in fractions."""
    h = [Fraction(float(v)) for v in x]
    for k, weights in enumerate((W1, W2, W3)):
        h = [max(v, Fraction(0)) for v in h] if k else h
        columns = np.asarray(weights, np.float64).T.tolist()
        h = [
            sum(Fraction(w) * v for w, v in zip(column, h, strict=True))
            for column in columns
        ]
    return h


@pytest.mark.parametrize("method", ["crown-ibp", "crown"])
def test_width_is_range_plus_losses(method):
    """`reached` lies within the true range over the corners, in fractions, as the pass
    of a ReLU network over a box ends in corners; and nothing is lost track of."""
    report = tl.bounds(relu_net, method=method).explain(BOX)
    lost = sum(loss.width for loss in report.losses)
    assert report.width == pytest.approx(report.reached + lost, rel=1e-12)
    assert abs(report.rounding) < 1e-9
    corners = np.stack(np.meshgrid(*zip(BOX.lo, BOX.hi, strict=True)), -1).reshape(
        -1, 3
    )
    values = np.array([[float(v) for v in exactly(x)] for x in corners])
    spread = (values.max(0) - values.min(0)).sum()
    assert report.reached <= spread * (1 + 1e-12)
    y = tl.bounds(relu_net, method=method)(BOX)
    assert float(y.width.sum()) <= report.width * (1 + 1e-6)
    assert all(loss.width > 0 for loss in report.losses)
    assert [loss.width for loss in report.losses] == sorted(
        (loss.width for loss in report.losses), reverse=True
    )


def test_lines_are_named_and_printed():
    report = tl.bounds(relu_net).explain(BOX)
    assert {loss.source[2].strip() for loss in report.losses} == {
        "h = jax.nn.relu(x @ W1)",
        "h = jax.nn.relu(h @ W2)",
    }
    text = str(report)
    assert "test_explain.py:" in text and "h = jax.nn.relu(h @ W2)" in text
    assert text.splitlines()[1].split()[0] == f"{100 * report.losses[0].share:.1f}%"
    nodes = tl.inspect(relu_net, domain=tl.Interval)(BOX)
    for loss in report.losses:
        assert {nodes[n].primitive for n in loss.nodes} == set(loss.primitives)


@pytest.mark.parametrize("norm", [1, 2])
def test_balls_end_at_points_of_the_ball(norm):
    """A linear function loses nothing: its width is what is reached, 2 r |w|_q."""
    ball = tl.ball(BOX.lo, 0.5, norm=norm)
    report = tl.bounds(lambda x: x @ W1[:, 0]).explain(ball)
    size = np.linalg.norm(W1[:, 0].astype(float), np.inf if norm == 1 else 2)
    assert report.losses == ()
    assert report.reached == pytest.approx(size, rel=1e-9)
    assert report.width == pytest.approx(size, rel=1e-9)


def test_rows_in_chunks_add_up():
    few = tl.bounds(relu_net, memory=2**14).explain(BOX)
    whole = tl.bounds(relu_net).explain(BOX)
    assert few.width == pytest.approx(whole.width, rel=1e-12)
    assert widths(few) == pytest.approx(widths(whole), rel=1e-12)


def test_an_output_that_is_fixed_adds_nothing():
    f = lambda x: (jax.nn.relu(x), jnp.ones(3), 2.0)
    assert tl.bounds(f).explain(tl.box(-1.0, 2.0)).width == pytest.approx(3)
    assert tl.bounds(lambda x: jnp.ones(2)).explain(tl.box(-1.0, 2.0)).width == 0


def test_a_wrong_point_would_be_noticed(monkeypatch):
    """At the greatest points the forms are not as low as the bounds."""
    right = _looseness.minimiser
    monkeypatch.setattr(_looseness, "minimiser", lambda a, region: right(-a, region))
    assert notices(by_hand)


@pytest.mark.parametrize("method", ["ibp", "alpha-crown"])
def test_other_methods_are_refused(method):
    with pytest.raises(InputError, match="crown-ibp or crown"):
        tl.bounds(relu_net, method=method).explain(BOX)


def test_under_jit_it_is_refused():
    with pytest.raises(InputError, match="outside of jit"):
        jax.jit(lambda box: tl.bounds(relu_net).explain(box).width)(BOX)


def test_bounds_still_compose():
    """The object that `bounds` returns is a function to JAX."""
    bounded = tl.bounds(relu_net, method="ibp")
    assert bounded.__name__ == "relu_net"
    boxes = jax.tree.map(lambda x: jnp.stack([x, x]), BOX)
    assert jax.vmap(bounded)(boxes).shape == jax.jit(jax.vmap(bounded))(boxes).shape
