"""What a certificate claims, evaluated at single points in exact fractions.

Written straight from docs/certificate.md on numpy arrays of `Fraction`, for the graphs
of examples.py only. It shares nothing with the checker.
"""

import itertools
import json
from fractions import Fraction

import numpy as np

from tests.torchlean_check.builder import members_of


def fractions(array) -> np.ndarray:
    array = np.asarray(array)
    flat = [Fraction(v) for v in array.ravel().tolist()]
    return np.array([*flat, None], object)[:-1].reshape(array.shape)


class Claim:
    """The graph, the input set and the property of a certificate."""

    def __init__(self, blob: bytes):
        members = members_of(blob)
        self.manifest = json.loads(members["manifest.json"])
        self.arrays = {}
        for name, entry in self.manifest["arrays"].items():
            raw = np.frombuffer(members[f"arrays/{name}"], entry["dtype"])
            self.arrays[name] = fractions(raw.reshape(entry["shape"]))

    def points(self, count: int, rng):
        """Random points of the input set: corners, and points between them.

        Fewer than `count` if constraints leave few of those that are tried.
        """
        for _ in range(
            count * (20 if self.manifest["input_set"]["constraints"] else 1)
        ):
            point = {}
            for entry in self.manifest["input_set"]["inputs"]:
                if "lo" in entry:
                    lo, hi = self.arrays[entry["lo"]], self.arrays[entry["hi"]]
                    steps = rng.integers(0, 2, lo.shape) * 8
                    if rng.integers(2):
                        steps = rng.integers(0, 9, lo.shape)
                    place = lo + (hi - lo) * fractions(steps) / 8
                else:
                    center = self.arrays[entry["center"]]
                    m, e = entry["radius"]
                    radius = Fraction(m) * Fraction(2) ** e
                    away = np.zeros(center.size, int)
                    away[rng.integers(center.size)] = rng.integers(-1, 2)
                    place = center + fractions(away).reshape(center.shape) * radius
                point[entry["value"]] = np.asarray(place, object)
            if self.is_allowed(point):
                yield point

    def is_allowed(self, point) -> bool:
        """Whether a point of the boxes and balls satisfies the constraints."""
        places = [e["value"] for e in self.manifest["input_set"]["inputs"]]
        flat = np.concatenate([point[v].ravel() for v in places])
        return all(
            ((self.arrays[c["rows"]] @ flat) >= self.arrays[c["offset"]]).all()
            for c in self.manifest["input_set"]["constraints"]
        )

    def outputs(self, point) -> np.ndarray:
        graph, values = self.manifest["graph"], dict(point)
        for entry in graph["constants"]:
            values[entry["value"]] = self.arrays[entry["array"]]
        for node in graph["nodes"]:
            operands = [np.asarray(values[v], object) for v in node["in"]]
            result = OPERATIONS[node["op"]](*operands, **node["params"], node=node)
            values[node["out"]] = np.asarray(result, object).reshape(node["shape"])
        return np.concatenate([values[v].ravel() for v in graph["outputs"]])

    def margin(self, point) -> Fraction:
        return self.margin_at(self.outputs(point))

    def margin_at(self, outputs) -> Fraction:
        return self._margin(self.manifest["property"], outputs)

    def _margin(self, entry, y) -> Fraction:
        if "rows" in entry:
            return min(self.arrays[entry["rows"]] @ y - self.arrays[entry["offset"]])
        ((kind, parts),) = entry.items()
        return {"all": min, "any": max}[kind](self._margin(p, y) for p in parts)


def _dot(x, y, dimension_numbers, node):
    (sums, batch) = dimension_numbers
    assert not batch[0]
    return np.tensordot(x, y, tuple(sums))


def _conv(x, w, node, **p):
    """Stride, padding, NCHW and OIHW only."""
    assert p["dimension_numbers"] == [[0, 1, 2, 3]] * 3
    pads = [(0, 0), (0, 0), *map(tuple, p["padding"])]
    x = np.pad(x, pads, constant_values=Fraction(0))
    out = np.full(node["shape"], Fraction(0), object)
    (sy, sx), (ky, kx) = p["window_strides"], w.shape[2:]
    for n, o, i, j in itertools.product(*map(range, node["shape"])):
        patch = x[n, :, i * sy : i * sy + ky, j * sx : j * sx + kx]
        out[n, o, i, j] = (patch * w[o]).sum()
    return out


def _pool(x, node, **p):
    """No padding, no dilation."""
    out = np.full(node["shape"], Fraction(0), object)
    window, stride = p["window_dimensions"], p["window_strides"]
    for place in itertools.product(*map(range, node["shape"])):
        starts = [i * s for i, s in zip(place, stride, strict=True)]
        index = tuple(slice(a, a + k) for a, k in zip(starts, window, strict=True))
        out[place] = x[index].max()
    return out


def _take(x, index, node, fill=(0, 0)):
    other = Fraction(fill[0]) * Fraction(2) ** fill[1]
    flat = [x.ravel()[int(k)] if k >= 0 else other for k in index.ravel()]
    return np.array(flat, object).reshape(index.shape)


def _select(which, *cases, node):
    cases = [c.ravel() for c in cases]
    return [cases[int(w)][k] for k, w in enumerate(which.ravel())]


OPERATIONS = {
    "dot_general": _dot,
    "conv_general_dilated": _conv,
    "reduce_window_max": _pool,
    "take": _take,
    "select_n": _select,
    "add": lambda x, y, node: x + y,
    "sub": lambda x, y, node: x - y,
    "mul": lambda x, y, node: x * y,
    "div": lambda x, y, node: x / y,
    "neg": lambda x, node: -x,
    "abs": lambda x, node: abs(x),
    "max": lambda x, y, node: np.maximum(x, y),
    "min": lambda x, y, node: np.minimum(x, y),
    "larger": lambda x, y, node: np.maximum(x, y),
    "smaller": lambda x, y, node: np.minimum(x, y),
    "square": lambda x, node: x * x,
    "integer_pow": lambda x, y, node: x**y,
    "reshape": lambda x, new_sizes, node: x.reshape(new_sizes),
    "transpose": lambda x, permutation, node: x.transpose(permutation),
    "convert_element_type": lambda x, new_dtype, node: x,
    "stop_gradient": lambda x, node: x,
    "copy": lambda x, node: x,
    "reduce_sum": lambda x, axes, node: x.sum(tuple(axes)),
    "reduce_max": lambda x, axes, node: x.max(tuple(axes)),
    "reduce_min": lambda x, axes, node: x.min(tuple(axes)),
    "concatenate": lambda *xs, dimension, node: np.concatenate(xs, dimension),
    "rev": lambda x, dimensions, node: np.flip(x, dimensions),
    "cumsum": lambda x, axis, reverse, node: (
        np.flip(np.flip(x, axis).cumsum(axis), axis) if reverse else x.cumsum(axis)
    ),
}
