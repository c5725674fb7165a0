"""Rules for pooling and for its derivatives, window by window.

The derivatives send or read at the extreme of each window, which must be decided; of
equal elements the first is taken.
"""

import numpy as np

from torchlean_jax.domains._windows import PADDING, Windows
from torchlean_jax.domains.real._apply import plus
from torchlean_jax.domains.real._flint import flint, unknown
from torchlean_jax.domains.real._order import first_extreme
from torchlean_jax.domains.real._reduce import FOLDS, folded
from torchlean_jax.domains.real._value import RealArray, as_array, rules


def _define_window(name, function, start):
    @rules.define(name)
    def rule(x, **params):
        places = Windows.of(**params).positions(x.shape)
        elements = np.append(x.balls.reshape(-1), as_array(flint().arb(start)))[places]
        windows = RealArray(elements, x.dtype)
        return folded(function, start, windows, range(x.ndim, 2 * x.ndim))


for _name, (_function, _start) in FOLDS.items():
    if _name != "prod":
        _define_window(f"reduce_window_{_name}", _function, _start)


@rules.define("select_and_scatter_add")
def _select_and_scatter_add(source, operand, *, select_prim, **params):
    """The sum of what the windows send to each element; 0 is sent where nothing is."""
    places = Windows.of(**params).positions(operand.shape)
    total = np.full(operand.size, flint().arb(0), object)
    for index, chosen in _selected(operand, places, select_prim):
        total[chosen] = plus(total[chosen], source.balls[index])
    return RealArray(total.reshape(operand.shape), source.dtype)


@rules.define("select_and_gather_add")
def _select_and_gather_add(tangents, operand, *, select_prim, **params):
    """A window of nothing but padding reads nothing that we know of."""
    places = Windows.of(**params).positions(operand.shape)
    read = np.full(places.shape[: operand.ndim], unknown(), object)
    for index, chosen in _selected(operand, places, select_prim):
        read[index] = tangents.balls.reshape(-1)[chosen]
    return RealArray(read, tangents.dtype)


def _selected(operand, places, select_prim):
    """(window, flat position of its extreme element) for each window that has any."""
    largest = "ge" in str(select_prim)
    balls = operand.balls.reshape(-1)
    for index in np.ndindex(places.shape[: operand.ndim]):
        inside = places[index][places[index] != PADDING]
        if inside.size:
            yield index, inside[first_extreme(balls[inside], largest)]
