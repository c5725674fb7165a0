"""The exact minimum of a ReLU network on a polygon, by cutting it into linear pieces.

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
    return least_on(rectangle(lo, hi), layers, rows, offset)


def least_on(polygon, layers, rows, offset):
    """The same on a convex polygon, given by its vertices in order."""
    pieces = [polygon]
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


def rectangle(lo, hi):
    (x0, y0), (x1, y1) = ([Fraction(float(v)) for v in corner] for corner in (lo, hi))
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def inscribed(center, radius, norm, sides=24):
    """The L1 ball around a point, or a polygon of rational points on the L2 sphere."""
    (a, b), r = (Fraction(float(v)) for v in center), Fraction(float(radius))
    if norm == 1:
        return [(a + r, b), (a, b + r), (a - r, b), (a, b - r)]
    angles = [2 * np.pi * (k + 0.5) / sides for k in range(sides)]
    halves = [Fraction(int(1000 * np.tan(t / 2)), 1000) for t in angles]
    # (1 - t^2, 2 t) / (1 + t^2) has length 1 exactly
    return [
        (a + r * (1 - t * t) / (1 + t * t), b + r * 2 * t / (1 + t * t)) for t in halves
    ]


def cut(polygon, row, bound):
    """The part of a convex polygon where row . x >= bound; [] if there is none."""
    (row,), ((bound,),) = fractions(row), fractions(bound)
    values = [sum(c * v for c, v in zip(row, p, strict=True)) - bound for p in polygon]
    if max(values) < 0:
        return []
    return polygon if min(values) >= 0 else _cut(polygon, values)[0]


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
