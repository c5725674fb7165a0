"""Functions that bounds know as wholes, in words of the format.

Over the reals alone: in executions all goes in pieces, each of which rounds. Those that
the format knows under their own name are in `_words`.
"""

import numpy as np


def _leaky(equation, lowering, shape):
    """max(x, c x), which is what the checker knows leaky_relu as."""
    x = lowering.operand(equation.inputs[0])
    steep = _times(lowering, x, equation.operation.params["negative_slope"], shape)
    lowering.node("max", [x, steep], shape, {}, equation.outputs[0])


def _elu(equation, lowering, shape):
    """x where x > 0, else alpha expm1(x / scale): scale * elu(x / scale)."""
    x, params = lowering.operand(equation.inputs[0]), equation.operation.params
    alpha, scale, out = params["alpha"], params["scale"], equation.outputs[0]
    if scale == 1:
        lowering.node("elu", [x], shape, {"alpha": alpha}, out)
        return
    if alpha != scale:
        return "two parameters"
    factor = lowering.constant(np.float64(scale))
    x = lowering.node("div", [x, factor], shape, {}, lowering.new())
    x = lowering.node("elu", [x], shape, {"alpha": 1.0}, lowering.new())
    lowering.node("mul", [x, factor], shape, {}, out)


def _times(lowering, x, factor, shape):
    factor = lowering.constant(np.float64(factor))
    return lowering.node("mul", [x, factor], shape, {}, lowering.new())


PIECES = {"call:leaky_relu": _leaky, "call:elu": _elu}
