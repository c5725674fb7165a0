"""`tl.inspect`: node by node, what the model holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl

W = jnp.asarray([[1.0, -2.0], [0.5, 3.0]])


def model(x):
    hidden = jax.nn.relu(x @ W)
    return hidden.sum() * 2.0


@pytest.mark.smoke
def test_arrays_at_every_node():
    x = jnp.asarray([1.0, -1.0])
    report = tl.inspect(model)(x)
    names = [node.primitive for node in report if node.inputs]
    assert names == ["dot_general", "max", "reduce_sum", "mul"]
    by_name = {node.primitive: node for node in report}
    np.testing.assert_allclose(by_name["dot_general"].value, x @ W)
    np.testing.assert_allclose(report[report.outputs[0]].value, model(x))
    assert by_name["dot_general"].place.startswith("test_inspect.py:")
    assert "x @ W" in by_name["dot_general"].source[2]


def test_boxes_contain_the_arrays():
    x = jnp.asarray([1.0, -1.0])
    arrays = tl.inspect(model)(x)
    boxes = tl.inspect(model, domain=tl.Interval)(tl.box(x, radius=0.1))
    assert [n.id for n in arrays] == [n.id for n in boxes]
    for point, enclosure in zip(arrays, boxes, strict=True):
        value = enclosure.value
        if isinstance(value, tl.Interval):
            assert bool(jnp.all(value.contains(point.value)))


def test_gradients_are_those_of_jax():
    x = jnp.asarray([1.0, 2.0])
    report = tl.inspect(model, gradients=True)(x)
    np.testing.assert_allclose(report.nodes[0].gradient, jax.grad(model)(x))
    hidden = next(n for n in report if n.primitive == "max")
    np.testing.assert_allclose(hidden.gradient, [2.0, 2.0])


def test_text_page_and_graph():
    def shout(x):
        return x * jnp.where(x > 0, 2.0, 1.0)  # <b>"quoted"</b>

    report = tl.inspect(shout)(jnp.ones(2))
    assert str(report).count("\n") == len(report)
    assert "<b>" not in report.html()
    dot = report.graphviz()
    assert dot.startswith("digraph") and dot.count("->") >= 3
    assert '\\"quoted\\"' in dot


def test_bad_requests():
    box = tl.box(jnp.ones(2), radius=0.1)
    with pytest.raises(tl.InputError, match="domain"):
        tl.inspect(model)(box)
    with pytest.raises(tl.InputError, match="gradients"):
        tl.inspect(model, domain=tl.Interval, gradients=True)
    with pytest.raises(KeyError, match="no node"):
        tl.inspect(model)(jnp.ones(2))[10_000]
