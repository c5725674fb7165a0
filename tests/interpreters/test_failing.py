"""Enclosures of where a property fails, against exact polygons.

The oracle cuts the input rectangle into the pieces of a cell on which the network is
affine, and each of these along the lines where rows of the target turn negative. What
is left is where the property fails; on it, values are extreme at vertices.
"""

from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.interpreters import test_phases as phased
from tests.search import exact_relu, faults
from torchlean_jax.interpreters import _cells, _failing

SEEDS = range(4)


class Failing(phased.Net):
    """A small network, and the enclosures of where rows of it fail."""

    def __init__(self):
        super().__init__()

        def narrowed(shared, target, choices):
            options = {"memory": phased.MEMORY, "iterations": 8}
            return _failing.where_it_fails(
                self.graph, self.parts, shared, target, choices, 1.0, **options
            )

        self.narrowed = jax.jit(narrowed)


def failing_pieces(layers, phases, rows, offset):
    """The polygons on which the network is affine and no row is positive."""
    pieces = phased.pieces_of(layers, phases)
    for row, d in zip(rows, offset, strict=True):

        def below(point, row=row, d=d):
            outputs = phased.before(layers, 3, point)
            pairs = zip(row.tolist(), outputs, strict=True)
            return Fraction(float(d)) - sum(Fraction(c) * y for c, y in pairs)

        pieces = [
            part
            for piece in pieces
            for part in exact_relu._cut(piece, [below(p) for p in piece])
            if all(below(p) >= 0 for p in part)
        ]
    return pieces


def check_enclosures():
    """Each value stays in its enclosure where the property fails, exactly."""
    met, net = {"points": 0, "narrower": 0, "nowhere": 0}, Failing()
    for seed in SEEDS:
        random, layers = np.random.default_rng(seed), phased.layers_of(seed)
        shared = net.whole(layers)
        first = net.first(shared)
        rows = random.normal(size=(2, 2))
        # at a vertex of the cell both rows are minus the shift
        for share, shift in ((0.0, 0.5), (0.3, 0.5), (0.0, -3.0)):
            phases = net.phases(random, share=share)
            cell = phased.pieces_of(layers, net.in_layers(phases))
            if not cell:
                continue
            middle = phased.before(layers, 3, cell[0][0])
            offset = rows @ np.array([float(y) for y in middle]) + shift
            target = _cells.Target(phases, rows, offset)
            found = net.narrowed(shared, target, first)
            for depth, part in enumerate(net.parts, 1):
                new, old = found[part.operand], shared.enclosures[part.operand]
                met["narrower"] += int(np.sum((new.lo > old.lo) | (new.hi < old.hi)))
                met["nowhere"] += bool(np.any(new.lo > new.hi))
                ends = list(zip(new.lo.tolist(), new.hi.tolist(), strict=True))
                args = layers, net.in_layers(phases), rows, offset
                for point in (p for piece in failing_pieces(*args) for p in piece):
                    pairs = zip(phased.before(layers, depth, point), ends, strict=True)
                    assert all(
                        Fraction(lo) <= v <= Fraction(hi) for v, (lo, hi) in pairs
                    )
                    met["points"] += 1
    return met


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def test_values_are_enclosed_where_the_property_fails():
    met = check_enclosures()
    assert met["points"] > 50 and met["narrower"] > 10 and met["nowhere"], met


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("normals.append(-part)", "normals.append(part)"),
        ("normals, -target.offset)", "normals, target.offset)"),
        (
            "target.phases,\n        choices",
            "{n: -p for n, p in target.phases.items()},\n        choices",
        ),
    ],
)
def test_a_fault_is_noticed(sound, faulty):
    with faults.planted(_failing, sound, faulty):
        assert faults.notices(check_enclosures)
