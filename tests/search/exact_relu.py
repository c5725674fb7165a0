"""The exact minimum of a ReLU network on a rectangle, by cutting it into linear pieces.

Two inputs, any depth, rational arithmetic throughout: each neuron cuts every polygon on
which the network is affine so far along the line where the neuron is zero. On each
final piece the network is affine, so a linear form of its outputs is least at a vertex.
"""

from fractions import Fraction

import numpy as np


def fractions(array):
    return [[Fraction(float(v)) for v in row] for row in np.atleast_2d(array)]


def evaluate(layers, x):
    """The outputs at the point `x`, exactly. layers: [(W[in, out], b[out])], floats."""
    values = [Fraction(float(v)) for v in x]
    for number, (weights, bias) in enumerate(layers):
        if number:
            values = [max(v, Fraction(0)) for v in values]
        values = _affine(values, fractions(weights), fractions(bias)[0])
    return values


def _affine(values, weights, bias):
    columns = zip(*weights, strict=True)
    return [
        sum((v * w for v, w in zip(values, column, strict=True)), b)
        for column, b in zip(columns, bias, strict=True)
    ]


def least(layers, lo, hi, rows, offset):
    """The exact minimum on lo <= x <= hi of any row of `rows @ network(x) - offset`."""
    (x0, y0), (x1, y1) = ([Fraction(float(v)) for v in corner] for corner in (lo, hi))
    pieces = [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]]
    for depth in range(1, len(layers)):
        for neuron in range(np.shape(layers[depth - 1][0])[1]):
            pieces = [
                part
                for piece in pieces
                for part in _cut(
                    piece, [evaluate(layers[:depth], p)[neuron] for p in piece]
                )
            ]
    rows, offset = fractions(rows), fractions(offset)[0]
    return min(
        sum((c * v for c, v in zip(row, evaluate(layers, vertex), strict=True)), -d)
        for piece in pieces
        for vertex in piece
        for row, d in zip(rows, offset, strict=True)
    )


def _cut(polygon, values):
    """The parts of a convex polygon where an affine function is >= 0 and <= 0."""
    if min(values) >= 0 or max(values) <= 0:
        return [polygon]
    sides = [], []
    for k, (p, a) in enumerate(zip(polygon, values, strict=True)):
        q, b = polygon[k - 1], values[k - 1]
        if a * b < 0:
            t = a / (a - b)
            crossing = tuple(u + t * (v - u) for u, v in zip(p, q, strict=True))
            sides[0].append(crossing)
            sides[1].append(crossing)
        for side, inside in ((sides[0], a >= 0), (sides[1], a <= 0)):
            if inside:
                side.append(p)
    return list(sides)
