"""Products of matrices, convolutions and transposed convolutions.

Every product asks for the highest precision: float32 in a file does not mean TF32.
"""

import math

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import define, same_dtype
from torchlean_jax.onnx._windows import paddings, per_axis

_HIGHEST = lax.Precision.HIGHEST


@define("MatMul", "1 9 13")
def _matmul(node, x, y):
    same_dtype(x, y)
    return jnp.matmul(x, y, precision=_HIGHEST)


@define("Einsum", "12")
def _einsum(node, *xs):
    same_dtype(*xs)
    equation = node.text("equation", "").replace(" ", "")
    return jnp.einsum(equation, *xs, precision=_HIGHEST)


@define("Gemm", "1 6 7 9 11 13")
def _gemm(node, x, y, c=None):
    """alpha x y + beta c, with factors of 1 left out of the program."""
    if x.ndim != 2 or y.ndim != 2:
        raise FileFormatError(f"operands with {x.ndim} and {y.ndim} axes, not 2")
    same_dtype(x, y)
    left = 0 if node.integer("transA", 0) else 1
    right = 1 if node.integer("transB", 0) else 0
    result = lax.dot_general(x, y, (((left,), (right,)), ((), ())), precision=_HIGHEST)
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    node.ignore("broadcast")  # opset 1 and 6: allowed what is always allowed since
    if alpha != 1:
        result = result * jnp.asarray(alpha, result.dtype)
    if c is None or beta == 0:
        return result
    same_dtype(result, c)
    if jnp.broadcast_shapes(result.shape, c.shape) != result.shape:
        raise FileFormatError(f"C has shape {list(c.shape)}")
    return result + (c if beta == 1 else c * jnp.asarray(beta, c.dtype))


def _with_bias(y, bias):
    if bias is None:
        return y
    same_dtype(y, bias)
    if bias.shape != (y.shape[1],):
        raise FileFormatError(f"a bias of shape {list(bias.shape)}")
    return y + bias.reshape(-1, *(1,) * (y.ndim - 2))


def _kernel(node, x, w):
    same_dtype(x, w)
    spatial = x.ndim - 2
    if spatial < 1 or w.ndim != x.ndim:
        raise FileFormatError(f"operands with {x.ndim} and {w.ndim} axes")
    kernel = list(w.shape[2:])
    if node.integers("kernel_shape", kernel) != kernel:
        raise FileFormatError(f"kernel_shape is not {kernel}, as the weights say")
    group = node.integer("group", 1)
    if group < 1 or x.shape[1] % group:
        raise FileFormatError(f"{x.shape[1]} channels in {group} groups")
    return kernel, group


@define("Conv", "1 11 22")
def _conv(node, x, w, bias=None):
    kernel, group = _kernel(node, x, w)
    if w.shape[1] * group != x.shape[1] or w.shape[0] % group:
        raise FileFormatError(
            f"weights of shape {list(w.shape)} for {x.shape[1]} channels, group={group}"
        )
    strides = per_axis(node, "strides", len(kernel))
    dilations = per_axis(node, "dilations", len(kernel))
    pads = paddings(node, x.shape[2:], kernel, strides, dilations)
    y = lax.conv_general_dilated(
        x,
        w,
        strides,
        pads,
        rhs_dilation=dilations,
        feature_group_count=group,
        precision=_HIGHEST,
    )
    return _with_bias(y, bias)


@define("ConvTranspose", "1 11 22")
def _conv_transpose(node, x, w, bias=None):
    """A convolution of the stretched input with the mirrored kernel."""
    kernel, group = _kernel(node, x, w)
    if w.shape[0] != x.shape[1]:
        raise FileFormatError(f"weights for {w.shape[0]} of {x.shape[1]} channels")
    spatial = len(kernel)
    strides = per_axis(node, "strides", spatial)
    dilations = per_axis(node, "dilations", spatial)
    extra = per_axis(node, "output_padding", spatial, default=0)
    reach = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
    pads = _transposed_pads(node, x.shape[2:], reach, strides, extra)
    widths = [
        (r - low, r - high + e)
        for r, (low, high), e in zip(reach, pads, extra, strict=True)
    ]
    sizes = zip(x.shape[2:], strides, widths, reach, strict=True)
    node.room(
        [x.shape[0], w.shape[1] * group]
        + [s * (n - 1) + 1 + low + high - r for n, s, (low, high), r in sizes]
    )
    inputs, outputs = w.shape[0] // group, w.shape[1]
    grouped = w.reshape(group, inputs, outputs, *kernel).swapaxes(1, 2)
    turned = grouped.reshape(group * outputs, inputs, *kernel)
    y = lax.conv_general_dilated(
        x,
        lax.rev(turned, range(2, turned.ndim)),
        [1] * spatial,
        widths,
        lhs_dilation=strides,
        rhs_dilation=dilations,
        feature_group_count=group,
        precision=_HIGHEST,
    )
    return _with_bias(y, bias)


def _transposed_pads(node, sizes, reach, strides, extra):
    """What is cut off at both ends of each axis."""
    spatial = len(reach)
    auto = node.text("auto_pad", "NOTSET")
    wanted = given = node.integers("output_shape")
    pads = node.integers("pads", [0] * (2 * spatial))
    if len(pads) != 2 * spatial:
        raise FileFormatError(f"{len(pads)} pads for {spatial} axes")
    if auto in ("SAME_UPPER", "SAME_LOWER") and wanted is None:
        wanted = [n * s for n, s in zip(sizes, strides, strict=True)]
    if wanted is None:
        if auto == "VALID":
            pads = [0] * (2 * spatial)
        return list(zip(pads[:spatial], pads[spatial:], strict=True))
    found = []
    for n, s, r, e, size in zip(
        sizes, strides, reach, extra, wanted[-spatial:], strict=True
    ):
        total = s * (n - 1) + e + r + 1 - size
        if total < 0 and given is not None:
            raise FileFormatError(
                f"output_shape asks for {size}, and there are {total + size}"
            )
        total = max(0, total)
        less, more = total // 2, math.ceil(total / 2)
        found.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return found
