"""Cases of `_recurrent`: directions, states, peepholes, both resets of a GRU."""

from tests.onnx.cases import case, real
from tests.onnx.models import EPS, gamma

STEPS, INPUTS, HIDDEN = 2, 3, 2


def recurrence(case, opset, expected):
    """Two runs of at most 2 steps, numbers of at most 1/2, states of at most 1.

    An argument of a gate is a sum of n = INPUTS + HIDDEN + 2 terms of at most 1/2, so
    it errs by gamma_(n+3) n/2 and, through the state (twice in a GRU, times its reset),
    by 2 HIDDEN/2 times the state's error. A gate is 1-Lipschitz and within 8 units of
    roundoff; a cell f c + i g with |c| <= STEPS and its output o tanh(c) add up at most
    STEPS + 4 such errors to those of the state before.
    """
    n = INPUTS + HIDDEN + 2
    error = 0.0
    for _ in range(STEPS):
        gate = gamma(n + 3) * n / 2 + HIDDEN * error + 8 * EPS
        error += (STEPS + 4) * gate
    return 2 * error


def layer(
    op, gates, directions=1, *, bias=True, states=0, peepholes=False, **attributes
):
    """A layer with weights and states at random."""
    arrays = [
        real(STEPS, 2, INPUTS, scale=0.5),
        real(directions, gates * HIDDEN, INPUTS, scale=0.5),
        real(directions, gates * HIDDEN, HIDDEN, scale=0.5),
        real(directions, 2 * gates * HIDDEN, scale=0.25) if bias else None,
        None,
        *(real(directions, 2, HIDDEN, scale=0.5) for _ in range(states)),
    ]
    if peepholes:
        arrays.append(real(directions, 3 * HIDDEN, scale=0.25))
    return case(
        op,
        *(arrays if states else arrays[:4]),
        tolerance=recurrence,
        outputs=3 if op == "LSTM" else 2,
        fixed=(1, 2),
        opsets=(14, 22),
        hidden_size=HIDDEN,
        **attributes,
    )


CASES = [
    layer("RNN", 1),
    layer(
        "RNN", 1, 2, bias=False, direction="bidirectional", activations=["Relu", "Tanh"]
    ),
    layer("GRU", 3, bias=False),
    layer("GRU", 3, 2, direction="bidirectional", linear_before_reset=1, states=1),
    layer("GRU", 3, direction="reverse", states=1),
    layer("LSTM", 4),
    layer("LSTM", 4, 2, direction="bidirectional", states=2),
    layer("LSTM", 4, direction="reverse", states=2, peepholes=True),
]
