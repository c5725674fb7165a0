"""`tl.bounds`: enclosures contain exact results, whatever the program and however it is
called.

The oracle is rational arithmetic on the numbers that the network holds; nothing of ours
computes it.
"""

import itertools
from fractions import Fraction

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.affine import _sets
from torchlean_jax.domains.affine.relaxations import _max
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters import _backward, _steps

METHODS = ("ibp", "crown-ibp", "crown", "alpha-crown")
FEW = (
    4  # optimisation steps: soundness does not depend on them, the time of a test does
)
RNG = np.random.default_rng(0)


def dense(sizes, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    shapes = zip(sizes, sizes[1:], strict=False)
    return [
        (
            (scale * rng.standard_normal((a, b)) / np.sqrt(a)).astype(np.float32),
            rng.standard_normal(b).astype(np.float32) / 4,
        )
        for a, b in shapes
    ]


def relu_net(layers):
    def f(x):
        for w, b in layers[:-1]:
            x = jax.nn.relu(x @ w + b)
        w, b = layers[-1]
        return x @ w + b

    return f


def exact_relu_net(layers, x):
    """The same function in rational arithmetic."""
    x = [Fraction(float(v)) for v in x]
    for k, (w, b) in enumerate(layers):
        x = [
            sum(
                (v * Fraction(float(w[i, j])) for i, v in enumerate(x)),
                Fraction(float(b[j])),
            )
            for j in range(w.shape[1])
        ]
        if k < len(layers) - 1:
            x = [max(v, Fraction(0)) for v in x]
    return x


def holds(enclosure, exact):
    lo, hi = np.asarray(enclosure.lo).ravel(), np.asarray(enclosure.hi).ravel()
    return all(
        (low == -np.inf or Fraction(float(low)) <= v)
        and (high == np.inf or v <= Fraction(float(high)))
        for low, high, v in zip(lo, hi, exact, strict=True)
    )


def points_of(box, count=20):
    lo, hi = np.asarray(box.lo), np.asarray(box.hi)
    yield from (lo, hi)
    for _ in range(count):
        corner = RNG.random(lo.shape) < 0.5
        yield np.where(corner, lo, hi)
        inside = lo + RNG.random(lo.shape).astype(lo.dtype) * (hi - lo)
        yield np.clip(inside, lo, hi)


@pytest.mark.smoke
@pytest.mark.parametrize("method", METHODS)
def test_exact_outputs_lie_inside(method):
    layers = dense((4, 8, 8, 3))
    f = relu_net(layers)
    box = tl.box(np.float32([0.1, -0.3, 0.7, 0.2]), radius=0.2)
    enclosure = tl.bounds(f, method=method, iterations=FEW)(box)
    assert all(holds(enclosure, exact_relu_net(layers, x)) for x in points_of(box))


@pytest.mark.parametrize("method", METHODS)
def test_under_jit_in_float32(method):
    layers = dense((4, 8, 8, 3), seed=1, scale=3.0)
    f = relu_net(layers)
    box = tl.box(np.float32([0.1, -0.3, 0.7, 0.2]), radius=0.1)
    enclosure = jax.jit(tl.bounds(f, method=method, iterations=FEW))(box)
    assert enclosure.dtype == jnp.float32
    assert all(holds(enclosure, exact_relu_net(layers, x)) for x in points_of(box))


def test_methods_are_ordered():
    f = relu_net(dense((4, 16, 16, 3), seed=2))
    box = tl.box(np.zeros(4, np.float32), radius=0.3)
    widths = [
        float(tl.bounds(f, method=m, iterations=FEW)(box).width.sum()) for m in METHODS
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 1.5 * widths[2]


def test_a_linear_model_is_bounded_exactly():
    ((w, b),) = dense((16, 5), seed=3)
    x = RNG.standard_normal(16).astype(np.float32)
    box = tl.box(x, radius=0.25)
    enclosure = tl.bounds(lambda x: x @ w + b, method="crown")(box)
    lo, hi = np.asarray(box.lo), np.asarray(box.hi)
    for j in range(5):
        least = exact_relu_net([(w, b)], np.where(w[:, j] > 0, lo, hi))[j]
        most = exact_relu_net([(w, b)], np.where(w[:, j] > 0, hi, lo))[j]
        ulp = np.spacing(np.float32(max(abs(float(least)), abs(float(most)))))
        assert 0 <= least - Fraction(float(enclosure.lo[j])) <= 2 * Fraction(float(ulp))
        assert 0 <= Fraction(float(enclosure.hi[j])) - most <= 2 * Fraction(float(ulp))


def cancelling_net(big):
    """relu(big + x) - relu(x + 1) - relu(big + 0): exactly -1 for every x >= -1.

    In arithmetic too narrow to hold big + x the terms cancel to something else, so a
    bound that ignores rounding excludes the truth.
    """
    w1 = np.float32([[1.0, 1.0, 0.0]])
    b1 = np.float32([big, 1.0, big])
    w2 = np.float32([[1.0], [-1.0], [-1.0]])
    return [(w1, b1), (w2, np.float32([0.0]))]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("power", [25, 60])
def test_cancellation_does_not_fool_it(method, power):
    layers = cancelling_net(2.0**power)
    f = relu_net(layers)
    box = tl.box(np.float32([0.25]), radius=0.125)
    exact = exact_relu_net(layers, np.asarray(box.lo))
    assert exact == [Fraction(-1)]
    assert holds(tl.bounds(f, method=method, iterations=FEW)(box), exact)
    assert holds(jax.jit(tl.bounds(f, method=method, iterations=FEW))(box), exact)


SMALL = np.float32([[1e-39, 0.0], [0.0, 1.0]])
UNREAD = {
    "dense": lambda x: x @ SMALL,
    "dense after dense": lambda x: (x @ np.float32([[2.0, 0.0], [0.0, 1.0]])) @ SMALL,
    "scaled": lambda x: x * np.float32([1e-39, 1.0]) * 2.0,
    "convolution": lambda x: jax.lax.conv_general_dilated(
        x[None, None], np.float32([[[1e-39]]]), (1,), "VALID"
    )[0, 0],
}


@pytest.mark.parametrize("method", ["ibp", "forward", "crown-ibp", "crown"])
@pytest.mark.parametrize("name", UNREAD)
def test_a_weight_that_the_hardware_reads_as_zero_still_counts(name, method):
    """1e-39 * 1e30 is 1e-9, not 0."""
    f, box = UNREAD[name], tl.box(np.float32([1e30, 0.0]), np.float32([2e30, 1.0]))
    weight = Fraction(float(np.float32(1e-39))) * (
        1 + (name not in ("dense", "convolution"))
    )
    for bounded in (tl.bounds(f, method=method), jax.jit(tl.bounds(f, method=method))):
        y = bounded(box)
        for x, end in zip((box.lo, box.hi), ("lo", "hi"), strict=True):
            exact = weight * Fraction(float(x[0]))
            bound = Fraction(float(getattr(y, end)[0]))
            assert bound <= exact if end == "lo" else bound >= exact


def no_slack(patch):
    nothing = lambda rows, weights: jnp.zeros(rows.shape[0], rows.dtype)
    patch.setattr(_steps, "row_dot", nothing)
    for module in (_steps, _sets):
        patch.setattr(module, "gamma", lambda terms, dtype: 0.0)
    patch.setattr(_backward, "add", lambda offset, more, error: (offset + more, error))


def wrong_corner(patch):
    right = _backward.minimum_over
    patch.setattr(_backward, "minimum_over", lambda rows, box: right(-rows, box))


def constants_dropped(patch):
    right = _steps.Linear.at_zero

    def nothing(step, values):
        return [Interval(0 * y.lo, 0 * y.hi) for y in right(step, values)]

    patch.setattr(_steps.Linear, "at_zero", nothing)


def slope_too_steep(patch):
    patch.setattr(
        _max, "_lower_slope", lambda chord, slope, is_x, is_other: chord * 0 + 1.5
    )


def chord_too_low(patch):
    right = _max._chord_slope
    patch.setattr(_max, "_chord_slope", lambda *args: right(*args) / 2)


@pytest.mark.parametrize(
    "fault", [no_slack, wrong_corner, constants_dropped, slope_too_steep, chord_too_low]
)
def test_a_broken_bound_is_noticed(monkeypatch, fault):
    """The containment checks above must see each of these."""
    nets = [dense((4, 8, 8, 3))]
    for order in itertools.permutations(
        range(3)
    ):  # some order of summation gets it wrong
        (w1, b1), (w2, b2) = cancelling_net(2.0**25)
        nets.append([(w1[:, order], b1[list(order)]), (w2[list(order)], b2)])
    fault(monkeypatch)
    excluded = 0
    for layers in nets:
        box = tl.box(np.full(layers[0][0].shape[0], 0.25, np.float32), radius=0.125)
        enclosure = jax.jit(tl.bounds(relu_net(layers), method="crown-ibp"))(box)
        excluded += not all(
            holds(enclosure, exact_relu_net(layers, x)) for x in points_of(box)
        )
    assert excluded


def test_memory_only_changes_the_chunks():
    f = relu_net(dense((6, 40, 40, 4), seed=5))
    box = tl.box(np.zeros(6, np.float32), radius=0.2)
    plenty, little = tl.bounds(f)(box), tl.bounds(f, memory=20_000)(box)
    chex.assert_trees_all_close(plenty, little, rtol=1e-5)


def test_vmap_is_one_box_at_a_time():
    f = relu_net(dense((4, 24, 24, 3), seed=6))
    centres = RNG.standard_normal((5, 4)).astype(np.float32)
    boxes = tl.box(centres, radius=0.1)
    together = jax.jit(jax.vmap(tl.bounds(f)))(boxes)
    alone = jax.jit(tl.bounds(f))
    for k in range(5):
        chex.assert_trees_all_close(together[k], alone(boxes[k]), rtol=1e-3)


def test_gradients_reach_the_radius_and_the_weights():
    layers = dense((4, 8, 3), seed=7)

    def width(radius, layers):
        box = tl.Interval(jnp.zeros(4) - radius, jnp.zeros(4) + radius)
        return tl.bounds(relu_net(layers))(box).width.sum()

    with jax.enable_x64(True):
        wide = jax.jit(width)
        slope, by_layer = jax.jit(jax.grad(width, argnums=(0, 1)))(0.1, layers)
        there = (wide(0.1 + 1e-6, layers) - wide(0.1 - 1e-6, layers)) / 2e-6
    assert slope == pytest.approx(float(there), rel=1e-4)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(by_layer[:1]))


def test_calling_again_does_not_trace_again():
    layers = dense((4, 8, 3), seed=8)
    traced = chex.assert_max_traces(relu_net(layers), n=1)
    bounded = tl.bounds(traced)
    for centre in (0.0, 1.0, 2.0):
        bounded(tl.box(np.full(4, centre, np.float32), radius=0.1))


def test_two_transformations_of_one_bounds():
    f = relu_net(dense((4, 8, 3), seed=9))
    bounded, box = tl.bounds(f), tl.box(np.zeros(4, np.float32), radius=0.1)
    eager = bounded(box)
    for g in (jax.jit(bounded), jax.jit(lambda b: bounded(b)), jax.jit(bounded)):
        for _ in range(2):
            chex.assert_trees_all_close(g(box), eager, rtol=1e-4)


def _attention(x):
    queries, keys, values = x @ W[:2, :2], x @ W[:2, 2:], x @ W[2:, :2]
    return jax.nn.softmax(queries @ keys.T, axis=-1) @ values


def _normalised(x):
    centred = x - x.mean()
    return centred / jnp.sqrt((centred**2).mean() + 1e-2)


PROGRAMS = {
    "residual": lambda x: x + jax.nn.relu(x @ W) - 0.5 * x,
    "difference with itself": lambda x: jax.nn.relu(x @ W) - jax.nn.relu(x @ W),
    "scan": lambda x: lax.scan(
        lambda c, w: (jax.nn.relu(c @ w), c), x, jnp.stack([W, W])
    )[0],
    "fori": lambda x: lax.fori_loop(0, 3, lambda _, c: jax.nn.relu(c @ W), x),
    "undecided cond": lambda x: lax.cond(x[0] > 0, lambda x: x @ W, lambda x: -x, x),
    "where": lambda x: jnp.where(x > 0, 2 * x, x) @ W,
    "gradient": jax.grad(lambda x: jnp.sum(jax.nn.relu(x @ W) ** 2)),
    "gather and concatenate": lambda x: (
        jnp.concatenate([x[jnp.array([2, 0])], x[::-1]]) @ V
    ),
    "max pool": lambda x: lax.reduce_window(
        x @ W, -jnp.inf, lax.max, (2,), (2,), "VALID"
    ),
    "normalised constant": lambda x: x @ (W / jnp.linalg.norm(W, axis=0)) / 3.0,
    "cumsum and reverse": lambda x: jnp.cumsum(jax.nn.relu(x))[::-1] * x,
    "squared norm": lambda x: x @ x,
    "repeated operand": lambda x: lax.max(x, x) / (x + 2.0) + lax.mul(x, x),
    "softmax": lambda x: jax.nn.softmax(x @ W) @ W,
    "attention": lambda x: _attention(x.reshape(2, 2)),
    "layer norm": lambda x: _normalised(jnp.tanh(x @ W)),
    "gelu": lambda x: jax.nn.gelu(x @ W) @ W,
    "remat": jax.checkpoint(lambda x: jax.nn.relu(x @ W) @ W),
}
W = jnp.asarray(RNG.standard_normal((4, 4)) / 2, jnp.float32)
V = jnp.asarray(RNG.standard_normal((6, 3)), jnp.float32)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    """Sampled float64 outputs lie inside, up to the error of the samples themselves."""
    f = PROGRAMS[name]
    box = tl.box(np.float32([0.3, -0.2, 0.1, 0.6]), radius=0.25)
    crown, ibp = tl.bounds(f)(box), tl.bounds(f, method="ibp")(box)
    for x in points_of(box):
        y = np.asarray(jax.jit(f)(x), np.float64)
        # each program has depth at most 8 and fewer than 64 terms a sum: 2**-24 * 64 *
        # 8
        slack = 2.0**-15 * (1 + np.abs(y))
        for enclosure in (crown, ibp):
            assert (np.asarray(enclosure.lo) <= y + slack).all()
            assert (y - slack <= np.asarray(enclosure.hi)).all()
    assert float(crown.width.sum()) <= float(ibp.width.sum()) * (1 + 1e-5)


def test_several_inputs_and_pytrees():
    def f(params, inputs):
        hidden = jax.nn.relu(inputs["a"] @ params + inputs["b"])
        return {"sum": hidden.sum(), "parts": [hidden, inputs["b"] - inputs["b"]]}

    boxes = {"a": tl.box(np.zeros(4, np.float32), radius=0.5), "b": tl.box(0.0, 1.0)}
    y = tl.bounds(f)(W, boxes)
    assert set(y) == {"sum", "parts"} and y["parts"][0].shape == (4,)
    assert (
        float(jnp.abs(y["parts"][1].lo).max()) < 1e-6
    )  # b - b is 0, and CROWN sees it


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: tl.bounds(jnp.sin, method="magic"), "crown"),
        (lambda: tl.bounds(jnp.sin, memory=0), "positive"),
        (lambda: tl.bounds(3), "function"),
    ],
)
def test_bad_options(call, says):
    with pytest.raises(tl.InputError, match=says):
        call()
