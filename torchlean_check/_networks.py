"""Dense networks with their parameters as exact numbers, and intervals through them.

The weights come as a table of `layers.k.weight` (rows of one output each) and
`layers.k.bias`; between layers stands one activation, named in `meta`. Beside values,
the first two derivatives by an input of one dimension go through: where an activation
has a kink, its derivative is the set of its one-sided slopes.
"""

from fractions import Fraction
from typing import NamedTuple

from torchlean_check._fixed import (
    FUNCTIONS,
    ONE,
    Fixed,
    fixed,
    minus,
    plus,
    power,
    times,
)
from torchlean_check._plain_json import MAX_NUMBERS, numbers, take
from torchlean_check._schema import checked, fail

ACTIVATIONS = ("relu", "tanh", "sigmoid", "sin")
Jet = tuple[Fixed, Fixed, Fixed]  # a value and its first two derivatives


class Layer(NamedTuple):
    weights: list[list[Fraction]]
    bias: list[Fraction]


class Network(NamedTuple):
    layers: list[Layer]
    activation: str

    @property
    def inputs(self) -> int:
        return len(self.layers[0].weights[0])

    @property
    def outputs(self) -> int:
        return len(self.layers[-1].bias)


def layer(weights, bias, where: str) -> Layer:
    rows = checked(weights, [list], f"{where}.weight")
    if not rows or not rows[0] or len(rows) * len(rows[0]) > MAX_NUMBERS:
        fail(f"{where}.weight", "must be rows of numbers")
    size = len(rows[0])
    rows = [numbers(row, f"{where}.weight[{k}]", size) for k, row in enumerate(rows)]
    return Layer(rows, numbers(bias, f"{where}.bias", len(rows)))


def network(layers: list[Layer], activation: str, where: str) -> Network:
    """Layers that fit each other; at least one."""
    for k in range(1, len(layers)):
        if len(layers[k].weights[0]) != len(layers[k - 1].bias):
            fail(where, f"layer {k} does not take what layer {k - 1} gives")
    if len(layers) > 1 and activation not in ACTIVATIONS:
        fail(f"{where}.meta.activation", f"must be one of {', '.join(ACTIVATIONS)}")
    return Network(layers, activation)


def read_network(document: dict, where: str) -> Network:
    layers = []
    while f"layers.{len(layers)}.weight" in document:
        name = f"layers.{len(layers)}"
        if f"{name}.bias" not in document:
            fail(where, f"field '{name}.bias' is missing")
        pair = document[f"{name}.weight"], document[f"{name}.bias"]
        layers.append(layer(*pair, f"{where}.{name}"))
    if not layers:
        fail(where, "field 'layers.0.weight' is missing")
    meta = take(document.get("meta", {}), f"{where}.meta", ("activation",),
                activation=str)  # fmt: skip
    return network(layers, meta["activation"] or "", where)


def values(net: Network, inputs: list[Fixed]) -> list[Fixed]:
    """Enclosures of the outputs for all inputs of a box: interval by interval."""
    points: list[Jet] = [(x, (0, 0), (0, 0)) for x in inputs]
    return [jet[0] for jet in _through(net, points, 0)]


def jets(net: Network, x: Fixed, order: int) -> list[Jet]:
    """The outputs and their derivatives by the only input, for x in an interval."""
    return _through(net, [(x, (ONE, ONE), (0, 0))], order)


def _through(net: Network, inputs: list[Jet], order: int) -> list[Jet]:
    for k, one in enumerate(net.layers):
        if k:
            inputs = [_activated(net.activation, jet, order) for jet in inputs]
        inputs = _affine(one, inputs, order)
    return inputs


def _affine(one: Layer, inputs: list[Jet], order: int) -> list[Jet]:
    found = []
    for row, bias in zip(one.weights, one.bias, strict=True):
        total: list[Fixed] = [fixed(bias), (0, 0), (0, 0)]
        for weight, jet in zip(row, inputs, strict=True):
            if weight:
                w = fixed(weight)
                for k in range(order + 1):
                    total[k] = plus(total[k], times(w, jet[k]))
        found.append((total[0], total[1], total[2]))
    return found


def _activated(name: str, jet: Jet, order: int) -> Jet:
    """g(z), g'(z) z' and g'(z) z'' + g''(z) z'^2."""
    z, first, second = jet
    value, one = FUNCTIONS[name](z), (ONE, ONE)
    if not order:
        return value, first, second
    if name == "relu":
        slope = (ONE if z[0] > 0 else 0, 0 if z[1] < 0 else ONE)
        bend = (0, 0)
        if order > 1 and z[0] <= 0 <= z[1]:
            fail("activation", "relu has no second derivative at its kink")
    elif name == "tanh":
        slope = _within(minus(one, power(value, 2)), ONE)
        bend = times((-2 * ONE, -2 * ONE), times(value, slope))
    elif name == "sigmoid":
        slope = _within(times(value, minus(one, value)), ONE >> 2)
        bend = times(slope, minus(one, times((2 * ONE, 2 * ONE), value)))
    else:
        slope = FUNCTIONS["cos"](z)
        bend = minus((0, 0), value)
    curved = plus(times(slope, second), times(bend, power(first, 2)))
    return value, times(slope, first), curved


def _within(x: Fixed, most: int) -> Fixed:
    """Cut to [0, most], where the slope is known to be."""
    return max(x[0], 0), min(x[1], most)
